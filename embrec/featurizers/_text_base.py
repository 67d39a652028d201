"""What featurizers of text have in common: columns, words, markup, and what scikit-learn asks."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import narwhals as nw
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from embrec._compat import Interval, validate_data
from embrec.featurizers._markup import strip_markup
from embrec.featurizers._text_columns import (
    TextItems,
    check_columns,
    join_text,
    limit_words,
    read_text_items,
)


class TextReader(TransformerMixin, BaseEstimator):
    """Base class: from ``X`` to one text per item, by the parameters that all of them have."""

    _text_constraints: ClassVar[dict[str, Any]] = {
        "columns": [None, str, "array-like"],
        "max_words": [Interval(Integral, 1, None, closed="left"), None],
        "strip_html": ["boolean"],
    }

    columns: Any
    max_words: int | None
    strip_html: bool

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _read_items(self, X: Any) -> TextItems:
        items = read_text_items(X)
        check_columns(self.columns)
        return items

    def _check_items(self, items: TextItems, *, reset: bool) -> None:
        """Remember the columns, or compare them to those of ``fit``."""
        if not reset and (self.columns is not None or is_ready_made(items)):
            return  # columns are picked by name; ready-made texts have none
        validate_data(self, _to_native(items), reset=reset, skip_check_array=True)

    def _join(self, items: TextItems, columns: Sequence[str] | None) -> list[str]:
        texts = join_text(items, columns)
        return strip_markup(texts) if self.strip_html else texts

    def _texts(self, items: TextItems) -> list[str]:
        texts = self._join(items, check_columns(self.columns))
        return limit_words(texts, self._max_blank_separated)

    @property
    def _max_blank_separated(self) -> int | None:
        """How many words that blanks separate to keep."""
        return self.max_words


def is_ready_made(items: TextItems) -> bool:
    """Whether there is one text per item, and no columns."""
    return isinstance(items, np.ndarray) and items.ndim == 1


def _to_native(items: TextItems) -> Any:
    if isinstance(items, nw.DataFrame):
        return items.to_native()
    return items[:, np.newaxis] if items.ndim == 1 else items
