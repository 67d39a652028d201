"""From what a user asks for to an index."""

from typing import Any

from sklearn.base import clone

from embrec.index.annoy import AnnoyIndex
from embrec.index.auto import AutoIndex
from embrec.index.base import BaseIndex
from embrec.index.exact import ExactIndex
from embrec.index.faiss import FaissIndex
from embrec.index.hnsw import HnswIndex

#: Names of the indexes, for those who want one as it is.
NAMES: dict[str, type[Any]] = {
    "auto": AutoIndex,
    "exact": ExactIndex,
    "annoy": AnnoyIndex,
    "hnsw": HnswIndex,
    "faiss": FaissIndex,
}


def make_index(index: Any) -> BaseIndex:
    """Make an index that is not fitted yet.

    Parameters
    ----------
    index : {"auto", "exact", "annoy", "hnsw", "faiss"} or BaseIndex
        One of the user's is cloned.

    Returns
    -------
    BaseIndex

    Raises
    ------
    ValueError
        If it searches by another metric than the inner product.
    """
    if isinstance(index, str):
        kind = NAMES[index]
        made: BaseIndex = kind(random_state=0) if "random_state" in _parameters(kind) else kind()
        return made
    made = clone(index)
    if made.metric != "dot":
        raise ValueError(
            f"index has metric={made.metric!r}; the score of an item is an inner product, so that "
            "metric must be 'dot'."
        )
    return made


def _parameters(kind: type[Any]) -> list[str]:
    names: list[str] = kind._get_param_names()
    return names
