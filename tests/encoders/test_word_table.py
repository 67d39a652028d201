"""Vectors of words, and of the parts of words."""

import numpy as np
import pytest

pytest.importorskip("gensim", reason="needs the extra 'words'")

from gensim.models.fasttext import ft_ngram_hashes

from embrec.encoders.word_table import Subwords, WordTable

VECTORS = np.arange(6, dtype=np.float32).reshape(3, 2)


def test_rows_and_fingerprints():
    table = WordTable(["a", "b", "c"], VECTORS)
    assert table.row_of == {"a": 0, "b": 1, "c": 2}
    assert table.n_features == 2
    others = [
        WordTable(["a", "c", "b"], VECTORS),
        WordTable(["a", "b", "c"], VECTORS + 1),
        WordTable(["a", "b", "c"], VECTORS, Subwords(VECTORS, 2, 3)),
        WordTable(["a", "b", "c"], VECTORS, Subwords(VECTORS, 2, 4)),
    ]
    assert len({one.fingerprint for one in (table, *others)}) == 5
    assert WordTable(["a", "b", "c"], VECTORS.copy()).fingerprint == table.fingerprint


def test_words_of_groups_of_characters():
    found, known = Subwords(VECTORS, 4, 5).word_vectors(["pen", "x"])
    np.testing.assert_allclose(found[0], VECTORS[ft_ngram_hashes("pen", 4, 5, 3)].mean(axis=0))
    assert known.tolist() == [True, False]  # "<x>" has three characters
    assert (found[1] == 0).all()
