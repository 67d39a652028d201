"""What every recommender is held to."""

import pickle
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from embrec.datasets import make_shop
from embrec.recommenders.base import BaseRecommender


def check_recommender(
    recommender: BaseRecommender, shop: Any = None, *, trusted: Sequence[str] = ()
) -> None:
    """Raise AssertionError unless a recommender keeps the promises that all make.

    It must answer anybody, also an empty history, whatever the company; leave out what was seen;
    begin longer lists as shorter ones; rank by its own scores; take items in and out; and survive
    clone, pickle, save and load.

    Parameters
    ----------
    recommender : recommender
        Not fitted; it stays as it is.
    shop : Shop, optional
        What to fit it on; by default a small one is generated.
    trusted : sequence of str
        As for `load`.

    Examples
    --------
    >>> from embrec.baselines import PopularityRecommender
    >>> from embrec.testing import check_recommender
    >>> check_recommender(PopularityRecommender())
    """
    shop = make_shop(n_users=60, n_items=200, random_state=0) if shop is None else shop
    before = {name: repr(value) for name, value in recommender.get_params().items()}
    model = clone(recommender)
    assert model.fit(shop.interactions, items=shop.items) is model, "fit must return self"
    after = {name: repr(value) for name, value in model.get_params().items()}
    assert before == after, "fit must leave the parameters as they are"
    ids = shop.items["item"].tolist()
    histories = [ids[:3], ids[10:11], [], ids[20:25]]
    _check_answers(model, histories, ids)
    _check_ranks(model, histories[0], ids)
    _check_copies(model, histories, trusted)
    _check_items(model, shop)


def _check_answers(model: Any, histories: list[list[Any]], ids: list[Any]) -> None:
    found, scores = model.recommend(histories, k=7)
    assert found.shape == scores.shape == (len(histories), 7)
    for history, mine, score in zip(histories, found, scores, strict=True):
        assert not set(history) & set(mine), "what was seen must be left out"
        assert set(mine) <= set(ids)
        assert len(set(mine)) == len(mine), "an item stands in a list once"
        assert (np.diff(score) <= 1e-6).all(), "scores must fall"
        left = model.recommend([history], k=3, include=history)[0] if history else []
        assert not any(item is not None for row in left for item in row), "seen is left out"
        _, its_scores = model.recommend([history], k=7)
        np.testing.assert_allclose(its_scores[0], score, rtol=1e-4, atol=1e-5)
    longer, _ = model.recommend(histories, k=40)
    assert (longer[:, :7] == found).all(), "a list must be the beginning of any longer one"
    only = model.recommend(histories, k=3, include=ids[30:32])[0]
    assert (only[:, 2] == None).all(), "a filter must be kept to"  # noqa: E711
    assert (model.predict(histories) == model.recommend(histories, k=1)[0][:, 0]).all()


def _check_ranks(model: Any, history: list[Any], ids: list[Any]) -> None:
    """Ranks by counting must be the places in a list of all items, the last of those level."""
    scores = dict(
        zip(
            *(part[0] for part in model.recommend([history], k=len(ids), exclude_seen=False)),
            strict=True,
        )
    )
    for target in ids[40:43]:
        ranks, n_candidates = model.rank_targets([history], [target])
        assert ranks[0] == sum(score >= scores[target] for score in scores.values()) - 1
        assert n_candidates[0] == len(ids)


def _check_copies(model: Any, histories: list[list[Any]], trusted: Sequence[str]) -> None:
    expected = model.recommend(histories, k=5)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model")
        loaded = type(model).load(Path(folder) / "model", trusted=trusted)
    for again in (pickle.loads(pickle.dumps(model)), loaded):
        for found, wanted in zip(again.recommend(histories, k=5), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
        rows = np.arange(len(model.catalog_))
        np.testing.assert_array_equal(again.training_counts(rows), model.training_counts(rows))


def _check_items(model: Any, shop: Any) -> None:
    new = shop.items.head(2).assign(item=["new-1", "new-2"])
    n_items = len(model.catalog_)
    model.add_items(new)
    assert sorted(model.recommend([[]], k=2, include=["new-1", "new-2"])[0][0]) == [
        "new-1",
        "new-2",
    ]
    model.update_items(new)
    assert len(model.catalog_) == n_items + 2
    assert model.training_counts(np.array([n_items]))[0] == 0, "a new item was never trained on"
    model.remove_items(["new-1"])
    assert model.recommend([["new-1"]], k=n_items + 2)[0][0].tolist().count("new-1") == 0
    assert "new-1" not in model.similar_items(["new-2"], k=5)[0]
