"""Vectors of words, and of the parts of words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from embrec._utils.optional import import_optional
from embrec.encoders.files import hash_arrays


@dataclass(frozen=True, eq=False)
class Subwords:
    """Vectors of groups of characters, by hash, as in fastText.

    Parameters
    ----------
    vectors : ndarray of shape (n_buckets, n_features), float32
    min_n, max_n : int
        Shortest and longest group.
    """

    vectors: np.ndarray
    min_n: int
    max_n: int

    def word_vectors(self, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Give vectors to words: the mean over their groups of characters.

        Parameters
        ----------
        words : sequence of str

        Returns
        -------
        vectors : ndarray of shape (n_words, n_features), float32
        known : ndarray of shape (n_words,), bool
            False for words too short to have a group.
        """
        fasttext = import_optional(
            "gensim.models.fasttext", extra="words", purpose="WordVectorItemFeaturizer"
        )
        vectors = np.zeros((len(words), self.vectors.shape[1]), dtype=np.float32)
        known = np.zeros(len(words), dtype=bool)
        for i, word in enumerate(words):
            groups = fasttext.ft_ngram_hashes(word, self.min_n, self.max_n, len(self.vectors))
            if groups:
                vectors[i] = self.vectors[groups].mean(axis=0)
                known[i] = True
        return vectors, known


@dataclass(frozen=True, eq=False)
class WordTable:
    """Words and their vectors.

    Parameters
    ----------
    words : sequence of str
        Unique.
    vectors : ndarray of shape (n_words, n_features), float32
    subwords : Subwords or None
        Where other words get theirs from.
    """

    words: Sequence[str]
    vectors: np.ndarray
    subwords: Subwords | None = None
    row_of: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "row_of", {word: i for i, word in enumerate(self.words)})

    @property
    def n_features(self) -> int:
        """Length of the vectors."""
        return int(self.vectors.shape[1])

    @cached_property
    def fingerprint(self) -> str:
        """Hash words and vectors: 32 hexadecimal digits."""
        arrays = {"vectors": self.vectors}
        settings: tuple[Any, ...] = ()
        if self.subwords is not None:
            arrays["subwords"] = self.subwords.vectors
            settings = (self.subwords.min_n, self.subwords.max_n)
        words = "\n".join(self.words).encode(errors="surrogatepass")
        return hash_arrays(arrays | {"words": np.frombuffer(words, dtype=np.uint8)}, *settings)
