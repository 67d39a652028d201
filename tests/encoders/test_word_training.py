"""Training of word vectors."""

import numpy as np
import pytest

gensim = pytest.importorskip("gensim", reason="needs the extra 'words'")

from gensim.models import Word2Vec

from embrec.encoders.word_training import SkipGramSettings, train_skip_gram


class TestTraining:
    SETTINGS = SkipGramSettings(8, 2, 1, 5, 40, None, 3, 1)
    # words of one topic are never beside those of the other
    SENTENCES = [["pen", "ink", "paper"], ["boot", "sock", "trail"]] * 30

    def test_it_is_gensims(self):
        table = train_skip_gram(self.SENTENCES, self.SETTINGS)
        model = Word2Vec(
            self.SENTENCES,
            vector_size=8,
            window=2,
            min_count=1,
            negative=5,
            epochs=40,
            sg=1,
            seed=3,
            workers=1,
        )
        assert set(table.words) == {"pen", "ink", "paper", "boot", "sock", "trail"}
        for word in table.words:
            np.testing.assert_array_equal(table.vectors[table.row_of[word]], model.wv[word])

    def test_words_of_one_topic_are_close(self):
        table = train_skip_gram(self.SENTENCES, self.SETTINGS)
        unit = table.vectors / np.linalg.norm(table.vectors, axis=1, keepdims=True)
        row = table.row_of
        similarity = unit @ unit.T
        within = similarity[row["pen"], row["ink"]]
        across = similarity[row["pen"], [row["boot"], row["sock"], row["trail"]]]
        assert within > across.max()

    def test_no_word_is_frequent_enough(self):
        with pytest.raises(ValueError, match="No word occurs min_count=1 times or more in 2 texts"):
            train_skip_gram([[], []], self.SETTINGS)
