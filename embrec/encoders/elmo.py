"""Texts to vectors with ELMo: the mean over words and layers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch

from embrec.encoders.callables import describe_callable
from embrec.encoders.elmo_characters import character_ids, sentence_marks
from embrec.encoders.elmo_files import ElmoFiles, ElmoModel
from embrec.encoders.files import hash_arrays
from embrec.encoders.running import load_once
from embrec.encoders.word_mean import WordReader
from embrec.encoders.words import split_tokens


@dataclass(frozen=True)
class ElmoSpec:
    """An ELMo network in files, and how to split texts for it.

    Parameters
    ----------
    files : ElmoFiles
    tokenizer : callable or None
        None is :func:`~embrec.encoders.words.split_tokens`.
    max_words : int or None
        How many tokens are read.
    stamp : str or None
        Which version of what `tokenizer` holds in memory.
    """

    files: ElmoFiles
    tokenizer: Callable[[str], Iterable[str]] | None = None
    max_words: int | None = 250
    stamp: str | None = None

    @classmethod
    def of(
        cls, options_file: Any, weight_file: Any, *, device: str = "auto", **settings: Any
    ) -> "ElmoSpec":
        """Make a spec of files that are there."""
        stamp = describe_callable(settings.get("tokenizer"))
        return cls(ElmoFiles.of(options_file, weight_file, device), **settings, stamp=stamp)

    def load(self) -> "ElmoEncoder":
        """Read the weights, unless an encoder with other settings has."""
        reader = WordReader(self.tokenizer or split_tokens, False, self.max_words)
        return ElmoEncoder(load_once(self.files), reader)


class ElmoEncoder:
    """Encodes texts with an ELMo network.

    Parameters
    ----------
    model : ElmoModel
    reader : WordReader
    """

    def __init__(self, model: ElmoModel, reader: WordReader) -> None:
        self._network = model.network
        self._reader = reader
        self.n_features = 2 * model.network.options.projection_dim
        settings = (describe_callable(reader.tokenizer), reader.max_words)
        self.fingerprint = hash_arrays({}, model.fingerprint, *settings)

    def cost(self, content: str) -> int:
        """Return the number of words of a text."""
        return len(self._words(content))

    def encode(self, batches: Iterable[Sequence[str]]) -> Iterator[np.ndarray]:
        """Yield the vectors of each batch: (n, n_features) float32; zeros for texts of no word."""
        return map(self._encode, batches)

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.zeros((len(texts), self.n_features), dtype=np.float32)
        words = [self._words(text) for text in texts]
        # the longest first, which the network asks for
        rows = sorted((i for i in range(len(texts)) if words[i]), key=lambda i: -len(words[i]))
        if rows:
            vectors[rows] = self._means([words[i] for i in rows])
        return vectors

    def _words(self, text: str) -> list[str]:
        words = self._reader(text)
        for word in words:
            if not isinstance(word, str):
                raise TypeError(
                    f"tokenizer must turn a text into words of type str; it made {word!r} "
                    f"({type(word).__name__}) of {text[:40]!r}."
                )
        return [word for word in words if word]

    def _means(self, texts: Sequence[Sequence[str]]) -> np.ndarray:
        # each word once, those of like length beside each other, after the two marks of a text
        words = sorted(dict.fromkeys(chain.from_iterable(texts)), key=len)
        row_of = {word: row for row, word in enumerate(words, start=2)}
        rows = [[0, *(row_of[word] for word in text), 1] for text in texts]
        size = self._network.options.max_characters
        characters = np.concatenate([sentence_marks(size), character_ids(words, size)])
        lengths = [len(row) for row in rows]
        device = self._network.characters.embedding.weight.device
        with torch.inference_mode():
            layers = self._network(
                torch.from_numpy(characters).to(device),
                torch.tensor(list(chain.from_iterable(rows)), device=device),
                lengths,
            )
            tokens = layers.mean(dim=0).split(lengths)
            # without the marks
            means = torch.stack([of_text[1:-1].mean(dim=0) for of_text in tokens])
        vectors: np.ndarray = means.cpu().numpy()
        return vectors
