"""V-SKNN against the paper's formula, written as loops."""

import math
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec import Whole
from embrec.baselines import PopularityRecommender, SessionNeighborsRecommender, sknn
from embrec.metrics import ranking_scorer
from embrec.model_selection import leave_last_out_split

ITEM = st.integers(0, 9)
LOG = st.lists(st.lists(ITEM, max_size=6), min_size=1, max_size=12).filter(any)
CATALOG = pd.DataFrame({"item": np.arange(10)})


def naive(log, history, n_neighbors, decay, idf):
    """Scores of all items, and how much more similar the last session that counts is."""
    sessions = [set(session) for session in log if session]
    n_with = {i: sum(i in s for s in sessions) for i in range(10)}
    weight = {i: (t + 1) / len(history) for t, i in enumerate(history)}
    if decay == "none":
        weight = dict.fromkeys(weight, 1.0)
    if idf:
        weight = {
            i: w * (math.log(len(sessions) / n_with[i]) if n_with[i] else 0)
            for i, w in weight.items()
        }
    similar = [
        (sum(w for i, w in weight.items() if i in s) / math.sqrt(len(s)), number)
        for number, s in enumerate(sessions)
    ]
    ranked = sorted(similar, reverse=True)
    nearest, others = ranked[:n_neighbors], ranked[n_neighbors:]
    margin = nearest[-1][0] - others[0][0] if others else math.inf
    return [sum(sim for sim, n in nearest if i in sessions[n]) for i in range(10)], margin


@pytest.mark.filterwarnings("ignore::embrec.RepeatedEventsWarning")
@settings(max_examples=80, deadline=None)
@given(
    log=LOG,
    histories=st.lists(st.lists(ITEM, max_size=5), min_size=1, max_size=4),
    n_neighbors=st.integers(1, 5),
    decay=st.sampled_from(["linear", "none"]),
    idf=st.booleans(),
)
def test_scores_are_those_of_the_paper(log, histories, n_neighbors, decay, idf):
    model = SessionNeighborsRecommender(n_neighbors, decay=decay, idf=idf)
    model.fit(log, items=Whole(CATALOG))
    ids, scores = model.recommend(histories, k=10, exclude_seen=False)
    for history, found, of_history in zip(histories, ids, scores, strict=True):
        expected, margin = naive(log, history, n_neighbors, decay, idf)
        if margin > 1e-5:  # else rounding says which of two sessions counts
            got = dict(zip(found.tolist(), of_history.tolist(), strict=True))
            np.testing.assert_allclose([got[i] for i in range(10)], expected, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(item=ITEM, data=st.data())
def test_equally_similar_sessions_count_from_the_latest(item, data):
    """With sessions of one size, one item in common and no decay, all that share it tie."""
    log = [[item, other] for other in range(10) if other != item]
    k = data.draw(st.integers(1, 9))
    model = SessionNeighborsRecommender(k, decay="none", idf=False).fit(log, items=CATALOG)
    ids, scores = model.recommend([[item]], k=10, exclude_seen=True)
    shown = {i for i, s in zip(ids[0], scores[0], strict=True) if i is not None and s > 0}
    assert shown == {session[1] for session in log[-k:]}


def test_the_last_items_alone():
    log = [["a", "b"], ["c", "d"]]
    model = SessionNeighborsRecommender(n_last=1, idf=False).fit(log)
    ids, scores = model.recommend([["a", "c"]], k=2)
    assert ids.tolist() == [["d", "b"]]
    assert scores[0, 1] == 0


def test_it_learns_on():
    both = SessionNeighborsRecommender().fit([["a", "b"], ["b", "c"], ["c", "d", "a"]])
    model = SessionNeighborsRecommender().partial_fit([["a", "b"], ["b", "c"]])
    model.remove_items(["b"])
    model.partial_fit([["c", "d", "a"]], items=pd.DataFrame({"item": ["d", "b"]}))
    histories = [["a"], ["c", "b"], [], ["d"]]
    np.testing.assert_allclose(
        model.recommend(histories, k=4)[1], both.recommend(histories, k=4)[1]
    )
    with pytest.raises(ValueError, match="not in the catalogue"):
        model.partial_fit([["nobody"]])
    assert model.index_.n_features_in_ == 3


def test_items_that_no_session_holds(tmp_path):
    model = SessionNeighborsRecommender(idf=False).fit([["a", "b"], ["a", "c"]])
    model.add_items(pd.DataFrame({"item": ["new"]})).update_items(pd.DataFrame({"item": ["b"]}))
    ids, scores = model.recommend([["a", "new"]], k=3)
    assert (ids[0, 2], scores[0, 2]) == (None, -np.inf)  # a and new were seen
    assert set(ids[0, :2]) == {"b", "c"}
    assert scores[0, 0] > 0
    model.save(tmp_path / "model")
    again = SessionNeighborsRecommender.load(tmp_path / "model")
    np.testing.assert_array_equal(
        again.recommend([["a"]], k=3)[1], model.recommend([["a"]], k=3)[1]
    )
    counts = model.training_counts(np.arange(4))
    assert counts.tolist() == [2, 1, 1, 0]


def test_better_than_popularity_where_sessions_have_topics(shop_log, shop_items):
    train, _, test = leave_last_out_split(shop_log)
    scorer = ranking_scorer("hit_rate@2", exclude_seen=True)
    models = (SessionNeighborsRecommender(), PopularityRecommender())
    ours, popular = (scorer(m.fit(train, items=shop_items), test) for m in models)
    assert ours > 0.9 > 0.5 > popular


@pytest.mark.filterwarnings("ignore::embrec.RepeatedEventsWarning")
def test_answers_do_not_depend_on_the_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    log = [rng.choice(10, 5).tolist() for _ in range(60)]
    histories = [[], *log[:20], []]
    model = SessionNeighborsRecommender(5).fit(log, items=CATALOG)
    expected = model.recommend(histories, k=5)
    for block in (1, 100, 10**9):
        monkeypatch.setattr(sknn, "BLOCK", block)
        for found, wanted in zip(model.recommend(histories, k=5), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert model.recommend([[]], k=1)[0].shape == (1, 1)


def test_what_is_kept_between_queries_is_of_this_moment():
    model = SessionNeighborsRecommender(5).fit([[1, 2], [1, 3], [3, 4]], items=CATALOG)
    model.recommend([[1]])
    assert model.set_params(idf=False).recommend([[1]], k=1)[1] == pytest.approx(0.5**0.5)
    model.partial_fit([[1, 9]])
    assert 9 in model.recommend([[1]], k=3)[0]
    assert "_scaled" not in pickle.loads(pickle.dumps(model)).__dict__
