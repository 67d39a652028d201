"""Featurizers of text whose features of an item depend on this item alone."""

from typing import Any

from embrec.featurizers._frozen import FrozenFeaturizer
from embrec.featurizers._text_base import TextReader
from embrec.featurizers._text_columns import TextItems


class FrozenTextFeaturizer(FrozenFeaturizer, TextReader):
    """Base class: the content of an item is its text; an item without text has zeros."""

    def _read(self, X: Any, *, reset: bool) -> list[str | None]:
        items = self._read_items(X)
        if not reset:
            self._check_items(items, reset=False)
        texts = self._present_texts(items)
        if reset:
            # assigned last: a fit that fails leaves an earlier one intact
            self._check_items(items, reset=True)
        return texts

    def _present_texts(self, items: TextItems) -> list[str | None]:
        texts = self._texts(items)
        return [text if text and not text.isspace() else None for text in texts]

    def _content_bytes(self, content: str) -> bytes:
        return content.encode(errors="surrogatepass")  # whatever a str may hold
