"""Content neighbours, against cosines."""

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer

from embrec import TfidfItemFeaturizer
from embrec.baselines import ContentNeighborsRecommender

NEW = pd.DataFrame({"item": ["photo-new"], "title": ["camera photo"], "price": [1.0]})
TITLES = TfidfItemFeaturizer(columns=["title"])


def test_content_takes_new_items_in_by_partial_fit(shop_log, shop_items):
    model = ContentNeighborsRecommender(TITLES)
    with pytest.raises(ValueError, match="first call of partial_fit needs items="):
        model.partial_fit(shop_log)
    model.partial_fit(shop_log, items=shop_items)
    assert model.partial_fit(shop_log) is model
    moved = shop_items[shop_items["item"] == "desk-0"].assign(title="camera photo")
    model.remove_items(["desk-0"])
    model.partial_fit([["photo-0", "photo-new"]], items=pd.concat([NEW, moved]))
    expected = ContentNeighborsRecommender(TITLES).fit(shop_log, items=shop_items)
    expected.add_items(NEW).update_items(moved)
    for found, other in zip(
        model.recommend([["photo-0"]], k=15), expected.recommend([["photo-0"]], k=15), strict=True
    ):
        np.testing.assert_array_equal(found, other)


@pytest.mark.parametrize("n_last", [None, 1, 2])
def test_content_scores_are_mean_cosines(n_last, shop_log, shop_items):
    model = ContentNeighborsRecommender(TITLES, n_last=n_last).fit(shop_log, items=shop_items)
    text = TfidfVectorizer(ngram_range=(1, 2)).fit_transform(shop_items["title"])
    history = ["photo-0", "desk-1", "desk-2"]
    rows = [shop_items["item"].tolist().index(i) for i in history[-(n_last or 3) :]]
    expected = pd.Series(cosine_similarity(text, text[rows]).mean(axis=1), index=shop_items["item"])
    ids, scores = model.recommend([history], k=12)
    np.testing.assert_allclose(scores[0], expected[ids[0]], atol=1e-6)
    assert not set(history) & set(ids[0])


def test_content_of_several_kinds_counts_alike(shop_log, shop_items):
    price = make_pipeline(FunctionTransformer(lambda items: np.log(items[["price"]].to_numpy())))
    model = ContentNeighborsRecommender(make_union(TITLES, price)).fit(shop_log, items=shop_items)
    text = TfidfVectorizer(ngram_range=(1, 2)).fit_transform(shop_items["title"])
    expected = (cosine_similarity(text) + 1) / 2  # prices all point one way
    ids, scores = model.recommend([["photo-0"]], k=15, exclude_seen=False)
    by_id = pd.Series(expected[0], index=shop_items["item"])
    np.testing.assert_allclose(scores[0], by_id[ids[0]], atol=1e-6)
    model.add_items(NEW.assign(price=5.0))
    assert model.predict([["photo-0"]])[0] == "photo-new"


def test_counts_of_content_neighbours_grow_and_are_saved(shop_log, shop_items, tmp_path):
    half = len(shop_log) // 2
    model = ContentNeighborsRecommender().fit(shop_log[:half], items=shop_items)
    model.partial_fit(shop_log[half:])
    whole = ContentNeighborsRecommender().fit(shop_log, items=shop_items)
    np.testing.assert_array_equal(model.counts_, whole.counts_)
    model.save(tmp_path / "model")
    loaded = ContentNeighborsRecommender.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.counts_, whole.counts_)


def test_an_empty_history_is_like_nothing(shop_log, shop_items):
    model = ContentNeighborsRecommender(TITLES).fit(shop_log, items=shop_items)
    ids, scores = model.recommend([[], ["photo-0"]], k=15)
    assert set(ids[0]) == set(shop_items["item"])
    np.testing.assert_array_equal(scores[0], 0)
    assert scores[1].max() > 0


def test_an_item_touched_twice_counts_twice(shop_log, shop_items):
    model = ContentNeighborsRecommender(TITLES).fit(shop_log, items=shop_items)
    desk, photo = (model.recommend([[i]], k=15, exclude_seen=False) for i in ("desk-0", "photo-0"))
    one, other = (dict(zip(ids[0], scores[0], strict=True)) for ids, scores in (desk, photo))
    ids, scores = model.recommend([["desk-0", "photo-0", "desk-0"]], k=15, exclude_seen=False)
    np.testing.assert_allclose(scores[0], [(2 * one[i] + other[i]) / 3 for i in ids[0]], atol=1e-6)
