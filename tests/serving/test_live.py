"""A recommender that answers while its catalogue changes."""

import copy
import pickle
import shutil
import sys
import threading
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from threads import LIMIT, join, meanwhile, start, wait

from embrec import Callback, EmbRecEstimator
from embrec.baselines import ContentNeighborsRecommender, PopularityRecommender
from embrec.data.ids import IdIndex
from embrec.data.memmaps import is_stored
from embrec.datasets import make_shop
from embrec.index import AnnoyIndex, AutoIndex, ExactIndex
from embrec.index.changing import ChangingMixin
from embrec.index.rows import RowStore
from embrec.recommenders import trained


@pytest.fixture(scope="module")
def shop():
    return make_shop(n_items=200, n_users=100, random_state=0)


@pytest.fixture(scope="module")
def estimator(shop):
    return EmbRecEstimator(max_epochs=1, random_state=0).fit(shop.interactions, items=shop.items)


@pytest.fixture
def fitted(shop, estimator):
    """A function that makes a recommender of a kind, which tests may change."""

    def fitted(kind):
        if kind is EmbRecEstimator:
            return copy.deepcopy(estimator)
        return kind().fit(shop.interactions, items=shop.items)

    return fitted


@pytest.mark.parametrize(
    "kind", [EmbRecEstimator, ContentNeighborsRecommender, PopularityRecommender]
)
def test_answers_while_items_come_change_and_go(fitted, shop, kind):
    recommender = fitted(kind)
    ids = shop.items["item"].to_numpy()
    removed = [set()]

    def ask(seed, stop):
        rng = np.random.default_rng(seed)
        while not stop.is_set():
            gone = removed[0]
            history = rng.choice(ids[:60], 3).tolist() + rng.choice([*gone, ids[0]], 1).tolist()
            found, _ = recommender.recommend([history], k=20)
            assert not set(found[0]) & gone
            assert None not in found[0]
            similar, _ = recommender.similar_items(ids[:2], k=5)
            assert not set(similar.ravel()) & gone

    with meanwhile(*(partial(ask, seed) for seed in range(2))):
        for i in range(25):
            new = shop.items.head(3).assign(item=[f"new-{i}-{j}" for j in range(3)])
            recommender.add_items(new)
            found, _ = recommender.recommend([[]], k=3, include=new["item"].tolist())
            assert sorted(found[0]) == sorted(new["item"])
            recommender.update_items(new.assign(title=[f"changed {i}"] * 3))
            recommender.remove_items(new["item"].tolist())
            removed[0] = removed[0] | set(new["item"])


def test_two_threads_that_add_the_same_item(fitted, shop):
    """One of them is told that it is there already; it is there once."""
    recommender = fitted(EmbRecEstimator)
    outcomes, both = [], threading.Barrier(2)

    def add():
        both.wait(timeout=LIMIT)
        try:
            recommender.add_items(shop.items.head(1).assign(item=["twice"]))
            outcomes.append("added")
        except ValueError as error:
            outcomes.append(str(error))

    join(start(add), start(add))
    assert sorted(outcomes, key=len)[0] == "added"
    assert "are in the catalogue already" in sorted(outcomes, key=len)[1]
    assert len(recommender.catalog_) == len(recommender.index_) == 201


MOMENTS = {
    "ids are reserved": (IdIndex, "reserve", 1),
    "the index is written": (ChangingMixin, "write", 1),
    "vectors are written": (RowStore, "write", 1),
    "the index of likeness is written": (ChangingMixin, "write", 2),
    "ids are found": (IdIndex, "extend", 1),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_change_that_is_interrupted_is_there_or_not(when, moment, fitted, shop, tmp_path):
    """Whatever fails, what is shown is known and can be saved, and the next change works."""
    recommender = fitted(EmbRecEstimator)
    recommender.similar_items(shop.items["item"][:1])  # by an index of its own
    old = [block.copy() for block in recommender.catalog_.blocks]
    owner, name, which = MOMENTS[moment]
    real, calls = getattr(owner, name), []

    def once(*args, **kwargs):
        calls.append(name)
        interrupts = len(calls) == which
        if when == "after" or not interrupts:
            real(*args, **kwargs)
        if interrupts:
            raise KeyboardInterrupt

    new = shop.items.head(3).assign(item=["new-1", "new-2", shop.items["item"][0]], title="vase")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, once)
        with pytest.raises(KeyboardInterrupt):
            recommender.add_items(new, exist_ok=True)
    n = len(recommender.catalog_)
    assert n == len(recommender.index_)
    assert n in (200, 202)
    assert all(block.shape[0] == n for block in recommender.catalog_.blocks)
    if n == 200:
        for block, before in zip(recommender.catalog_.blocks, old, strict=True):
            assert (block != before).nnz == 0
    else:
        assert "new-2" in recommender.similar_items(["new-1"], k=201)[0]
    recommender.save(tmp_path / "model")
    EmbRecEstimator.load(tmp_path / "model")
    recommender.recommend([recommender.recommend([[]], k=n)[0][0].tolist()], exclude_seen=False)
    recommender.add_items(new, exist_ok=True)
    assert recommender.recommend([["new-1"]], k=1, include=["new-2"])[0].tolist() == [["new-2"]]
    assert "new-2" in recommender.similar_items(["new-1"], k=201)[0]


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
    assert any((tmp_path / "model").glob("*/index.bin")) == ("annoy" in str(index).lower())
    histories = shop.interactions.head(50)
    for found, expected in zip(again.recommend(histories), model.recommend(histories), strict=True):
        np.testing.assert_array_equal(found, expected)
    again.add_items(shop.items.head(1).assign(item=["newer"]))
    assert again.recommend([[]], k=1, include=["newer"])[0] == [["newer"]]


