import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import normalize

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import ContentNeighborsRecommender, PopularityRecommender
from embrec.components import GRUEncoder, ItemTowers
from embrec.serving.reranking import Reranking, choose, discounted

SMALL = {
    "item_model": ItemTowers(8, 8),
    "encoder": GRUEncoder(8),
    "max_epochs": 2,
    "early_stopping": False,  # which keeps events from training, and from the counts
    "random_state": 0,
}


def naive_mmr(scores, vectors, k, diversity):
    """One row, in float64, as Carbonell and Goldstein write it."""
    scores, vectors = scores.astype(np.float64), vectors.astype(np.float64)
    there = [i for i in range(len(scores)) if np.isfinite(scores[i])]
    low = min((scores[i] for i in there), default=0)
    width = max((scores[i] for i in there), default=0) - low or 1

    def cosine(a, b):
        lengths = np.linalg.norm(a) * np.linalg.norm(b)
        return a @ b / lengths if lengths else 0.0

    chosen, values = [], []
    while len(chosen) < min(k, len(there)):
        worth = {}
        for i in there:
            if i in chosen:
                continue
            likeness = max((cosine(vectors[i], vectors[j]) for j in chosen), default=0.0)
            worth[i] = (1 - diversity) * (scores[i] - low) / width - diversity * likeness
            if not chosen:
                worth[i] = (scores[i] - low) / width
        chosen.append(max(worth, key=worth.get))
        values.append(sorted(worth.values(), reverse=True)[:2])
    return chosen, values


@given(
    scores=hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 12)),
                      elements=st.one_of(st.floats(-9, 9, width=32), st.just(-np.inf))),
    k=st.integers(1, 12),
    diversity=st.floats(0.05, 1),
    seed=st.integers(0, 99),
    sparse=st.booleans(),
)  # fmt: skip
def test_marginal_relevance_is_that_of_the_paper(scores, k, diversity, seed, sparse):
    n, m = scores.shape
    k = min(k, m)
    vectors = np.random.default_rng(seed).normal(size=(n * m, 5)).astype(np.float32)
    vectors[::7] = 0
    given_as = sp.csr_array(vectors) if sparse else vectors
    chosen = choose(
        scores,
        [(k, m)],
        diversity,
        lambda rows: given_as[rows.start * m : rows.stop * m],
        memory=2 * m * 5 * 4,
    )
    for row in range(n):
        expected, values = naive_mmr(scores[row], vectors[row * m : (row + 1) * m], k, diversity)
        got = chosen[row]
        assert_array_equal(got[len(expected) :], -1)
        # where two are worth the same to float32, either will do, and all is open afterwards
        clear = [len(v) < 2 or v[0] - v[1] > 1e-4 for v in values]
        n_clear = clear.index(False) if False in clear else len(clear)
        assert got[:n_clear].tolist() == expected[:n_clear]
        found = got[got >= 0]
        assert len(set(found.tolist())) == len(found) == len(expected)
        assert np.isfinite(scores[row, found]).all()


@given(
    scores=hnp.arrays(np.float32, (3, 7), elements=st.floats(-9, 9, width=32)),
    k=st.integers(1, 7),
)
def test_without_diversity_the_best_are_chosen(scores, k):
    assert_array_equal(choose(scores, [(k, 7)]), np.argsort(-scores, axis=1, kind="stable")[:, :k])


def test_a_discount_divides_probabilities_by_a_power_of_popularity():
    probabilities = np.array([[0.5, 0.3, 0.2]])
    counts = np.array([[9, 4, 0]])
    got = discounted(np.log(probabilities).astype(np.float32), counts, 0.5)
    assert_allclose(np.exp(got), probabilities / np.sqrt(counts + 1), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"popularity_discount": -1}, "popularity_discount must be a number >= 0; got -1"),
        ({"popularity_discount": np.nan}, "popularity_discount must be a number >= 0; got nan"),
        ({"popularity_discount": np.inf}, "popularity_discount must be a number >= 0; got inf"),
        ({"popularity_discount": "much"}, "popularity_discount must be a number >= 0; got 'much'"),
        ({"diversity": 1.5}, "diversity must be a number between 0 and 1; got 1.5"),
        ({"diversity": True}, "diversity must be a number between 0 and 1; got True"),
        ({"n_candidates": 0}, "n_candidates must be an integer >= 1; got 0"),
        ({"n_candidates": 2.5}, "n_candidates must be an integer >= 1; got 2.5"),
    ],
)
def test_a_value_out_of_range_is_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        Reranking(**options)


