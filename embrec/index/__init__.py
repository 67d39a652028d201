"""Top-k search over vectors that come, change and go; one backend per file."""

from embrec.index.annoy import AnnoyIndex
from embrec.index.approximate import LowRecallWarning
from embrec.index.auto import AutoIndex
from embrec.index.changing import IndexRebuildWarning
from embrec.index.exact import ExactIndex
from embrec.index.faiss import FaissIndex
from embrec.index.hnsw import HnswIndex

__all__ = [
    "AnnoyIndex",
    "AutoIndex",
    "ExactIndex",
    "FaissIndex",
    "HnswIndex",
    "IndexRebuildWarning",
    "LowRecallWarning",
]
