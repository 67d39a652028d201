"""Files of word vectors: word2vec, GloVe, fastText and gensim's own."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from embrec._utils.optional import import_optional
from embrec._utils.warn import warn
from embrec.encoders.files import Stamp, check_file, file_stamp
from embrec.encoders.word_sizes import FASTTEXT_MAGIC, check_fasttext, check_word2vec
from embrec.encoders.word_table import Subwords, WordTable
from embrec.encoders.words import compose

_ZIP_MAGIC = b"PK\x03\x04"
_FORMATS = "word2vec (text or binary), GloVe, fastText (.bin or .vec)"


class _UnknownError(ValueError):
    """A file is of no format that is read; the message says all."""


@dataclass(frozen=True)
class WordFileSpec:
    """A file of word vectors.

    Parameters
    ----------
    path : str
    format : {"auto", "word2vec", "glove", "fasttext", "gensim"}
    limit : int or None
        How many words are read, the first ones, which are the most frequent.
    stamp : tuple
        Which version of the file.
    """

    path: str
    format: str
    limit: int | None
    stamp: Stamp

    @classmethod
    def of(cls, path: Any, file_format: str, limit: int | None) -> "WordFileSpec":
        """Make a spec of a file that is there."""
        try:
            found = check_file(path, "vectors")
        except FileNotFoundError as error:
            error.add_note(
                "embrec downloads no vectors. Those that gensim knows by name come from "
                "gensim.downloader.load(name): pass what it returns."
            )
            raise
        return cls(str(found), file_format, limit, file_stamp(found))

    def load(self) -> WordTable:
        """Read the file with gensim.

        Raises
        ------
        ValueError
            If it cannot be read.
        """
        # before anything else: without it nothing can be read
        models = import_optional("gensim.models", extra="words", purpose="WordVectorItemFeaturizer")
        file_format = self.format
        try:
            if file_format == "auto":
                file_format = _detect(Path(self.path))
            return as_word_table(_read(models, self.path, file_format, self.limit))
        except _UnknownError:
            raise
        except Exception as error:  # a damaged file makes gensim raise just about anything
            told = "word vectors" if file_format == "auto" else file_format
            raise ValueError(
                f"{self.path} could not be read as {told}: {error!r}. Expected {_FORMATS}; "
                "name the format with file_format=, or convert the file with gensim."
            ) from error


@dataclass(frozen=True)
class LoadedVectorsSpec:
    """Vectors that gensim has loaded.

    Parameters
    ----------
    vectors : KeyedVectors
    """

    vectors: Any

    def load(self) -> WordTable:
        """Take words and vectors from it."""
        return as_word_table(self.vectors)


#: Where a table comes from that is no part of a featurizer.
TableSpec: TypeAlias = WordFileSpec | LoadedVectorsSpec


def as_word_table(vectors: Any) -> WordTable:
    """Take words and vectors from gensim's KeyedVectors, subwords too if they are fastText's.

    Letters and accents of words are put together, as in texts. Of a word that is there several
    times, the first one counts.
    """
    words, matrix = list(vectors.index_to_key), _finite_float32(vectors.vectors)
    subwords = None
    groups = getattr(vectors, "vectors_ngrams", None)
    if groups is not None and len(groups):
        subwords = Subwords(_finite_float32(groups), int(vectors.min_n), int(vectors.max_n))
    # gensim leaves None where it skipped a word that it had, and where room was never used
    row_of = {compose(word): row for row, word in reversed([*enumerate(words)]) if word is not None}
    rows = sorted(row_of.values())
    n_repeated = sum(word is not None for word in words) - len(rows)
    if n_repeated:
        warn(
            f"{n_repeated} words with vectors are equal to others once their letters and accents "
            "are put together (NFC), as those of texts are; the first of each counts."
        )
    if len(rows) < len(words):
        words, matrix = [words[row] for row in rows], matrix[rows]
    return WordTable(list(map(compose, words)), matrix, subwords)


def _finite_float32(vectors: Any) -> np.ndarray:
    found = np.ascontiguousarray(vectors, dtype=np.float32)
    # a sum of each row: a matrix of booleans would take a quarter of what the vectors do
    broken = np.flatnonzero(~np.isfinite(found.sum(axis=1, dtype=np.float64)))
    if len(broken):
        raise ValueError(
            f"{len(broken)} of {len(found)} vectors hold NaN or infinite numbers, the first is "
            f"number {broken[0]}: the file is damaged, or training went wrong"
        )
    return found


def _read(models: Any, path: str, file_format: str, limit: int | None) -> Any:
    if file_format == "gensim":
        return models.KeyedVectors.load(path)
    if file_format == "fasttext":
        check_fasttext(Path(path), _open)
        return models.fasttext.load_facebook_vectors(path)
    is_text = file_format == "glove" or _is_text(Path(path))
    if file_format == "word2vec":
        check_word2vec(Path(path), _open, is_text=is_text, limit=limit)
    vectors = models.KeyedVectors.load_word2vec_format(
        path,
        binary=not is_text,
        no_header=file_format == "glove",
        limit=limit,
        # the original tool cuts words in the middle of a character
        unicode_errors="replace",
    )
    n_repeated = sum(word is None for word in vectors.index_to_key)
    if n_repeated:
        warn(
            f"{n_repeated} of {len(vectors.index_to_key)} words in {path} are there already, some "
            "perhaps once damaged characters were replaced; the first of each counts."
        )
    return vectors


def _detect(path: Path) -> str:
    with _open(path) as file:
        magic = file.read(4)
        if magic == FASTTEXT_MAGIC:
            return "fasttext"
        if magic == _ZIP_MAGIC:
            raise _UnknownError(f"{path} is a zip archive: unpack it, and pass the file in it.")
        file.seek(0)
        first = file.readline(2**20).split()
    if len(first) == 2 and all(part.isdigit() for part in first):
        return "word2vec"
    if len(first) > 2 and _are_numbers(first[-2:]):
        return "glove"
    raise _UnknownError(
        f"{path} holds no word vectors that embrec knows: it begins with "
        f"{b' '.join(first)[:40]!r}. Expected {_FORMATS}; for files of gensim itself, which are "
        "pickles, pass file_format='gensim' if you trust them."
    )


def _is_text(path: Path) -> bool:
    """Whether the line after the header is a word and numbers."""
    with _open(path) as file:
        dimension = int(file.readline(2**20).split()[1])
        line = file.readline(2**20).split()
    return len(line) > dimension and _are_numbers(line[-dimension:])


def _are_numbers(parts: list[bytes]) -> bool:
    try:
        return all(np.isfinite(float(part)) for part in parts)
    except ValueError:
        return False


def _open(path: Path) -> Any:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")