def test_there_must_be_enough_candidates_to_choose_from():
    with pytest.raises(ValueError, match="n_candidates=5, k=6"):
        Reranking(diversity=0.1, n_candidates=5).rounds(6)
    assert Reranking(n_candidates=5).rounds(6) == [(6, 6)]  # nothing is chosen
    assert Reranking(diversity=0.1, n_candidates=7).rounds(6) == [(6, 7)]
    assert Reranking(diversity=0.1).rounds(6) == [(6, 100)]
    assert Reranking(diversity=0.1).rounds(25) == [(10, 100), (20, 200), (25, 400)]


@pytest.mark.parametrize("diversity", [0, 0.4])
def test_choosing_goes_on_from_more_candidates(diversity):
    rng = np.random.default_rng(0)
    scores = -np.sort(-rng.normal(size=(3, 60)).astype(np.float32), axis=1)
    scores[2, 9:] = -np.inf
    vectors = rng.normal(size=(180, 4)).astype(np.float32)
    given = (diversity, lambda rows: vectors[rows.start * 60 : rows.stop * 60])
    scores[:2] -= rng.uniform(0, 1, 60).astype(np.float32)  # a discount
    chosen = choose(scores, [(4, 8), (8, 16), (12, 60)], *given)
    assert (chosen[:, :4] < 8).all()
    assert (chosen[:, :8] < 16).all()
    assert (chosen[:2, 8:] >= 16).any()
    for row in chosen.tolist():
        found = [column for column in row if column >= 0]
        assert len(set(found)) == len(found)
    assert (chosen[2] >= 0).sum() == 9
    for rounds in ([(3, 8)], [(4, 8), (6, 16)], [(4, 8), (8, 16), (10, 60)]):
        assert_array_equal(choose(scores, rounds, *given), chosen[:, : rounds[-1][0]])
    if diversity:  # the second round, from what was chosen in the first
        likely = normalize(vectors[:60])
        r = (scores[0, :16] - scores[0, :16].min()) / np.ptp(scores[0, :16])
        s = (likely[:16] @ likely[chosen[0, :4]].T).max(axis=1)
        value = (1 - diversity) * r - diversity * s
        value[chosen[0, :4]] = -np.inf
        assert chosen[0, 4] == value.argmax()


# ---- in recommend


@pytest.fixture(scope="module")
def models(shop_log, shop_items):
    return {
        "embrec": EmbRecEstimator(**SMALL).fit(shop_log, items=shop_items),
        "embrec with biases": EmbRecEstimator(
            **SMALL | {"item_model": ItemTowers(8, 8, bias=True)}
        ).fit(shop_log, items=shop_items),
        "content": ContentNeighborsRecommender(TfidfItemFeaturizer(columns=["title"])).fit(
            shop_log, items=shop_items
        ),
        "popularity": PopularityRecommender().fit(shop_log, items=shop_items),
    }


NAMES = ["embrec", "embrec with biases", "content", "popularity"]


@pytest.fixture(scope="module")
def histories(shop_log):
    return [group["item"].tolist()[:4] for _, group in shop_log.groupby("user")][:20]


def events_of(shop_log, ids):
    counts = shop_log["item"].value_counts()
    return np.array([[counts.get(i, 0) for i in row] for row in ids.tolist()])


