"""A text as the mean of the vectors of its words."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, repeat
from typing import Any

import numpy as np
import scipy.sparse as sp

from embrec.encoders.callables import describe_callable
from embrec.encoders.files import hash_arrays
from embrec.encoders.running import load_once
from embrec.encoders.word_files import TableSpec
from embrec.encoders.word_table import WordTable
from embrec.encoders.words import split_words


@dataclass(frozen=True)
class WordReader:
    """Splits texts into words.

    Parameters
    ----------
    tokenizer : callable or None
        None is :func:`~embrec.encoders.words.split_words`.
    lowercase : bool
    max_words : int or None
        How many words count.
    """

    tokenizer: Callable[[str], Iterable[str]] | None = None
    lowercase: bool = True
    max_words: int | None = None

    def __call__(self, text: str) -> list[str]:
        """Split a text."""
        split = split_words if self.tokenizer is None else self.tokenizer
        return list(split(text.lower() if self.lowercase else text))[: self.max_words]


@dataclass(frozen=True, eq=False)
class WordWeights:
    """What each word counts in a mean.

    Parameters
    ----------
    of_word : mapping of str to float
    default : float
        For words that it lacks.
    """

    of_word: Mapping[str, float] = field(default_factory=dict)
    default: float = 1.0

    @classmethod
    def inverse_document_frequency(cls, sentences: Sequence[Sequence[str]]) -> "WordWeights":
        """Weigh words as tf-idf does: ``log((1 + n) / (1 + df)) + 1``.

        Parameters
        ----------
        sentences : sequence of sequences of str

        Returns
        -------
        WordWeights
        """
        frequency = Counter(chain.from_iterable(map(set, sentences)))
        n = 1 + len(sentences)
        of_word = {word: float(np.log(n / (1 + df)) + 1) for word, df in frequency.items()}
        return cls(of_word, float(np.log(n) + 1))

    @cached_property
    def fingerprint(self) -> str:
        """Hash words and weights: 32 hexadecimal digits."""
        words = "\n".join(self.of_word).encode(errors="surrogatepass")
        weights = np.fromiter(self.of_word.values(), dtype=np.float64, count=len(self.of_word))
        arrays: dict[str, np.ndarray] = {"weights": weights}
        arrays["words"] = np.frombuffer(words, dtype=np.uint8)
        return hash_arrays(arrays, self.default)

    def __call__(self, words: Iterable[str]) -> np.ndarray:
        """Return the weights of words: (n,) float32."""
        of, default = self.of_word, self.default
        return np.array([of.get(word, default) for word in words], dtype=np.float32)


class WordMeanEncoder:
    """Encodes texts as the weighted mean of the vectors of the words that have one.

    Parameters
    ----------
    table : WordTable or WordFileSpec
        A file is read once per process, and does not travel to others.
    reader : WordReader
    weights : WordWeights
    unit_length : bool
        Whether vectors are scaled to length 1.
    """

    def __init__(
        self,
        table: WordTable | TableSpec,
        reader: WordReader,
        weights: WordWeights,
        *,
        unit_length: bool = False,
    ) -> None:
        self._table_source = table
        self._reader = reader
        self._weights = weights
        self._unit_length = unit_length

    @property
    def table(self) -> WordTable:
        """Words and vectors."""
        source = self._table_source
        table: WordTable = source if isinstance(source, WordTable) else load_once(source)
        return table

    @property
    def n_features(self) -> int:
        """Length of the vectors."""
        return self.table.n_features

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the vectors and of how they are used."""
        reader, weights = self._reader, self._weights
        settings = (describe_callable(reader.tokenizer), reader.lowercase, reader.max_words)
        parts = (self.table.fingerprint, weights.fingerprint)
        return hash_arrays({}, *parts, *settings, self._unit_length)

    def cost(self, content: str) -> int:
        """Return 1: texts need no padding."""
        return 1

    def encode(self, batches: Iterable[Sequence[str]]) -> Iterator[np.ndarray]:
        """Yield the vectors of each batch: (n, n_features) float32."""
        return map(self._encode, batches)

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        sentences = [self._reader(text) for text in texts]
        ends = np.cumsum([0, *map(len, sentences)])
        words = list(chain.from_iterable(sentences))
        rows, found, vectors = self._look_up(words)
        if not len(vectors):
            return np.zeros((len(texts), self.n_features), dtype=np.float32)
        weights = np.where(rows >= 0, self._weights(found)[rows], np.float32(0))
        parts = (weights, np.maximum(rows, 0), ends)
        matrix = sp.csr_array(parts, shape=(len(texts), len(vectors)))
        # a sum of 0 is a text without a known word: zeros
        total = np.maximum(matrix.sum(axis=1), np.finfo(np.float32).tiny)[:, np.newaxis]
        means = np.asarray(matrix @ vectors) / total
        if self._unit_length:
            lengths = np.linalg.norm(means, axis=1, keepdims=True)
            means /= np.maximum(lengths, np.finfo(np.float32).tiny)
        return means.astype(np.float32, copy=False)

    def _look_up(self, words: Sequence[str]) -> tuple[np.ndarray, list[str], np.ndarray]:
        """Find each word's row among different words with vectors, -1 if it has none."""
        table, subwords = self.table, self.table.subwords
        found = map(table.row_of.get, words, repeat(-1))
        rows = np.fromiter(found, dtype=np.int64, count=len(words))
        # the rows of these words alone: the table may be on the order of gigabytes
        used, places = np.unique(rows[rows >= 0], return_inverse=True)
        rows[rows >= 0] = places
        names, vectors = [table.words[row] for row in used.tolist()], table.vectors[used]
        if subwords is None:
            return rows, names, vectors
        unknown = sorted({word for word, row in zip(words, rows, strict=True) if row < 0})
        made, known = subwords.word_vectors(unknown)
        place_of = {word: len(used) + i for i, word in enumerate(unknown) if known[i]}
        for i in np.flatnonzero(rows < 0).tolist():
            rows[i] = place_of.get(words[i], -1)
        return rows, names + unknown, np.concatenate([vectors, made])

    def unknown_words(self, texts: Iterable[str | None]) -> tuple[int, Counter[str]]:
        """Count the words that have no vector.

        Parameters
        ----------
        texts : iterable of str or None

        Returns
        -------
        n_words : int
            Occurrences of all words.
        unknown : Counter
            Occurrences of those without a vector.
        """
        occurrences = Counter(
            chain.from_iterable(self._reader(text) for text in texts if text is not None)
        )
        words = list(occurrences)
        rows, _, _ = self._look_up(words)
        unknown = {
            word: occurrences[word] for word, row in zip(words, rows, strict=True) if row < 0
        }
        return occurrences.total(), Counter(unknown)


def check_tokens(reader: Any, texts: Sequence[str | None]) -> list[list[str]]:
    """Split texts, and raise a ValueError if that leaves no word at all."""
    sentences = [reader(text) if text is not None else [] for text in texts]
    if not any(sentences):
        n_empty = sum(text is None for text in texts)
        raise ValueError(
            f"No word is left to describe items with: of {len(texts)} texts, {n_empty} are empty. "
            "Check that columns= names columns of text, and what tokenizer= does."
        )
    return sentences
