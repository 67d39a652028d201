"""What featurizers of text have in common: columns, words and markup."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

from embrec._utils.compat import Interval
from embrec.encoders.words import compose
from embrec.featurizers._base import ItemFeaturizer
from embrec.featurizers._markup import strip_markup
from embrec.featurizers._text_columns import (
    TextItems,
    check_columns,
    join_text,
    limit_words,
    read_text_items,
)


class TextReader(ItemFeaturizer):
    """Base class: from ``X`` to one text per item, by the parameters that all of them have."""

    _text_constraints: ClassVar[dict[str, Any]] = {
        "columns": [None, str, "array-like"],
        "max_words": [Interval(Integral, 1, None, closed="left"), None],
        "strip_html": ["boolean"],
    }

    max_words: int | None
    strip_html: bool

    def _read_items(self, X: Any) -> TextItems:
        items = read_text_items(X)
        check_columns(self.columns)
        return items

    def _join(self, items: TextItems, columns: Sequence[str] | None) -> list[str]:
        texts = join_text(items, columns)
        return list(map(compose, strip_markup(texts) if self.strip_html else texts))

    def _texts(self, items: TextItems) -> list[str]:
        texts = self._join(items, check_columns(self.columns))
        return limit_words(texts, self._max_blank_separated)

    @property
    def _max_blank_separated(self) -> int | None:
        """How many words that blanks separate to keep."""
        return self.max_words
