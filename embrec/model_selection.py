"""Splitters over logs that respect time, users and items.

They yield positions of rows, so they serve ``cv=`` of scikit-learn. The test part holds whole
sequences: the scorer takes each one's last event as the target and what precedes it as the query.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from embrec.data.ids import check_ids
from embrec.data.interactions import LogColumns, read_sequences, sort_log
from embrec.data.tables import check_table, column_values, get_column, is_table, sort_keys

__all__ = [
    "ColdItemSplit",
    "ColdUserSplit",
    "LeaveLastOut",
    "TemporalSplit",
    "leave_last_out_split",
]

Fold = tuple[np.ndarray, np.ndarray]


class _LogSplitter:
    """Shared by the splitters: column names, and the arguments scikit-learn passes."""

    n_splits = 1

    def __init__(self, *, user_col: str, item_col: str, timestamp_col: str | None) -> None:
        self.user_col = user_col
        self.item_col = item_col
        self.timestamp_col = timestamp_col

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({arguments})"

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : ignored

        Returns
        -------
        int
        """
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Fold]:
        """Yield the positions of the training and the test rows.

        Parameters
        ----------
        X : table
            A log.
        y, groups : ignored

        Yields
        ------
        train, test : ndarray of int64
            In the order of the table.

        Raises
        ------
        TypeError
            If ``X`` is no table: a list of sequences has one row per user.
        ValueError
            If a column is missing, a part would be empty, or a parameter is out of its range.
        """
        _check_count(self.n_splits, "n_splits")
        for train, test in self._folds(X):
            if not len(train) or not len(test):
                raise ValueError(
                    f"{self!r} leaves no row to {'test' if len(train) else 'train on'}: the log is "
                    "too small for it."
                )
            yield train, test

    @abstractmethod
    def _folds(self, X: Any) -> Iterator[Fold]:
        """Do what `split` says."""

    def _sort(self, X: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions sorted by user and time, each one's user number, and each one's from the end.

        The last counts an event's successors: 0 for a user's last event.
        """
        if not is_table(X):
            raise TypeError(
                f"{type(self).__name__} splits the rows of a log table; got {type(X).__name__}. "
                "A list of sequences has one row per user: use leave_last_out_split, or pass y and "
                "cv=[(all_rows, all_rows)]."
            )
        columns = LogColumns(self.user_col, self.item_col, self.timestamp_col)
        order, offsets = sort_log(X, columns)[:2]
        lengths = np.diff(offsets)
        users = np.repeat(np.arange(len(lengths)), lengths)
        return order, users, np.repeat(offsets[1:], lengths) - np.arange(len(order)) - 1


def _sorted_positions(order: np.ndarray, mask: np.ndarray) -> np.ndarray:
    # in the order of the table, so that ties in time stay as they were
    return np.sort(order[mask])


class LeaveLastOut(_LogSplitter):
    """One fold: train on all but each user's last ``n`` events, test on the whole sequences.

    Users with no more than ``n`` events stay in the training part and are not tested.

    Parameters
    ----------
    n : int, default=1
        Events of each user that are kept from training.
    user_col, item_col : str, default="user", "item"
        Columns of the log.
    timestamp_col : str or None, default="timestamp"
        Column of times; None takes the order of the rows.
    """

    def __init__(
        self,
        n: int = 1,
        *,
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
    ) -> None:
        super().__init__(user_col=user_col, item_col=item_col, timestamp_col=timestamp_col)
        self.n = n

    def _folds(self, X: Any) -> Iterator[Fold]:
        _check_count(self.n, "n")
        order, users, n_after = self._sort(X)
        tested = np.bincount(users)[users] > self.n
        if not tested.any():
            raise ValueError(f"No user has more than n={self.n} events: there is nothing to test.")
        train = _sorted_positions(order, ~tested | (n_after >= self.n))
        yield train, _sorted_positions(order, tested)


class TemporalSplit(_LogSplitter):
    """Folds cut at points in time that are the same for all users: nothing leaks from the future.

    The last ``test_size`` of the events, in time, are cut into ``n_splits`` windows of equally many
    events. Fold i trains on all events before window i, and tests the users who have an event in
    it, on their whole sequences up to its end.

    Parameters
    ----------
    n_splits : int, default=1
    test_size : float, default=0.2
        Share of the events that lie in the windows, all together.
    user_col, item_col : str, default="user", "item"
        Columns of the log.
    timestamp_col : str, default="timestamp"
        Column of times.
    """

    def __init__(
        self,
        n_splits: int = 1,
        *,
        test_size: float = 0.2,
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str = "timestamp",
    ) -> None:
        super().__init__(user_col=user_col, item_col=item_col, timestamp_col=timestamp_col)
        self.n_splits = n_splits
        self.test_size = test_size

    def _folds(self, X: Any) -> Iterator[Fold]:
        _check_share(self.test_size)
        if self.timestamp_col is None:
            raise ValueError("TemporalSplit needs times; name their column with timestamp_col=.")
        order, users, _ = self._sort(X)
        frame = nw.from_native(X, eager_only=True)
        hint = "TemporalSplit needs times; name their column with timestamp_col=."
        column = get_column(frame, self.timestamp_col, what="X", hint=hint)
        times = sort_keys(column, what=f"X[{self.timestamp_col!r}]")[order]
        for begin, end in self._windows(np.sort(times)):
            before = times < begin
            until = times < end if end is not None else np.ones(len(times), dtype=bool)
            in_window = until & ~before
            if not before.any() or not in_window.any():
                raise ValueError(
                    f"X[{self.timestamp_col!r}] cannot be cut at {begin}: one side is empty. Too "
                    "many events share a time; use fewer splits or another test_size."
                )
            tested = np.bincount(users[in_window], minlength=users[-1] + 1)[users] > 0
            yield _sorted_positions(order, before), _sorted_positions(order, tested & until)

    def _windows(self, times: np.ndarray) -> list[tuple[Any, Any]]:
        shares = np.linspace(1 - self.test_size, 1, self.n_splits + 1)[:-1]
        begins = list(times[(shares * len(times)).astype(np.int64)])
        return list(zip(begins, [*begins[1:], None], strict=True))


class _RandomSplitter(_LogSplitter):
    """Shared by the splitters that draw a share of something."""

    def __init__(
        self,
        n_splits: int = 1,
        *,
        test_size: float = 0.1,
        random_state: Any = None,
        user_col: str = "user",
        item_col: str = "item",
        timestamp_col: str | None = "timestamp",
    ) -> None:
        super().__init__(user_col=user_col, item_col=item_col, timestamp_col=timestamp_col)
        self.n_splits = n_splits
        self.test_size = test_size
        self.random_state = random_state

    def _draws(self, n: int) -> Iterator[np.ndarray]:
        """Mark, for each fold, a share of n things: at least one and not all."""
        _check_share(self.test_size)
        n_drawn = min(max(1, round(n * self.test_size)), n - 1)
        if n_drawn < 1:
            raise ValueError("There is only one to draw from; a split needs at least two.")
        rng = check_random_state(self.random_state)
        for _ in range(self.n_splits):
            drawn = np.zeros(n, dtype=bool)
            drawn[rng.choice(n, size=n_drawn, replace=False)] = True
            yield drawn


class ColdUserSplit(_RandomSplitter):
    """Whole users held out: train on some users, test on others nobody has seen.

    Parameters
    ----------
    n_splits : int, default=1
        Independent draws.
    test_size : float, default=0.1
        Share of the users held out (thesis section 4.3).
    random_state : int, RandomState or None, default=None
    user_col, item_col : str, default="user", "item"
        Columns of the log.
    timestamp_col : str or None, default="timestamp"
        Column of times; None takes the order of the rows.
    """

    def _folds(self, X: Any) -> Iterator[Fold]:
        order, users, _ = self._sort(X)
        for drawn in self._draws(int(users[-1]) + 1):
            cold = drawn[users]
            yield _sorted_positions(order, ~cold), _sorted_positions(order, cold)


class ColdItemSplit(_RandomSplitter):
    """Items held out of training altogether, and tested where they are a user's last event.

    Train: every user's events but the last, and none of a cold item. Test: the whole sequences of
    the users whose last event is a cold item. Such an event must have a predecessor.

    Parameters
    ----------
    n_splits : int, default=1
        Independent draws.
    test_size : float, default=0.1
        Share of the items of the log held out.
    random_state : int, RandomState or None, default=None
    user_col, item_col : str, default="user", "item"
        Columns of the log.
    timestamp_col : str or None, default="timestamp"
        Column of times; None takes the order of the rows.
    """

    def _folds(self, X: Any) -> Iterator[Fold]:
        order, users, n_after = self._sort(X)
        unique, codes = self._items(X)
        codes = codes[order]
        has_history = np.bincount(users)[users] > 1
        for drawn in self._draws(len(unique)):
            cold = drawn[codes]
            cold_target = cold & (n_after == 0) & has_history
            tested = np.bincount(users[cold_target], minlength=users[-1] + 1)[users] > 0
            train = ~cold & ((n_after > 0) | ~has_history)
            yield _sorted_positions(order, train), _sorted_positions(order, tested)

    def cold_items(self, X: Any) -> list[np.ndarray]:
        """Tell which items each fold holds out, to keep them out of the catalogue as well.

        Parameters
        ----------
        X : table
            The log that `split` is given.

        Returns
        -------
        list of ndarray
            Ids, one array per fold.

        Raises
        ------
        ValueError
            If ``random_state`` is not an int: `split` would then draw other items.
        """
        if not isinstance(self.random_state, (int, np.integer)):
            raise ValueError(
                f"cold_items needs an int as random_state, to draw what split draws; got "
                f"{self.random_state!r}."
            )
        unique, _ = self._items(X)
        return [unique[drawn] for drawn in self._draws(len(unique))]

    def _items(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        frame = check_table(X, what="X")
        column = get_column(frame, self.item_col, what="X", hint="Name it with item_col=.")
        ids = check_ids(column_values(column), what=f"X[{self.item_col!r}]")
        # sorted, so that the draw does not depend on the order of the rows
        codes, unique = pd.factorize(ids, sort=True)
        return np.asarray(unique), codes


def _check_count(n: int, name: str) -> None:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"{name} must be an integer >= 1; got {n!r}.")


def _check_share(share: Any) -> None:
    if not isinstance(share, (float, np.floating)) or not 0 < share < 1:
        raise ValueError(f"test_size must be a share between 0 and 1; got {share!r}.")


def leave_last_out_split(
    X: Any,
    *,
    user_col: str = "user",
    item_col: str = "item",
    timestamp_col: str | None = "timestamp",
) -> tuple[Any, Any, Any]:
    """Split a log in three, as in the thesis (section 3.3.1).

    With a user's events in time order as ``seq``: train on ``seq[:-2]``, validate by predicting
    ``seq[-2]`` from ``seq[:-2]``, test by predicting ``seq[-1]`` from ``seq[:-1]``. The last two
    parts hold the whole sequences, ``seq[:-1]`` and ``seq``, as the scorer and ``X_val`` take them.
    Users with fewer than three events are neither validated nor tested; their events are in the
    training part.

    Parameters
    ----------
    X : table or list of sequences
    user_col, item_col : str, default="user", "item"
        Columns of the log.
    timestamp_col : str or None, default="timestamp"
        Column of times; None takes the order of the rows.

    Returns
    -------
    train, valid, test : as ``X``
    """
    columns = LogColumns(user_col, item_col, timestamp_col)
    if not is_table(X):
        sequences, _ = read_sequences(X, columns)
        rows = [row.tolist() for row in np.split(sequences.values, sequences.offsets[1:-1])]
        long_enough = [row for row in rows if len(row) >= 3]
        training = [row[:-2] if len(row) >= 3 else row for row in rows]
        return training, [row[:-1] for row in long_enough], long_enough
    order, offsets = sort_log(X, columns)[:2]
    lengths = np.repeat(np.diff(offsets), np.diff(offsets))
    n_after = np.repeat(offsets[1:], np.diff(offsets)) - np.arange(len(order)) - 1
    tested = lengths >= 3
    frame = nw.from_native(X, eager_only=True)
    masks = (~tested | (n_after >= 2), tested & (n_after >= 1), tested)
    train, valid, test = (
        frame[_sorted_positions(order, mask).tolist()].to_native() for mask in masks
    )
    return train, valid, test
