"""What a log says of its events besides who touched what."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
import scipy.sparse as sp

from embrec.data.memmaps import update_digest

#: Column with the time since the user's event before, which event featurizers get with the others.
GAP = "gap"


@dataclass(frozen=True)
class Events:
    """What is known of the values of a Ragged, each of which is an event.

    Parameters
    ----------
    rows : ndarray of shape (n_values,), int64, or None
        Row of each in ``table``, or in ``blocks``; -1 if nothing is known of it. None: the first
        has the first row, and so on.
    table : table or None
        Columns of a log besides user and item, and `GAP`.
    blocks : list of ndarray or CSR of shape (n_rows, n_features)
        What was made of the table, one per source; none before that is done.
    weights : ndarray of shape (n_values,), float32, or None
        How much each counts as a next event; None if all count alike.
    times : ndarray of shape (n_values,), float64, or None
        When each was, as `as_seconds` says.
    """

    rows: np.ndarray | None = None
    table: Any = None
    blocks: Sequence[Any] = ()
    weights: np.ndarray | None = None
    times: np.ndarray | None = None

    def take(self, places: np.ndarray) -> "Events":
        """Gather what is known of the values at some places."""
        return replace(
            self,
            rows=places if self.rows is None else self.rows[places],
            weights=None if self.weights is None else self.weights[places],
            times=None if self.times is None else self.times[places],
        )

    def select(self) -> list[Any]:
        """Gather the features of all values, any ones where nothing is known."""
        return [block if self.rows is None else block[self.rows] for block in self.blocks]

    def update_digest(self, digest: Any) -> None:
        """Feed all that is known to a hash."""
        if self.rows is not None:
            digest.update((self.rows >= 0).tobytes())
        for features in self.select():
            update_digest(digest, features)
        if self.weights is not None:
            digest.update(self.weights.tobytes())


def join_events(
    first: Events | None, n_first: int, second: Events | None, n_second: int
) -> Events | None:
    """Append what is known of some values to what is known of others.

    Parameters
    ----------
    first, second : Events or None
        Their features, where they have any, are of the same columns.
    n_first, n_second : int
        How many values each is of.
    """
    if first is None and second is None:
        return None
    parts = [(first or Events(), n_first), (second or Events(), n_second)]
    rows, stacks, n_rows = [], [], 0
    for events, n in parts:
        if events.blocks:
            own = np.arange(n) if events.rows is None else events.rows
            rows.append(np.where(own < 0, -1, own + n_rows))
            stacks.append(events.blocks)
            n_rows += events.blocks[0].shape[0]
        else:
            rows.append(np.full(n, -1))
    weights = None
    if any(events.weights is not None for events, _ in parts):
        ones = [np.ones(n, np.float32) if e.weights is None else e.weights for e, n in parts]
        weights = np.concatenate(ones)
    blocks = [stack(of_source) for of_source in zip(*stacks, strict=True)]
    return Events(np.concatenate(rows), None, blocks, weights)


def stack(blocks: Sequence[Any]) -> Any:
    """Put matrices of features below each other."""
    if len(blocks) == 1:
        return blocks[0]
    if any(sp.issparse(block) for block in blocks):
        return sp.csr_array(sp.vstack(blocks, format="csr"))
    return np.concatenate(blocks)


def events_of_log(
    frame: "nw.DataFrame[Any]", times: np.ndarray | None, order: np.ndarray, offsets: np.ndarray
) -> Events:
    """Take what a log says of its events, and the time since the same user's event before.

    Parameters
    ----------
    frame : narwhals.DataFrame
        Columns besides user and item.
    times : ndarray of shape (n_events,) or None
        Sort keys, in the order of the table.
    order, offsets : ndarray
        Rows of the table user after user, each one's in time order; where each user begins.

    Returns
    -------
    Events
        In the order of ``order``. `GAP` is float64: seconds, or the unit of times that are numbers;
        NaN for first events, and everywhere if there are no times.

    Raises
    ------
    ValueError
        If the table has such a column.
    """
    check_gap(frame.columns)
    gaps, ordered = np.full(len(frame), np.nan), None
    if times is not None:
        ordered = as_seconds(times)[order]
        since = np.diff(ordered, prepend=np.nan)
        since[offsets[:-1]] = np.nan
        gaps[order] = since
    return Events(order, with_gaps(frame, gaps), times=ordered)


def check_gap(columns: Sequence[str]) -> None:
    """Raise if a log has a column of the name that is ours."""
    if GAP in columns:
        raise ValueError(
            f"The log has a column {GAP!r}, which is the name that event featurizers know the time "
            "since the event before by. Rename the column."
        )


def with_gaps(frame: "nw.DataFrame[Any]", gaps: np.ndarray) -> Any:
    """Add the column `GAP` to a table."""
    column = nw.new_series(GAP, gaps, backend=nw.get_native_namespace(frame))
    return frame.with_columns(column).to_native()


def as_seconds(times: np.ndarray) -> np.ndarray:
    """Turn sort keys into float64: seconds, or numbers as they are."""
    if times.dtype == object:  # dates
        times = times.astype("datetime64[us]")
    if times.dtype.kind in "mM":
        whole = times.astype("datetime64[us]" if times.dtype.kind == "M" else "timedelta64[us]")
        seconds: np.ndarray = whole.astype(np.int64) / 1e6
        return seconds
    return times.astype(np.float64)


def check_weights(weights: Any, n_events: int, of: str = "events of X") -> np.ndarray | None:
    """Check how much events count, and scale them so that their mean is 1.

    Parameters
    ----------
    weights : array-like of shape (n_events,), or None
    n_events : int
    of : str, default="events of X"
        What they are of, in messages.

    Returns
    -------
    ndarray of shape (n_events,), float32, or None

    Raises
    ------
    ValueError, TypeError
        If there is not one number for each event, or one is negative or not finite, or all are 0.
    """
    if weights is None:
        return None
    found = np.asarray(weights)
    if found.dtype.kind not in "biuf":
        raise TypeError(f"sample_weight must hold numbers; got dtype {found.dtype}.")
    if found.shape != (n_events,):
        raise ValueError(
            f"sample_weight must hold one number for each of the {n_events} {of}; got shape "
            f"{found.shape}."
        )
    found = found.astype(np.float64)
    wrong = ~(np.isfinite(found) & (found >= 0))
    if wrong.any():
        raise ValueError(
            f"sample_weight must hold finite numbers, none negative; got {found[wrong][0]} for "
            f"number {int(wrong.argmax())}, and {int(wrong.sum())} such in all."
        )
    if not found.any():
        raise ValueError(f"sample_weight is 0 for all {of}, so that none counts.")
    found = found / found.max()  # so that no sum overflows
    return (found / found.mean()).astype(np.float32)
