"""The featurizer of those who name none."""

from typing import Any

import narwhals as nw
from sklearn.pipeline import FeatureUnion

from embrec._utils.warn import warn
from embrec.data.events import GAP
from embrec.data.tables import check_table, columns_of_times
from embrec.featurizers._category_paths import CategoryPathFeaturizer
from embrec.featurizers._column_kinds import CODES, ColumnKind, column_kinds
from embrec.featurizers._numbers import NumberFeaturizer
from embrec.featurizers._tfidf import TfidfItemFeaturizer
from embrec.featurizers._times import TimeFeaturizer


def default_event_featurizer(events: Any, timestamp_col: str | None) -> Any:
    """Choose a featurizer for what a log says of its events besides user and item.

    Times go into one tower, and the other columns as those of a catalogue do.

    Parameters
    ----------
    events : table
        Columns of the log, and `GAP`.
    timestamp_col : str or None
        Which of them holds the times.

    Returns
    -------
    FeatureUnion
        Not fitted.

    Raises
    ------
    ValueError
        If no column tells anything of an event.
    """
    frame = check_table(events, what="X")
    branches: list[tuple[str, Any]] = []
    gaps = frame[GAP].to_numpy().astype(float)  # NaN is more than 0 to polars
    if timestamp_col in frame.columns and (gaps > 0).any():
        holds_moments = bool(columns_of_times(frame.select(timestamp_col)))
        parts = ("gap", "hour", "weekday") if holds_moments else ("gap",)
        branches.append(("times", TimeFeaturizer(parts, timestamp_col=str(timestamp_col))))
    others = [name for name in frame.columns if name not in (timestamp_col, GAP)]
    if others:
        chosen = default_featurizer(frame.select(others).to_native(), what="the log")
        is_union = isinstance(chosen, FeatureUnion)
        branches += chosen.transformer_list if is_union else [("words", chosen)]
    if not branches:
        raise ValueError(
            "The log has no column besides user and item that tells anything of an event, and no "
            "times. Leave event_featurizer at None."
        )
    return FeatureUnion(branches)


def default_featurizer(content: Any, *, verbose: bool = False, what: str = "items") -> Any:
    """Choose a featurizer for what the columns of a catalogue hold.

    Words go into a tower of tf-idf; categories, paths, lists, numbers, flags and times into another
    one. Ids, addresses and names of files are left out: they tell nothing of an item.

    Parameters
    ----------
    content : table
        The catalogue's columns besides the id.
    verbose : bool, default=False
        Whether to print what was chosen.
    what : str, default="items"
        Name of the table in messages.

    Returns
    -------
    transformer
        Not fitted: a TfidfItemFeaturizer if there are only words, else a FeatureUnion.

    Raises
    ------
    ValueError
        If no column holds content.

    Warns
    -----
    UserWarning
        If columns are left out.
    """
    if not nw.from_native(content).columns:
        raise ValueError(
            f"{what} has no column besides the id, so there is no content to know items by; add "
            "columns such as title or description."
        )
    kinds = column_kinds(check_table(content, what=what))
    if all(kind.name == "left out" for kind in kinds.values()):
        kinds = {n: ColumnKind("words") if kind.why == CODES else kind for n, kind in kinds.items()}
    left_out = {name: kind.why for name, kind in kinds.items() if kind.name == "left out"}
    if len(left_out) == len(kinds):
        raise ValueError(
            f"No column of {what} holds content that could be told apart: {left_out}. Pass a "
            "featurizer that reads them, such as sklearn.compose.ColumnTransformer."
        )
    words = [name for name, kind in kinds.items() if kind.name == "words"]
    branches = [("words", TfidfItemFeaturizer(columns=words))] if words else []
    attributes = _attributes(kinds)
    if attributes:
        branches.append(("attributes", FeatureUnion(attributes)))
    if verbose:
        print(_told(kinds))  # noqa: T201 - it was asked for
    elif left_out:
        warn(
            f"Columns of {what} are left out of the content: {left_out}. Drop them, or pass a "
            "featurizer that reads them; verbose=1 tells what is made of the others."
        )
    return branches[0][1] if words and not attributes else FeatureUnion(branches)


def _attributes(kinds: dict[str, ColumnKind]) -> list[tuple[str, Any]]:
    """Choose what reads anything but words."""
    branches: list[tuple[str, Any]] = []
    for name, kind in kinds.items():
        if kind.name in ("categories", "paths", "lists"):
            reader = CategoryPathFeaturizer(
                [name],
                separator=kind.separator if kind.name == "paths" else None,
                list_separator=kind.separator if kind.name == "lists" else None,
                min_items=2,
            )
            branches.append((f"{kind.name}_{len(branches)}", reader))
    numbers = [name for name, kind in kinds.items() if kind.name in ("numbers", "times")]
    if numbers:
        branches.append(("numbers", NumberFeaturizer(numbers)))
    return branches


def _told(kinds: dict[str, ColumnKind]) -> str:
    """Say what is made of each column."""
    of_kind: dict[str, list[str]] = {}
    for name, kind in sorted(kinds.items(), key=lambda item: item[1].name == "left out"):
        said = f"{name} ({kind.why})" if kind.why else name
        of_kind.setdefault(kind.name, []).append(said)
    parts = [f"{kind}: {', '.join(names)}" for kind, names in of_kind.items()]
    return f"The content of items is {'; '.join(parts)}."
