"""Which index is chosen."""

import numpy as np
import pytest
from sklearn.base import clone

from embrec.index import (
    AnnoyIndex,
    AutoIndex,
    approximate,
    auto,
)
from embrec.index.approximate import TunedSearch

N, D = 4000, 16
VECTORS = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)


def test_few_vectors_are_searched_exactly():
    index = AutoIndex().fit(VECTORS)
    assert (index.chosen_, index.recall_) == ("exact", 1.0)


@pytest.mark.parametrize(
    ("seconds", "chosen"), [([1.0, 2.0], "annoy"), ([2.0, 1.0], "exact")], ids=["faster", "slower"]
)
def test_the_faster_one_is_chosen(monkeypatch, seconds, chosen):
    times = iter(seconds)
    monkeypatch.setattr(auto, "MIN_VECTORS", 1000)
    monkeypatch.setattr(auto, "find_spec", lambda name: name == "annoy")
    monkeypatch.setattr(auto, "seconds_per_query", lambda *args, **kwargs: next(times))
    index = AutoIndex(random_state=0).fit(VECTORS)
    assert index.chosen_ == chosen
    assert (index.recall_ == 1.0) == (chosen == "exact")


def test_without_a_library_it_is_exact(monkeypatch):
    monkeypatch.setattr(auto, "MIN_VECTORS", 1000)
    monkeypatch.setattr(auto, "find_spec", lambda name: None)
    assert AutoIndex().fit(VECTORS).chosen_ == "exact"


def test_what_recalls_too_little_is_not_chosen(monkeypatch):
    monkeypatch.setattr(auto, "MIN_VECTORS", 1000)
    monkeypatch.setattr(auto, "find_spec", lambda name: name == "annoy")
    monkeypatch.setattr(auto, "seconds_per_query", lambda vectors, static, *args, **kwargs: 1.0)
    monkeypatch.setattr(
        AnnoyIndex, "tuned", lambda self, vectors, rows, queries: TunedSearch(None, rows, 0.5)
    )
    assert AutoIndex().fit(VECTORS).chosen_ == "exact"


def test_a_catalogue_that_grows_is_asked_again(monkeypatch):
    monkeypatch.setattr(auto, "MIN_VECTORS", N + 1)
    monkeypatch.setattr(auto, "find_spec", lambda name: name == "annoy")
    monkeypatch.setattr(
        auto,
        "seconds_per_query",
        lambda vectors, static, *args, **kwargs: 1.0 if isinstance(static, TunedSearch) else 2.0,
    )
    index = AutoIndex(random_state=0).fit(VECTORS)
    assert index.chosen_ == "exact"
    index.add(VECTORS)
    assert index.wait().chosen_ == "annoy"
    assert clone(index).get_params() == index.get_params()


def test_faiss_is_preferred_where_it_is(monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(auto, "MIN_VECTORS", 1000)
    monkeypatch.setattr(
        auto,
        "seconds_per_query",
        lambda vectors, static, *args, **kwargs: 1.0 if isinstance(static, TunedSearch) else 2.0,
    )
    assert AutoIndex(random_state=0).fit(VECTORS).chosen_ == "faiss"


def test_min_vectors_is_what_tests_think():
    assert approximate.MIN_VECTORS < N < auto.MIN_VECTORS
