"""Sizes that files of word vectors declare, held against the files before gensim believes them."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: First bytes of a fastText model.
FASTTEXT_MAGIC = (793712314).to_bytes(4, "little")
_CHUNK = 2**20


def check_word2vec(
    path: Path, open_file: Callable[[Path], Any], *, is_text: bool, limit: int | None
) -> None:
    """Raise ValueError unless a file of word2vec can hold the vectors that its first line names."""
    with open_file(path) as file:
        n_words, dimension = map(int, file.readline(_CHUNK).split())
        if n_words < 1 or dimension < 1:
            raise ValueError(f"its first line names {n_words} words and {dimension} numbers each")
        n_words = n_words if not limit else min(n_words, limit)
        # at least a blank and a digit for each number, or a word's blank and four bytes for each
        n_bytes = n_words * (2 * dimension if is_text else 1 + 4 * dimension)
        found = 0
        while found < n_bytes and (chunk := file.read(_CHUNK)):
            found += len(chunk)
    if found < n_bytes:
        raise ValueError(
            f"its first line names {n_words} words of {dimension} numbers each, which take at "
            f"least {n_bytes} bytes; it holds {found} after it"
        )


def check_fasttext(path: Path, open_file: Callable[[Path], Any]) -> None:
    """Raise ValueError unless a fastText model holds its words, and room for its vectors.

    gensim would wait for the end of the last word for ever, and take memory for any number.
    """
    with open_file(path) as file:
        reader = _Reader(file)
        is_new = reader.take(4) == FASTTEXT_MAGIC
        reader.take(60 if is_new else 52)  # settings of training
        (n_words,) = struct.unpack_from("<i", reader.take(20))
        (n_pruned,) = struct.unpack("<q", reader.take(8)) if is_new else (0,)
        for _ in range(n_words):
            reader.skip_word()
        for _ in range(n_pruned):
            reader.take(8)
        if is_new:
            reader.take(1)
        n_vectors, dimension = struct.unpack("<2q", reader.take(16))
        if n_words < 1 or n_vectors < 1 or dimension < 1:
            raise ValueError(
                f"it names {n_words} words, {n_vectors} vectors of {dimension} numbers"
            )
        reader.skip(4 * n_vectors * dimension)


class _Reader:
    """Reads on in chunks; what is asked for must be there."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._data, self._at = b"", 0

    def _more(self) -> None:
        chunk = self._file.read(_CHUNK)
        if not chunk:
            raise ValueError("it is cut short")
        self._data, self._at = self._data[self._at :] + chunk, 0

    def take(self, n_bytes: int) -> bytes:
        """Read some bytes, fewer than a chunk."""
        while len(self._data) < self._at + n_bytes:
            self._more()
        self._at += n_bytes
        return self._data[self._at - n_bytes : self._at]

    def skip(self, n_bytes: int) -> None:
        """Read on over any number of bytes."""
        while n_bytes > (left := len(self._data) - self._at):
            n_bytes -= left
            self._at = len(self._data)
            self._more()
        self._at += n_bytes

    def skip_word(self) -> None:
        """Read a word, the byte that ends it, and its count and kind."""
        while (end := self._data.find(b"\0", self._at)) < 0:
            if len(self._data) - self._at > _CHUNK:
                raise ValueError(f"a word in it has more than {_CHUNK} bytes")
            self._more()
        self._at = end + 1
        self.take(9)
