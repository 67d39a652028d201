"""The featurizer of those who name none."""

from typing import Any

import narwhals as nw

from embrec.data.tables import check_table
from embrec.featurizers._tfidf import TfidfItemFeaturizer


def default_featurizer(content: Any) -> TfidfItemFeaturizer:
    """Choose tf-idf over the columns of a catalogue that hold text.

    Numbers, flags and times are left out: as words they would say nothing, and hide that an item
    has no text.

    Parameters
    ----------
    content : table
        The catalogue's columns besides the id.

    Returns
    -------
    TfidfItemFeaturizer
        Not fitted.

    Raises
    ------
    ValueError
        If no column holds text.
    """
    if not nw.from_native(content).columns:
        raise ValueError(
            "items has no column besides the id, so there is no content to know items by; add "
            "columns such as title or description."
        )
    schema = check_table(content, what="items").schema
    textual = (nw.String, nw.Categorical, nw.Enum, nw.Object)
    columns = [name for name, dtype in schema.items() if dtype in textual]
    if not columns:
        raise ValueError(
            f"No column of items holds text: {dict(schema)}. Pass a featurizer that reads them, "
            "such as sklearn.compose.ColumnTransformer."
        )
    return TfidfItemFeaturizer(columns=columns)