@pytest.mark.parametrize("name", NAMES)
def test_the_discount_is_that_of_the_counts_of_the_log(name, models, histories, shop_log):
    model, n_items = models[name], len(models[name].catalog_)
    all_ids, all_scores = model.recommend(histories, k=n_items, exclude_seen=False)
    ids, scores = model.recommend(
        histories, k=n_items, exclude_seen=False, popularity_discount=0.7, n_candidates=n_items
    )
    expected = all_scores - 0.7 * np.log1p(events_of(shop_log, all_ids))
    of_id = [dict(zip(*pair, strict=True)) for pair in zip(all_ids.tolist(), expected, strict=True)]
    wanted = [[of_id[i][id_] for id_ in row] for i, row in enumerate(ids.tolist())]
    assert_allclose(scores, wanted, rtol=1e-4, atol=1e-4)
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_knobs_choose_from_the_best_by_score(name, models, histories):
    model = models[name]
    pool = model.recommend(histories, k=9)[0].tolist()
    for knobs in ({"popularity_discount": 3.0}, {"diversity": 0.8}):
        ids, scores = model.recommend(histories, k=5, n_candidates=9, **knobs)
        assert ids.shape == scores.shape == (20, 5)
        assert scores.dtype == np.float32
        for row, candidates in zip(ids.tolist(), pool, strict=True):
            assert len(set(row)) == 5
            assert set(row) <= set(candidates)


def test_the_knobs_do_what_they_are_for(models, histories, shop_log):
    model = models["embrec"]
    plain = model.recommend(histories, k=4)[0]
    rarer = model.recommend(histories, k=4, popularity_discount=1.0)[0]
    assert events_of(shop_log, rarer).mean() < events_of(shop_log, plain).mean()

    model = models["content"]  # whose vectors differ more than those of two epochs
    starts = [history[:1] for history in histories]
    lists = [model.recommend(starts, k=4, diversity=d)[0] for d in (0, 0.3, 0.6, 0.9)]

    def likeness(ids):
        rows = model.catalog_.ids.rows(ids.ravel())
        unit = model.index_.snapshot.take(rows).toarray().reshape(*ids.shape, -1)
        return (unit @ unit.swapaxes(1, 2)).mean()

    steps = [likeness(ids) for ids in lists]
    assert steps == sorted(steps, reverse=True)
    assert steps[3] < steps[0] - 0.05
    # the first of a list has nothing above it
    assert_array_equal(lists[3][:, 0], lists[0][:, 0])


def test_a_bias_is_no_part_of_likeness(models, histories):
    model = models["embrec with biases"]
    ids = model.recommend(histories, k=3, diversity=0.5, n_candidates=9)[0]
    pool, scores = model.recommend(histories, k=9)
    for row in range(5):
        vectors = model.item_embeddings(pool[row])
        expected, values = naive_mmr(scores[row], vectors, 3, 0.5)
        assert min(v[0] - v[1] for v in values) > 1e-5
        assert ids[row].tolist() == pool[row][expected].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_filters_hold_and_short_rows_are_filled_up(name, models, histories):
    model = models[name]
    allowed = model.recommend(histories[:1], k=6, exclude_seen=False)[0][0].tolist()
    knobs = {"popularity_discount": 0.5, "diversity": 0.5}
    ids, scores = model.recommend(histories, k=8, include=allowed, exclude=allowed[:2], **knobs)
    for history, row, its_scores in zip(histories, ids.tolist(), scores, strict=True):
        left = set(allowed[2:]) - set(history)
        assert set(row[: len(left)]) == left
        assert row[len(left) :] == [None] * (8 - len(left))
        assert np.isneginf(its_scores[len(left) :]).all()


def test_new_items_have_no_popularity(models, histories, shop_items):
    model = models["popularity"]
    new = shop_items.iloc[:3].assign(item=["new0", "new1", "new2"])
    model.add_items(new)
    try:
        _, scores = model.recommend(
            histories, k=3, include=["new0", "new1", "new2"], popularity_discount=2.0
        )
        assert_array_equal(scores, 0)
    finally:
        model.remove_items(["new0", "new1", "new2"])
