"""What all recommenders share, on the two that are cheap to fit."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import ContentNeighborsRecommender, PopularityRecommender
from embrec.components import GRUEncoder, ItemTowers
from embrec.datasets import make_shop

MODELS = {
    "popularity": PopularityRecommender(),
    "content": ContentNeighborsRecommender(TfidfItemFeaturizer(columns=["title"])),
}
every_model = pytest.mark.parametrize("name", MODELS)
IDS = [f"{topic}-{i}" for topic in ("photo", "desk", "trail") for i in range(5)]
ITEM = st.sampled_from(IDS)


@pytest.fixture(scope="module")
def models(shop_log, shop_items):
    return {name: m.fit(shop_log, items=shop_items) for name, m in MODELS.items()}


@pytest.fixture(scope="module")
def score_of(models):
    """Score of each item after a history, from the vectors themselves."""

    def scores(name, history):
        model = models[name]
        rows = model.catalog_.ids.rows(np.array(IDS, dtype=object))
        vectors = model.index_.vectors[rows]
        if name == "popularity":
            return dict(zip(IDS, vectors[:, 0], strict=True))
        mean = vectors[[IDS.index(i) for i in history]].mean(axis=0) if history else 0 * vectors[0]
        product = vectors @ (mean.toarray().ravel() if hasattr(mean, "toarray") else mean)
        return dict(zip(IDS, np.asarray(product).ravel(), strict=True))

    return scores


# ---- filters

FILTER = st.none() | st.lists(ITEM, max_size=8)


@every_model
@settings(max_examples=60, deadline=None)
@given(
    queries=st.lists(
        st.tuples(st.lists(ITEM, max_size=5), st.lists(ITEM, max_size=9), st.lists(ITEM)),
        min_size=1,
        max_size=4,
    ),
    shared=st.tuples(FILTER, FILTER),
    per_row=st.tuples(st.booleans(), st.booleans()),
    k=st.integers(1, 18),
    exclude_seen=st.booleans(),
)
def test_any_filters(name, models, score_of, queries, shared, per_row, k, exclude_seen):
    histories, included, excluded = (list(part) for part in zip(*queries, strict=True))
    include = included if per_row[0] else shared[0]
    exclude = excluded if per_row[1] else shared[1]
    ids, scores = models[name].recommend(
        histories, k=k, include=include, exclude=exclude, exclude_seen=exclude_seen
    )
    assert ids.shape == scores.shape == (len(queries), k)
    for row, history in enumerate(histories):
        may = set(IDS if include is None else included[row] if per_row[0] else include)
        may -= set([] if exclude is None else excluded[row] if per_row[1] else exclude)
        may -= set(history) if exclude_seen else set()
        n = min(k, len(may))
        assert len(set(ids[row, :n])) == n
        assert set(ids[row, :n]) <= may
        truth = score_of(name, history)
        np.testing.assert_allclose(scores[row, :n], [truth[i] for i in ids[row, :n]], atol=1e-6)
        best = sorted((truth[i] for i in may), reverse=True)[:n]
        np.testing.assert_allclose(scores[row, :n], best, atol=1e-6)
        assert ids[row, n:].tolist() == [None] * (k - n)
        assert np.isneginf(scores[row, n:]).all()


@every_model
@pytest.mark.parametrize(
    "form",
    [
        tuple,
        set,
        frozenset,
        np.array,
        lambda ids: np.array(ids, dtype=object),
        pd.Series,
        pd.Index,
        pl.Series,
        lambda ids: dict.fromkeys(ids).keys(),
    ],
    ids=["tuple", "set", "frozenset", "str array", "objects", "Series", "Index", "polars", "keys"],
)
def test_a_filter_in_any_form(name, form, models):
    wanted, X = ["desk-1", "desk-2", "trail-0"], [["desk-0"], []]
    for key in ("include", "exclude"):
        expected = models[name].recommend(X, k=5, **{key: wanted})
        shared = models[name].recommend(X, k=5, **{key: form(wanted)})
        each = models[name].recommend(X, k=5, **{key: [form(wanted), form(wanted)]})
        for found in (shared, each):
            np.testing.assert_array_equal(found[0], expected[0])
            np.testing.assert_array_equal(found[1], expected[1])


@every_model
@pytest.mark.parametrize("key", ["include", "exclude"])
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("desk-1", TypeError, r"must be a list of ids; got 'desk-1'\. Pass \['desk-1'\]"),
        (np.str_("desk-1"), TypeError, r"got 'desk-1'\. Pass"),
        (5, TypeError, r"must be a list of ids; got 5\. Pass \[5\]"),
        ({"desk-1": 1}, TypeError, "must be a list of ids; got a dict"),
        (pd.DataFrame({"item": ["desk-1"]}), TypeError, "list of ids; got a DataFrame"),
        (pa.table({"item": ["desk-1"]}), TypeError, "list of ids; got a Table"),
        ([1, 2], TypeError, "holds integers .* are strings"),
        ([[1], [2]], TypeError, "holds integers .* are strings"),
        (["desk-1", None], ValueError, "1 of 2 ids are missing"),
        ([["desk-1"]], ValueError, "X has 2 rows, (in|ex)clude 1"),
        ([["desk-1"]] * 3, ValueError, "X has 2 rows, (in|ex)clude 3"),
        ([["desk-1"], "desk-2"], TypeError, "of type str"),
    ],
)
def test_filters_that_cannot_be(name, key, value, error, message, models):
    with pytest.raises(error, match=f"^{key}.*{message}"):
        models[name].recommend([["desk-0"], []], **{key: value})


@every_model
def test_unknown_ids_in_filters(name, models):
    model, X = models[name], [["desk-0"], []]
    expected = model.recommend(X, exclude=["desk-1"])
    for exclude in (["desk-1", "nobody"], [["nobody", "desk-1"], ["desk-1"]]):
        found = model.recommend(X, exclude=exclude)
        np.testing.assert_array_equal(found[0], expected[0])
    for include in (["desk-1", "nobody"], [["desk-1"], ["nobody"]]):
        with pytest.raises(ValueError, match="include: 1 of 2 ids are not in .*: 'nobody'"):
            model.recommend(X, include=include)


# ---- histories


@every_model
def test_tables_answer_by_order_of_first_appearance(name, models):
    log = pd.DataFrame(
        {"user": [7, 3, 7], "item": ["desk-1", "trail-2", "photo-0"], "timestamp": [2, 9, 1]}
    )
    expected = models[name].recommend([["photo-0", "desk-1"], ["trail-2"]], k=4)
    for table in (log, pl.from_pandas(log), pa.Table.from_pandas(log)):
        found = models[name].recommend(table, k=4)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


@every_model
def test_unknown_items_in_histories(name, models):
    model = models[name]
    with pytest.raises(ValueError, match=r"1 item ids in X .* \(2 interactions\): 'nobody'"):
        model.recommend([["desk-0", "nobody"], ["nobody"]])
    skipped = model.recommend([["desk-0", "nobody"], ["nobody"]], on_unknown="skip")
    expected = model.recommend([["desk-0"], []])
    np.testing.assert_array_equal(skipped[0], expected[0])
    with pytest.raises(ValueError, match="on_unknown must be 'raise' or 'skip'; got 'ignore'"):
        model.recommend([["desk-0"]], on_unknown="ignore")


@every_model
@pytest.mark.parametrize("k", [0, -1, 2.0, True, None, "3"])
def test_k_that_is_no_count(name, k, models):
    with pytest.raises(ValueError, match="k must be an integer >= 1"):
        models[name].recommend([[]], k=k)
    with pytest.raises(ValueError, match="k must be an integer >= 1"):
        models[name].similar_items(["desk-0"], k=k)


def test_integers_come_out_as_integers():
    model = PopularityRecommender().fit([np.array([4, 2], dtype=np.int32), [2, 9]])
    ids, _ = model.recommend([[2]], k=2)
    assert ids.dtype == np.int64
    assert set(ids[0]) == {4, 9}
    ids, _ = model.recommend([[2]], k=3)
    assert ids.dtype == object
    assert ids[0, 2] is None


# ---- pages

PAGED = {
    **MODELS,
    "embrec": EmbRecEstimator(
        TfidfItemFeaturizer("title"),
        item_model=ItemTowers(8, 8),
        encoder=GRUEncoder(8),
        max_epochs=1,
        random_state=0,
    ),
}


@pytest.mark.filterwarnings("ignore:.*items have no content")
@pytest.mark.parametrize("options", [{}, {"popularity_discount": 0.5}, {"diversity": 0.4}], ids=str)
@pytest.mark.parametrize("name", PAGED)
def test_pages_neither_repeat_nor_lose_an_item(name, options):
    """Half of the items have no title, and the others share theirs by threes."""
    shop = make_shop(n_users=60, n_items=200, random_state=0)
    titles = ["" if i % 2 else shop.items["title"][i // 6 * 6] for i in range(len(shop.items))]
    model = clone(PAGED[name]).fit(shop.interactions, items=shop.items.assign(title=titles))
    histories = [[], *(shop.items["item"][[i]].tolist() for i in range(0, 60, 7))]
    longest = model.recommend(histories, k=200, exclude_seen=False, **options)
    for k in (1, 7, 10, 11, 20, 41, 100):
        for found, whole in zip(
            model.recommend(histories, k=k, exclude_seen=False, **options), longest, strict=True
        ):
            np.testing.assert_array_equal(found, whole[:, :k])
    assert [sorted(row) for row in longest[0]] == [sorted(shop.items["item"])] * len(histories)
    if not options:  # of equal scores the first of the catalogue is first
        rows = pd.Index(shop.items["item"]).get_indexer(longest[0].ravel())
        rows = rows.reshape(longest[0].shape)
        level = np.diff(longest[1], axis=1) == 0
        assert level.any()
        assert (np.diff(rows, axis=1)[level] > 0).all()


# ---- ranks


@every_model
@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.lists(ITEM, min_size=1, max_size=5), min_size=1, max_size=4),
    exclude_seen=st.booleans(),
    ties=st.sampled_from(["pessimistic", "average", "optimistic"]),
)
def test_ranks_against_a_count(name, models, rows, exclude_seen, ties):
    model = models[name]
    histories = [row[:-1] for row in rows]
    never = [exclude_seen and row[-1] in row[:-1] for row in rows]
    with pytest.warns(UserWarning, match="never recommends") if any(never) else nullcontext():
        found = model.rank_targets(rows, exclude_seen=exclude_seen, ties=ties)
        apart = model.rank_targets(
            histories, [row[-1] for row in rows], exclude_seen=exclude_seen, ties=ties
        )
    np.testing.assert_array_equal(found.ranks, apart.ranks)
    ids, scores = model.recommend(histories, k=15, exclude_seen=False)
    for i, row in enumerate(rows):
        by_id = dict(zip(ids[i], scores[i], strict=True))
        others = set(IDS) - {row[-1]} - (set(row) if exclude_seen else set())
        target = by_id[row[-1]]
        ahead = sum(by_id[j] > target for j in others)
        level = sum(by_id[j] == target for j in others)
        share = {"pessimistic": 1, "average": 0.5, "optimistic": 0}[ties]
        assert found.ranks[i] == (len(others) if never[i] else ahead + share * level)
        assert found.n_candidates[i] == len(others) + 1


@every_model
def test_targets_that_cannot_be(name, models):
    model = models[name]
    for X, y, error, message in [
        ([["desk-0"], []], None, ValueError, r"1 of 2 sequences are empty \(the first is number 1"),
        ([["desk-0"]], ["nobody"], ValueError, "y: 1 of 1 ids are not in the catalogue: 'nobody'"),
        ([["nobody"]], None, ValueError, "the last items of X: 1 of 1 .*'nobody'"),
        ([["desk-0"]], ["desk-1", "desk-2"], ValueError, "X has 1 sequences, y 2 items"),
        ([["desk-0"]], [1], TypeError, "y holds integers"),
        ([["desk-0"]], "desk-1", TypeError, r"y: expected a list of ids; got 'desk-1'\."),
        ([["desk-0"]], [None], ValueError, "y: 1 of 1 ids are missing"),
    ]:
        with pytest.raises(error, match=message):
            model.rank_targets(X, y)


@every_model
def test_weights_of_the_score(name, models, shop_log, monkeypatch):
    monkeypatch.setattr("embrec.recommenders.base.SCORE_K", 4)  # 50 is more than the shop has
    hits = models[name].rank_targets(shop_log).ranks < 4
    assert 0 < hits.sum() < len(hits)
    assert models[name].score(shop_log) == pytest.approx(hits.mean())
    weights = np.arange(len(hits))
    expected = (weights * hits).sum() / weights.sum()
    assert models[name].score(shop_log, sample_weight=weights) == pytest.approx(expected)


# ---- similar items


@every_model
def test_similar_items_against_cosines(name, models):
    model = models[name]
    vectors = model.index_.vectors
    dense = vectors.toarray() if hasattr(vectors, "toarray") else vectors
    unit = dense / np.linalg.norm(dense, axis=1, keepdims=True)
    names = model.catalog_.ids.ids
    ids, scores = model.similar_items(["desk-0", "trail-3"], k=14)
    for row, item in enumerate(["desk-0", "trail-3"]):
        cosines = unit @ unit[names.tolist().index(item)]
        assert item not in ids[row]
        assert set(ids[row]) == set(IDS) - {item}
        truth = dict(zip(names, cosines, strict=True))
        np.testing.assert_allclose(scores[row], [truth[i] for i in ids[row]], atol=1e-6)
        assert (np.diff(scores[row]) <= 0).all()
    assert model.similar_items(["desk-0"], k=15)[0][0, -1] is None


@every_model
def test_similar_items_of_what_is_no_item(name, models):
    with pytest.raises(TypeError, match=r"expected a list of ids; got 'desk-0'\. .*\['desk-0'\]"):
        models[name].similar_items("desk-0")
    with pytest.raises(ValueError, match="ids: 1 of 2 ids are not in the catalogue: 'nobody'"):
        models[name].similar_items(["desk-0", "nobody"])
    found = models[name].similar_items({"desk-0"}, k=1)[0]
    assert found.tolist() == models[name].similar_items(["desk-0"], k=1)[0].tolist()


def test_a_copy_has_a_catalogue_of_its_own(shop_log, shop_items):
    import copy

    model = PopularityRecommender().fit(shop_log, items=shop_items)
    other = copy.copy(model)
    other.add_items(shop_items.head(1).assign(item=["new"]))
    assert (len(model.catalog_), len(other.catalog_)) == (15, 16)
    assert other.recommend([[]], k=1, include=["new"])[0].tolist() == [["new"]]
    with pytest.raises(ValueError, match="not in the catalogue"):
        model.recommend([[]], k=1, include=["new"])
