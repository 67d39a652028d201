"""Models of sentence-transformers whose first module is no transformer."""

import numpy as np
import pytest

library = pytest.importorskip("sentence_transformers", reason="needs the extra 'text'")

from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer, models, pre_tokenizers

from embrec.encoders.sentence import SentenceSpec

WORDS = ["[UNK]", "red", "blue", "camera", "bag"]


@pytest.fixture(scope="module")
def static():
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    weights = np.eye(len(WORDS), dtype=np.float32)
    embedding = StaticEmbedding(tokenizer, embedding_weights=weights)
    return library.SentenceTransformer(modules=[embedding], device="cpu")


def test_static_embeddings(static, tmp_path):
    static.save(str(tmp_path))
    encoder = SentenceSpec.of(tmp_path, device="cpu", normalize=False).load()
    (vectors,) = encoder.encode([["red camera", "blue bag"]])
    np.testing.assert_allclose(vectors, [[0, 0.5, 0, 0.5, 0], [0, 0, 0.5, 0, 0.5]])
    again = SentenceSpec.of(static, device="cpu", normalize=False).load()
    assert again.fingerprint == encoder.fingerprint


def test_texts_that_are_read_whole_have_no_limit(static):
    with pytest.raises(ValueError, match="a StaticEmbedding, reads texts whole"):
        SentenceSpec.of(static, device="cpu", max_length=1).load()
