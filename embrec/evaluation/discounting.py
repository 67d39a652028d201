"""All items ranked with a popularity discount, exactly: one more column does it."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from embrec.data.side_by_side import SideBySide
from embrec.index import ExactIndex
from embrec.index.base import BaseIndex
from embrec.serving.reranking import penalties


def discounted_index(index: BaseIndex, counts: np.ndarray, discount: float) -> ExactIndex:
    """Copy an index, each item's score lowered: by a column that queries have a one in."""
    snapshot = index.snapshot
    lowered = ExactIndex().fit(_with_column(snapshot.whole(), -penalties(counts, discount)))
    lowered.remove(np.flatnonzero(~snapshot.active))
    return lowered


def discounted_queries(queries: Any) -> Any:
    """Give queries the column of ones that `discounted_index` needs."""
    return _with_column(queries, np.ones(queries.shape[0]))


def _with_column(matrix: Any, column: np.ndarray) -> Any:
    """Append a column to any matrix of vectors."""
    column = column.astype(np.float32)[:, None]
    if isinstance(matrix, SideBySide):
        return SideBySide([*matrix.parts, column])
    if sp.issparse(matrix):
        return sp.hstack([matrix, sp.csr_array(column)], format="csr")
    return np.hstack([matrix, column])
