"""Top-k search over vectors, one backend per file."""

from embrec.index.exact import ExactIndex

__all__ = ["ExactIndex"]
