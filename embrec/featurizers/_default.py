"""The featurizer of those who name none."""

from typing import Any

import narwhals as nw
from sklearn.pipeline import FeatureUnion

from embrec._utils.warn import warn
from embrec.data.tables import check_table
from embrec.featurizers._category_paths import CategoryPathFeaturizer
from embrec.featurizers._column_kinds import CODES, ColumnKind, column_kinds
from embrec.featurizers._numbers import NumberFeaturizer
from embrec.featurizers._tfidf import TfidfItemFeaturizer


def default_featurizer(content: Any, *, verbose: bool = False) -> Any:
    """Choose a featurizer for what the columns of a catalogue hold.

    Words go into a tower of tf-idf; categories, paths, lists, numbers, flags and times into another
    one. Ids, addresses and names of files are left out: they tell nothing of an item.

    Parameters
    ----------
    content : table
        The catalogue's columns besides the id.
    verbose : bool, default=False
        Whether to print what was chosen.

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
            "items has no column besides the id, so there is no content to know items by; add "
            "columns such as title or description."
        )
    kinds = column_kinds(check_table(content, what="items"))
    if all(kind.name == "left out" for kind in kinds.values()):
        kinds = {n: ColumnKind("words") if kind.why == CODES else kind for n, kind in kinds.items()}
    left_out = {name: kind.why for name, kind in kinds.items() if kind.name == "left out"}
    if len(left_out) == len(kinds):
        raise ValueError(
            f"No column of items holds content that items could be known by: {left_out}. Pass a "
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
            f"Columns of items are left out of their content: {left_out}. Drop them, or pass a "
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
