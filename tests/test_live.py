"""A recommender that answers while its catalogue changes."""

import pickle
import threading

import numpy as np
import pandas as pd
import pytest

from embrec import EmbRecEstimator
from embrec.baselines import ContentNeighborsRecommender, PopularityRecommender
from embrec.datasets import make_shop
from embrec.index import AnnoyIndex
from embrec.memmaps import is_stored


@pytest.fixture(scope="module")
def shop():
    return make_shop(n_items=200, n_users=100, random_state=0)


def fitted(kind, shop):
    if kind is EmbRecEstimator:
        return EmbRecEstimator(max_epochs=1, random_state=0).fit(
            shop.interactions, items=shop.items
        )
    return kind().fit(shop.interactions, items=shop.items)


@pytest.mark.parametrize(
    "kind", [EmbRecEstimator, ContentNeighborsRecommender, PopularityRecommender]
)
def test_answers_while_items_come_change_and_go(shop, kind):
    recommender = fitted(kind, shop)
    ids = shop.items["item"].to_numpy()
    errors, stop = [], threading.Event()
    removed = [set()]

    def ask(seed):
        rng = np.random.default_rng(seed)
        try:
            while not stop.is_set():
                gone = removed[0]
                history = rng.choice(ids[:60], 3).tolist() + rng.choice([*gone, ids[0]], 1).tolist()
                found, _ = recommender.recommend([history], k=20)
                assert not set(found[0]) & gone
                assert None not in found[0]
                similar, _ = recommender.similar_items(ids[:2], k=5)
                assert not set(similar.ravel()) & gone
        except Exception as error:
            errors.append(error)
            stop.set()

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for i in range(40):
        new = shop.items.head(3).assign(item=[f"new-{i}-{j}" for j in range(3)])
        recommender.add_items(new)
        found, _ = recommender.recommend([[]], k=3, include=new["item"].tolist())
        assert sorted(found[0]) == sorted(new["item"])
        recommender.update_items(new.assign(title=[f"changed {i}"] * 3))
        recommender.remove_items(new["item"].tolist())
        removed[0] = removed[0] | set(new["item"])
    stop.set()
    for thread in threads:
        thread.join(timeout=60)
    if errors:
        raise errors[0]


def test_two_threads_that_add_the_same_item(shop):
    """One of them is told that it is there already; it is there once."""
    recommender = fitted(EmbRecEstimator, shop)
    outcomes, start = [], threading.Barrier(2)

    def add(n):
        start.wait(timeout=30)
        try:
            recommender.add_items(shop.items.head(1).assign(item=["twice"]))
            outcomes.append("added")
        except ValueError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=add, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(outcomes, key=len)[0] == "added"
    assert "are in the catalogue already" in sorted(outcomes, key=len)[1]
    assert len(recommender.catalog_) == len(recommender.index_) == 201


def test_items_of_a_change_that_fails_are_not_there(shop, monkeypatch):
    """Whatever fails, also late, nothing has changed, and the next change works."""
    recommender = fitted(EmbRecEstimator, shop)

    def fail(*args):
        raise MemoryError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(recommender.index_, "write", fail)
        with pytest.raises(MemoryError):
            recommender.add_items(shop.items.head(2).assign(item=["lost-1", "lost-2"]))
    assert len(recommender.catalog_) == len(recommender.index_) == 200
    recommender.add_items(shop.items.head(1).assign(item=["kept"]))
    found, _ = recommender.recommend([[]], k=1, include=["kept"])
    assert found.tolist() == [["kept"]]
    with pytest.raises(ValueError, match="are not in the catalogue"):
        recommender.recommend([["lost-1"]])


@pytest.mark.parametrize(
    "index", ["exact", "annoy", "auto", AnnoyIndex(n_trees=7, random_state=1)], ids=str
)
def test_saved_and_loaded_with_its_index(shop, tmp_path, index):
    many = pd.concat([shop.items.assign(item=shop.items["item"] + f"-{i}") for i in range(4)])
    model = EmbRecEstimator(index=index, max_epochs=1, random_state=0)
    model.fit(shop.interactions, items=pd.concat([shop.items, many]))
    model.add_items(shop.items.head(2).assign(item=["new-1", "new-2"]))
    model.remove_items(["new-1"])
    model.save(tmp_path / "model")
    again = EmbRecEstimator.load(tmp_path / "model")
    assert type(again.index_) is type(model.index_)
    assert again.index_.get_params() == model.index_.get_params()
    assert again.index_.recall_ == model.index_.recall_
    assert (tmp_path / "model" / "index.bin").exists() == ("annoy" in str(index).lower())
    histories = shop.interactions.head(50)
    for found, expected in zip(again.recommend(histories), model.recommend(histories), strict=True):
        np.testing.assert_array_equal(found, expected)
    again.add_items(shop.items.head(1).assign(item=["newer"]))
    assert again.recommend([[]], k=1, include=["newer"])[0] == [["newer"]]


@pytest.mark.parametrize("kind", [EmbRecEstimator, PopularityRecommender])
def test_a_feed_may_be_read_again(shop, kind):
    recommender = fitted(kind, shop)
    new = shop.items.head(3).assign(item=["feed-1", "feed-2", shop.items["item"][9]])
    for _ in range(2):
        recommender.add_items(new, exist_ok=True)
        assert len(recommender.catalog_) == len(recommender.index_) == 202
    if kind is EmbRecEstimator:  # what was there has the new content
        vectors = recommender.item_embeddings([new["item"][2], shop.items["item"][2]])
        np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)
    for _ in range(2):
        recommender.remove_items(["feed-1", "nobody"], missing_ok=True)
    found, _ = recommender.recommend([[]], k=2, include=["feed-1", "feed-2"])
    assert found.tolist() == [["feed-2", None]]
    with pytest.raises(ValueError, match=r"2 of 2 ids are not in the catalogue: 'feed-1', 'nobod"):
        recommender.remove_items(["feed-1", "nobody"])
    with pytest.raises(ValueError, match="exist_ok=True"):
        recommender.add_items(new)
    with pytest.raises(TypeError, match="ids holds integers"):
        recommender.remove_items([1], missing_ok=True)


@pytest.mark.parametrize("kind", [EmbRecEstimator, ContentNeighborsRecommender])
def test_vectors_may_stay_on_disk(shop, tmp_path, kind):
    model = fitted(kind, shop)
    model.save(tmp_path / "model")
    mapped = kind.load(tmp_path / "model", mmap_mode="r")
    assert is_stored(mapped.index_.vectors)
    assert not is_stored(kind.load(tmp_path / "model").index_.vectors)
    PopularityRecommender().fit(shop.interactions, items=shop.items).save(tmp_path / "model")
    new = shop.items.head(2).assign(item=["new-1", "new-2"])
    again = pickle.loads(pickle.dumps(mapped))
    for recommender in (model, mapped, again):
        recommender.add_items(new).update_items(new.head(1)).remove_items([shop.items["item"][4]])
        recommender.index_.rebuild()
    histories = shop.interactions.head(60)
    for other in (mapped, again):
        for found, expected in zip(
            other.recommend(histories), model.recommend(histories), strict=True
        ):
            np.testing.assert_array_equal(found, expected)
        if kind is EmbRecEstimator:
            other.partial_fit(shop.interactions.head(200))
    with pytest.raises(ValueError, match=r"mmap_mode must be None or 'r'; got 'r\+'"):
        kind.load(tmp_path / "model", mmap_mode="r+")
