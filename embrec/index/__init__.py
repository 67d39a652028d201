"""Top-k search over vectors that come, change and go; one backend per file."""

from embrec.index.annoy import AnnoyIndex
from embrec.index.approximate import LowRecallWarning
from embrec.index.base import IndexRebuildWarning
from embrec.index.exact import ExactIndex

__all__ = ["AnnoyIndex", "ExactIndex", "IndexRebuildWarning", "LowRecallWarning"]