@pytest.mark.parametrize("kind", [EmbRecEstimator, PopularityRecommender])
def test_a_feed_may_be_read_again(fitted, shop, kind):
    recommender = fitted(kind)
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
def test_vectors_may_stay_on_disk(fitted, shop, tmp_path, kind):
    model = fitted(kind)
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


@pytest.mark.parametrize("index", ["annoy", "faiss", "hnsw"])
def test_what_is_served_outlives_its_folder(shop, tmp_path, index):
    """Another model is saved where it was loaded from, and it goes on being itself."""
    pytest.importorskip({"faiss": "faiss", "hnsw": "usearch"}.get(index, "annoy"))
    many = pd.concat([shop.items.assign(item=shop.items["item"] + f"-{i}") for i in range(4)])
    items = pd.concat([shop.items, many])
    old, new = (
        EmbRecEstimator(index=index, max_epochs=1, random_state=seed).fit(
            shop.interactions, items=items
        )
        for seed in (0, 1)
    )
    old.save(tmp_path / "model")
    served = EmbRecEstimator.load(tmp_path / "model")
    new.save(tmp_path / "model")
    pickled = pickle.dumps(served)
    served.save(tmp_path / "other")
    shutil.rmtree(tmp_path / "model")
    for again in (
        served,
        pickle.loads(pickled),
        copy.deepcopy(served),
        EmbRecEstimator.load(tmp_path / "other"),
    ):
        assert again.index_.recall_ == old.index_.recall_
        for found, expected in zip(
            again.recommend(shop.interactions), old.recommend(shop.interactions), strict=True
        ):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", [EmbRecEstimator, PopularityRecommender])
def test_copies_are_of_one_moment(fitted, shop, kind):
    """Though another thread adds items; and the original is none the worse for it."""
    recommender = fitted(kind)

    def add(stop):
        i = 0
        while not stop.is_set():
            new = shop.items.head(5).assign(item=[f"new-{i}-{j}" for j in range(5)])
            recommender.add_items(new)
            i += 1

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # threads take turns within what a copy takes
    try:
        with meanwhile(add):
            copies = [copy.deepcopy(recommender) for _ in range(30)]
    finally:
        sys.setswitchinterval(interval)
    for one in [*copies, recommender]:
        n = len(one.catalog_)
        assert n == len(one.index_) == len(one.catalog_.ids.ids)
        for block in one.catalog_.blocks:
            assert block.shape[0] == n
    if kind is EmbRecEstimator:  # features go with their ids
        last = copies[-1]
        rows = np.arange(200, len(last.catalog_))
        expected = last.catalog_.blocks[0][(rows - 200) % 5]
        assert (last.catalog_.blocks[0][rows] != expected).nnz == 0


@pytest.mark.parametrize(
    "kind", [EmbRecEstimator, ContentNeighborsRecommender, PopularityRecommender]
)
def test_changes_wait_for_partial_fit(fitted, shop, kind):
    recommender = fitted(kind)
    n_added = [0]

    def change(stop):
        while not stop.is_set():
            i = n_added[0]
            recommender.add_items(shop.items.head(1).assign(item=[f"new-{i}"]))
            if i % 2:
                recommender.remove_items([f"new-{i}"])
            n_added[0] += 1

    with meanwhile(change):
        for i in range(8):
            more = shop.items.head(2).assign(item=[f"more-{i}-{j}" for j in range(2)])
            recommender.partial_fit(shop.interactions.head(60), items=more)
    n = 200 + n_added[0] + 16
    assert len(recommender.catalog_) == len(recommender.index_) == n
    left = [f"new-{i}" for i in range(0, n_added[0], 2)]
    gone = [f"new-{i}" for i in range(1, n_added[0], 2)]
    found, _ = recommender.recommend([[]], k=n, include=[*left, *gone])
    assert set(found[0]) - {None} == set(left)


