"""A recommender that answers while its catalogue changes."""

import threading

import numpy as np
import pandas as pd
import pytest

from embrec import EmbRecEstimator
from embrec.baselines import ContentNeighborsRecommender, PopularityRecommender
from embrec.datasets import make_shop


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


@pytest.mark.parametrize("index", ["exact", "annoy", "auto"])
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
    assert (tmp_path / "model" / "index.bin").exists() == (index == "annoy")
    histories = shop.interactions.head(50)
    for found, expected in zip(again.recommend(histories), model.recommend(histories), strict=True):
        np.testing.assert_array_equal(found, expected)
    again.add_items(shop.items.head(1).assign(item=["newer"]))
    assert again.recommend([[]], k=1, include=["newer"])[0] == [["newer"]]
