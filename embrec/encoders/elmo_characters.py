"""Words as the bytes that ELMo reads."""

from collections.abc import Sequence

import numpy as np

#: What characters there are besides the 256 bytes.
BEGIN_SENTENCE, END_SENTENCE, BEGIN_WORD, END_WORD, PADDING = range(256, 261)
N_CHARACTERS = 261


def character_ids(words: Sequence[str], max_characters: int = 50) -> np.ndarray:
    """Spell words: a mark, the bytes of the word in UTF-8, a mark, padding.

    Parameters
    ----------
    words : sequence of str
    max_characters : int, default=50
        How many characters a word has, its marks included; bytes beyond are cut off, even in the
        middle of a letter.

    Returns
    -------
    ndarray of shape (n_words, max_characters), int64
    """
    # lone surrogates are no text: left out, as when the model was trained
    spelled = [word.encode("utf-8", "ignore")[: max_characters - 2] for word in words]
    return _frame([np.frombuffer(word, dtype=np.uint8) for word in spelled], max_characters)


def sentence_marks(max_characters: int = 50) -> np.ndarray:
    """Spell the words that begin and end a text: (2, max_characters) int64."""
    return _frame([np.array([BEGIN_SENTENCE]), np.array([END_SENTENCE])], max_characters)


def _frame(words: Sequence[np.ndarray], max_characters: int) -> np.ndarray:
    lengths = np.fromiter(map(len, words), dtype=np.int64, count=len(words))[:, np.newaxis]
    places = np.arange(max_characters)
    ids = np.full((len(words), max_characters), PADDING, dtype=np.int64)
    ids[:, 0] = BEGIN_WORD
    if len(words):
        ids[(places > 0) & (places <= lengths)] = np.concatenate(words)
    np.put_along_axis(ids, lengths + 1, END_WORD, axis=1)
    return ids