def test_a_choice_is_not_made_again_by_loading(fitted, shop, tmp_path, monkeypatch):
    model = EmbRecEstimator(index=ExactIndex(precision="int8"), max_epochs=1, random_state=0)
    model.fit(shop.interactions, items=shop.items)
    model.save(tmp_path / "model")
    auto = fitted(EmbRecEstimator)
    auto.save(tmp_path / "auto")

    def fail(*args, **kwargs):
        raise AssertionError("built again")

    for index in (ExactIndex, AutoIndex):
        monkeypatch.setattr(index, "_build", fail)
    for one, name in ((model, "model"), (auto, "auto")):
        for again in (
            EmbRecEstimator.load(tmp_path / name),
            pickle.loads(pickle.dumps(one)),
        ):
            assert type(again.index_.snapshot.static) is type(one.index_.snapshot.static)


def test_parameters_of_an_index_are_saved(shop, tmp_path):
    index = AnnoyIndex(
        n_trees=np.int64(7), min_recall=np.float32(0.5), random_state=np.random.RandomState(0)
    )
    model = EmbRecEstimator(index=index, max_epochs=1, random_state=0)
    model.fit(shop.interactions, items=shop.items).save(tmp_path / "model")
    params = EmbRecEstimator.load(tmp_path / "model").index_.get_params()
    assert (params["n_trees"], params["min_recall"]) == (7, 0.5)
    assert isinstance(params["random_state"], int)

    class Mine(ExactIndex):
        pass

    model.catalog_.index = Mine().fit(model.index_.vectors)
    with pytest.raises(ValueError, match=r"index is a Mine; those that can be saved are AutoIndex"):
        model.save(tmp_path / "model")


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (AnnoyIndex(metric="angular"), ValueError, "metric must be 'dot'"),
        (AnnoyIndex(n_trees=0), ValueError, "'n_trees' parameter of AnnoyIndex"),
        ("faiss", ImportError, r'pip install "embrec\[faiss\]"'),
        ("hnsw", ImportError, r'pip install "embrec\[hnsw\]"'),
    ],
    ids=str,
)
def test_what_an_index_needs_is_asked_before_training(shop, monkeypatch, index, error, message):
    for library in ("faiss", "usearch", "usearch.index"):
        monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setattr(trained, "train_network", lambda *args, **kwargs: pytest.fail("trained"))
    with pytest.raises(error, match=message):
        EmbRecEstimator(index=index).fit(shop.interactions, items=shop.items)


class Calls(Callback):
    """Calls something at the end of each epoch."""

    def __init__(self, call):
        self.call = call

    def on_epoch_end(self, progress):
        self.call()


def test_a_callback_may_use_what_is_trained(fitted, shop, tmp_path):
    """Though an index is being built, which others wait for."""
    recommender = fitted(EmbRecEstimator)
    started, go_on = threading.Event(), threading.Event()
    index = recommender.index_
    index._min_changes = 1
    index.rebuild_fraction = 1e-9
    build = index._build

    def slow(*args):
        started.set()
        wait(go_on)
        return build(*args)

    index._build = slow
    recommender.add_items(shop.items.head(3).assign(item=["x-1", "x-2", "x-3"]))
    wait(started)
    threading.Timer(0.5, go_on.set).start()
    done = []

    def use():
        recommender.save(tmp_path / "model")
        recommender.similar_items(["x-1"])
        copy.deepcopy(recommender)
        session = recommender.start_session(["x-1"])
        session.recommend(3)
        done.append(session)

    recommender.callbacks = [Calls(use)]
    join(start(recommender.partial_fit, shop.interactions.head(60)))
    assert len(done) == 1
    assert done[0].history == ["x-1"]


def test_a_callback_cannot_change_what_is_replaced(fitted, shop):
    recommender = fitted(EmbRecEstimator)
    new = shop.items.head(1).assign(item=["lost"])
    recommender.callbacks = [Calls(lambda: recommender.add_items(new))]
    with pytest.raises(RuntimeError, match="cannot be changed by a callback of the training"):
        recommender.partial_fit(shop.interactions.head(60))
    recommender.add_items(new)  # once it is over
    assert recommender.recommend([[]], k=1, include=["lost"])[0] == [["lost"]]


