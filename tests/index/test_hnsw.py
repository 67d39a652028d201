"""What a graph needs vectors to be."""

import numpy as np

from embrec.index.hnsw import with_equal_lengths


def test_equal_lengths_make_the_largest_product_the_nearest():
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(500, 16)) * rng.lognormal(0, 0.3, (500, 1))).astype(np.float32)
    query = rng.normal(size=16).astype(np.float32)
    longer = with_equal_lengths(vectors)
    np.testing.assert_allclose(np.linalg.norm(longer, axis=1), np.linalg.norm(longer[0]), rtol=1e-5)
    distances = np.linalg.norm(longer - np.append(query, 0), axis=1)
    assert np.argsort(distances)[:10].tolist() == np.argsort(-(vectors @ query))[:10].tolist()
