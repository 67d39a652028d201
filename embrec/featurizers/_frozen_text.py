"""Featurizers of text whose features of an item depend on this item alone."""

from typing import Any

from embrec.featurizers._frozen import FrozenFeaturizer
from embrec.featurizers._text_base import TextReader
from embrec.featurizers._text_columns import TextItems


class FrozenTextFeaturizer(FrozenFeaturizer, TextReader):
    """Base class: the content of an item is its text; an item without text has zeros."""

    _unit = "texts"

    def _read(self, X: Any) -> tuple[TextItems, list[str | None]]:
        items = self._read_items(X)
        return items, self._present_texts(items)

    def _present_texts(self, items: TextItems) -> list[str | None]:
        texts = self._texts(items)
        return [text if text and not text.isspace() else None for text in texts]

    def _content_bytes(self, content: str) -> bytes:
        return content.encode(errors="surrogatepass")  # whatever a str may hold