def test_nobody_waits_for_training_but_those_who_change(fitted, shop):
    recommender = fitted(EmbRecEstimator)
    inside, go_on = threading.Event(), threading.Event()

    def stay():
        inside.set()
        wait(go_on)

    recommender.callbacks = [Calls(stay)]
    trainer = start(recommender.partial_fit, shop.interactions.head(60))
    wait(inside)
    reading = start(
        lambda: [
            recommender.similar_items(shop.items["item"][:2]),
            recommender.index_.kneighbors_graph(n_neighbors=2),
            copy.deepcopy(PopularityRecommender().fit(shop.interactions)),
            recommender.catalog_.blocks,
            pickle.dumps(recommender.set_params(callbacks=None)),
        ]
    )
    join(reading)
    go_on.set()
    join(trainer)


@pytest.mark.parametrize("index", ["annoy", "exact"])
def test_saved_while_it_changes(shop, tmp_path, index):
    """With what was built, and what has changed since."""
    many = pd.concat([shop.items.assign(item=shop.items["item"] + f"-{i}") for i in range(4)])
    model = EmbRecEstimator(index=index, max_epochs=1, random_state=0)
    model.fit(shop.interactions, items=pd.concat([shop.items, many]))
    ids = shop.items["item"].tolist()
    model.remove_items(ids[:3])
    model.index_.rebuild()
    model.add_items(shop.items.head(4).assign(item=["n-1", "n-2", "n-3", ids[1]]))
    model.update_items(shop.items.tail(2).assign(item=["n-1", ids[9]]))
    model.remove_items(["n-2", ids[20]])
    for mmap_mode in (None, "r"):
        model.save(tmp_path / "model")
        again = EmbRecEstimator.load(tmp_path / "model", mmap_mode=mmap_mode)
        # of rows that were written twice the last counts
        assert 0 < again.index_.snapshot.n_changes <= model.index_.snapshot.n_changes
        assert again.index_.recall_ == model.index_.recall_
        assert type(again.index_.snapshot.static) is type(model.index_.snapshot.static)
        np.testing.assert_array_equal(again.index_.active, model.index_.active)
        np.testing.assert_array_equal(again.index_.vectors, model.index_.vectors)
        for found, expected in zip(
            again.recommend(shop.interactions), model.recommend(shop.interactions), strict=True
        ):
            np.testing.assert_array_equal(found, expected)
        model = again


@pytest.mark.parametrize(
    "call",
    [
        lambda model, ids: model.recommend([ids[:2], ids[3:4]], k=5),
        lambda model, ids: model.rank_targets([ids[:2], ids[3:5]]),
        lambda model, ids: model.similar_items(ids[:2], k=5),
        lambda model, ids: model.transform([ids[:2]]),
        lambda model, ids: model.item_embeddings(ids[:2]),
        lambda model, ids: model.start_session(ids[:2]).to_bytes(),
        lambda model, ids: model.resume_session(
            model.start_session(ids[:2]).to_bytes(), restart=True
        ).to_bytes(),
    ],
    ids=["recommend", "rank", "similar", "transform", "embeddings", "session", "resumed"],
)
def test_a_call_is_answered_by_one_model_whatever_is_fitted_meanwhile(call, fitted, shop):
    """At every line that a call runs another thread may have replaced the model."""
    old = fitted(EmbRecEstimator)
    new = clone(old).set_params(random_state=1).fit(shop.interactions, items=shop.items[::-1])
    ids = shop.items["item"].tolist()
    expected = [call(model, ids) for model in (old, new)]
    model, lines = copy.copy(old), []
    state_of = {"old": vars(old), "new": vars(new)}

    def trace(frame, event, argument):
        if "/embrec/" not in frame.f_code.co_filename:
            return None
        lines.append(frame.f_lineno)
        if len(lines) == at:
            model.__dict__ = dict(state_of["new"])
        return trace

    at = -1
    sys.settrace(trace)
    call(model, ids)
    sys.settrace(None)
    for at in range(1, len(lines), max(1, len(lines) // 60)):
        lines.clear()
        model.__dict__ = dict(state_of["old"])
        sys.settrace(trace)
        found = call(model, ids)
        sys.settrace(None)
        assert any(same(found, answers) for answers in expected), at


def same(one, other):
    if isinstance(one, bytes):
        return one == other
    pairs = zip(one, other, strict=True) if isinstance(one, tuple) else [(one, other)]
    return all(np.array_equal(a, b) for a, b in pairs)
