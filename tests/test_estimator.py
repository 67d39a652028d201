"""EmbRecEstimator on a small shop whose next item is known."""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_union
from sklearn.preprocessing import StandardScaler

from embrec import EmbRecEstimator, TfidfItemFeaturizer, Whole
from embrec.baselines import PopularityRecommender
from embrec.components import Adam, GRUEncoder, ItemTowers
from embrec.data.items import NoContentWarning
from embrec.datasets import make_shop
from embrec.metrics import hit_rate_at_k
from embrec.training import DivergedError

SMALL = {"item_model": ItemTowers(16, 16), "encoder": GRUEncoder(16), "batch_size": 8}
TITLES = TfidfItemFeaturizer(columns=["title"], ngram_range=(1, 1))
NEW = pd.DataFrame({"item": ["photo-new"], "title": ["camera bag photo"], "price": [99.0]})


def make(**changes):
    parameters = {"featurizer": TITLES, "max_epochs": 4, "random_state": 0, **SMALL, **changes}
    return EmbRecEstimator(**parameters)


@pytest.fixture(scope="module")
def trained(shop_log, shop_items):
    """A model that has learned the shop; do not change it."""
    return make(
        max_epochs=40, optimizer=Adam(0.01), early_stopping=False, item_model=ItemTowers(16, 48)
    ).fit(shop_log, items=shop_items)


@pytest.fixture
def fitted(trained):
    """A copy to change."""
    return copy.deepcopy(trained)


def state_of(model):
    """Everything that a failed call must leave as it was."""
    return pickle.dumps(
        (
            model.catalog_.ids.ids.tolist(),
            [
                np.asarray(block.todense() if hasattr(block, "todense") else block)
                for block in model.catalog_.blocks
            ],
            np.array(model.index_.vectors),
            model.index_.active.tolist(),
            {k: v.numpy() for k, v in model.network_.state_dict().items()},
            model.training_log_,
            model.fingerprint_,
        )
    )


# ---- learning


def test_learns_what_follows_what(trained, shop_log, shop_items):
    histories = [[f"{topic}-{i}"] for topic in ("photo", "desk", "trail") for i in range(5)]
    following = [f"{h[0][:-1]}{(int(h[0][-1]) + 1) % 5}" for h in histories]
    popular = PopularityRecommender().fit(shop_log, items=shop_items)
    ranks = trained.rank_targets(histories, following).ranks
    popular_ranks = popular.rank_targets(histories, following).ranks
    assert hit_rate_at_k(ranks, 1) == 1
    assert hit_rate_at_k(popular_ranks, 1) < 0.3


def test_order_matters(trained):
    forth, back = ["photo-1", "photo-2"], ["photo-2", "photo-1"]
    assert trained.predict([forth])[0] == "photo-3"
    one, other = (trained.recommend([h], k=15, exclude_seen=False)[0][0] for h in (forth, back))
    assert one.tolist() != other.tolist()


def test_same_seed_same_numbers(shop_log, shop_items):
    one, two, other = (
        make(random_state=seed).fit(shop_log, items=shop_items) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.index_.vectors, two.index_.vectors)
    assert one.fingerprint_ == two.fingerprint_ != other.fingerprint_
    timeless = [
        [{k: r[k] for k in r if "second" not in k} for r in m.training_log_] for m in (one, two)
    ]
    assert timeless[0] == timeless[1]


def test_same_seed_same_numbers_in_several_threads():
    shop = make_shop(n_users=1500, n_items=600, random_state=0)
    model = EmbRecEstimator(max_epochs=1, batch_size=512, early_stopping=False, random_state=0)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        prints = {
            clone(model).fit(shop.interactions, items=shop.items).fingerprint_ for _ in range(4)
        }
    finally:
        torch.set_num_threads(n_threads)
    assert len(prints) == 1


def test_fit_leaves_global_random_states_alone(shop_log, shop_items):
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.random.get_rng_state(), np.random.get_state()[1].tolist()
    make(max_epochs=1).fit(shop_log, items=shop_items)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]


def test_training_log_and_best_epoch(shop_log, shop_items):
    model = make(max_epochs=40, optimizer=Adam(0.01)).fit(shop_log, items=shop_items)
    log = model.training_log_
    assert [record["epoch"] for record in log] == list(range(1, len(log) + 1))
    figures = [(r["valid_hit_rate"], r["valid_mrr"]) for r in log]
    assert model.best_epoch_ == 1 + figures.index(max(figures))
    assert len(log) == min(40, model.best_epoch_ + 5)


def test_x_val_is_what_early_stopping_watches(shop_log, shop_items):
    only = [["photo-0", "desk-0"]]
    model = make(max_epochs=3).fit(shop_log, items=shop_items, X_val=only)
    ranks = model.rank_targets(only).ranks
    best = model.training_log_[model.best_epoch_ - 1]
    assert best["valid_mrr"] == pytest.approx(1 / (ranks[0] + 1))


def test_without_early_stopping_all_epochs_run(shop_log, shop_items):
    model = make(max_epochs=3, early_stopping=False).fit(shop_log, items=shop_items)
    assert len(model.training_log_) == model.best_epoch_ == 3
    assert "valid_hit_rate" not in model.training_log_[0]
    # figures of X_val are logged, and change nothing
    watched = make(max_epochs=3, early_stopping=False).fit(
        shop_log, items=shop_items, X_val=[["photo-0", "desk-0"]]
    )
    assert "valid_hit_rate" in watched.training_log_[0]
    assert watched.best_epoch_ == 3
    assert watched.fingerprint_ == model.fingerprint_


def test_items_without_content_are_named(shop_log, shop_items):
    items = pd.concat([shop_items, pd.DataFrame({"item": ["blank"], "title": [None]})])
    with pytest.warns(NoContentWarning, match=r"1 of 16 items have no content.*They are 'blank'"):
        model = make(max_epochs=1).fit(shop_log, items=items)
    with pytest.warns(NoContentWarning, match="'unheard-of'"):
        model.add_items(pd.DataFrame({"item": ["unheard-of"], "title": ["zzz"]}))
    assert "blank" in model.recommend([[]], k=17)[0]


def test_a_model_mapped_from_disk_lives_on(trained, tmp_path):
    joblib.dump(trained, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    np.testing.assert_array_equal(mapped.predict([["photo-0"]]), trained.predict([["photo-0"]]))
    mapped.add_items(NEW).update_items(NEW).remove_items(["photo-1"])
    assert "photo-1" not in mapped.recommend([[]], k=16)[0]


def test_max_length_limits_training_and_nothing_else(shop_log, shop_items):
    model = make(max_length=2, max_epochs=1, early_stopping=False).fit(shop_log, items=shop_items)
    same = make(max_length=2, max_epochs=1, early_stopping=False).fit(
        shop_log[shop_log["timestamp"] >= 2], items=shop_items
    )
    np.testing.assert_array_equal(model.index_.vectors, same.index_.vectors)
    long, short = ["photo-0", "desk-1", "trail-2"], ["desk-1", "trail-2"]
    assert not np.allclose(model.transform([long]), model.transform([short]))


def test_progress_bar_only_when_asked(shop_log, shop_items, capsys):
    make(max_epochs=1, verbose=0).fit(shop_log, items=shop_items)
    assert capsys.readouterr().err == ""
    make(max_epochs=1, verbose=1).fit(shop_log, items=shop_items)
    shown = capsys.readouterr().err
    assert "epoch 1/1" in shown
    assert "valid hit rate" in shown
    assert "events/s" in shown


# ---- forms of input


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas], ids=["polars", "arrow"])
def test_other_tables_give_the_same_model(convert, shop_log, shop_items):
    expected = make(max_epochs=1).fit(shop_log, items=shop_items)
    model = make(max_epochs=1).fit(convert(shop_log), items=convert(shop_items))
    np.testing.assert_array_equal(model.index_.vectors, expected.index_.vectors)
    new = convert(NEW)
    assert model.add_items(new).predict([["photo-new"]]).shape == (1,)


def test_sequences_give_the_same_model_as_their_log(shop_log, shop_items):
    expected = make(max_epochs=1).fit(shop_log, items=shop_items)
    sequences = shop_log.groupby("user", sort=False)["item"].apply(list).tolist()
    model = make(max_epochs=1).fit(sequences, items=Whole(shop_items))
    np.testing.assert_array_equal(model.index_.vectors, expected.index_.vectors)
    np.testing.assert_array_equal(model.predict(sequences), expected.predict(shop_log))


def test_own_column_names_and_integer_ids(shop_log, shop_items):
    number = {item: 10 * i for i, item in enumerate(shop_items["item"])}
    log = pd.DataFrame(
        {
            "visitor": shop_log["user"],
            "sku": shop_log["item"].map(number),
            "when": pd.to_datetime(shop_log["timestamp"], unit="D"),
        }
    ).sample(frac=1, random_state=0)
    items = shop_items.assign(sku=shop_items["item"].map(number)).drop(columns="item")
    names = {"user_col": "visitor", "item_col": "sku", "timestamp_col": "when"}
    model = make(max_epochs=1, **names).fit(log, items=items)
    ids, _ = model.recommend([[0, 10], np.array([20], dtype=np.int32)], k=3)
    assert ids.dtype == np.int64
    assert set(ids.ravel().tolist()) <= set(number.values())
    by_index = make(max_epochs=1, **names).fit(log, items=items.set_index("sku"))
    np.testing.assert_array_equal(by_index.index_.vectors, model.index_.vectors)


def test_a_union_gives_one_tower_per_branch(shop_log, shop_items):
    class Price(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            self.scaler_ = StandardScaler().fit(X[["price"]])
            return self

        def transform(self, X):
            return self.scaler_.transform(X[["price"]])

    model = make(featurizer=make_union(TITLES, Price()), max_epochs=1)
    model.fit(shop_log, items=shop_items)
    assert len(model.network_.items.towers) == 2
    assert model.transform([["photo-0"]]).shape == (1, 32)
    assert [block.shape[1] for block in model.catalog_.blocks][1] == 1
    assert model.add_items(NEW).predict([["photo-new"]]).shape == (1,)


# ---- answers


def test_scores_are_inner_products_of_transform_and_item_embeddings(trained, shop_items):
    X = [["photo-0", "photo-1"], ["desk-3"], []]
    queries = trained.transform(X)
    assert queries.shape == (3, 16)
    assert queries.dtype == np.float32
    ids, scores = trained.recommend(X, k=15, exclude_seen=False)
    for row in range(3):
        expected = trained.item_embeddings(ids[row]) @ queries[row]
        np.testing.assert_allclose(scores[row], expected, rtol=1e-4, atol=1e-4)
        assert set(ids[row]) == set(shop_items["item"])


def test_predict_is_the_first_recommendation(trained):
    X = [["photo-0"], ["desk-1", "desk-2"], []]
    np.testing.assert_array_equal(trained.predict(X), trained.recommend(X)[0][:, 0])


def test_score_is_the_hit_rate_of_last_events(trained, shop_log):
    ranks = []
    for _, group in shop_log.groupby("user", sort=False):
        *history, target = group["item"]
        ids, _ = trained.recommend([history], k=15, exclude_seen=False)
        ranks.append(ids[0].tolist().index(target))
    assert trained.score(shop_log) == 1.0  # 15 items are all among the first 50
    np.testing.assert_array_equal(trained.rank_targets(shop_log).ranks, ranks)
    weights = np.arange(60)
    assert trained.score(shop_log, sample_weight=weights) == 1.0


def test_targets_apart_rank_exactly_as_last_events(trained, shop_log):
    rows = shop_log.groupby("user", sort=False)["item"].apply(list)
    apart = trained.rank_targets([r[:-1] for r in rows], [r[-1] for r in rows])
    whole = trained.rank_targets(shop_log)
    np.testing.assert_array_equal(apart.ranks, whole.ranks)
    assert (whole.n_candidates == 15).all()


def test_a_row_does_not_depend_on_its_company(trained, shop_log):
    rows = shop_log.groupby("user", sort=False)["item"].apply(list).tolist()
    rows = [row[: 1 + i % 4] for i, row in enumerate(rows)]
    together = trained.transform(rows)
    for i in (0, 7, 33):
        np.testing.assert_allclose(trained.transform([rows[i]])[0], together[i], atol=1e-6)


ITEM = st.sampled_from([f"{topic}-{i}" for topic in ("photo", "desk", "trail") for i in range(5)])


@settings(max_examples=60, deadline=None)
@given(
    histories=st.lists(st.lists(ITEM, max_size=6), min_size=1, max_size=4),
    k=st.integers(1, 20),
    exclude_seen=st.booleans(),
    include=st.none() | st.lists(ITEM, unique=True, min_size=1),
    exclude=st.none() | st.lists(ITEM | st.just("nobody"), unique=True, min_size=1),
    per_row=st.booleans(),
)
def test_recommend_keeps_every_promise(
    trained, shop_items, histories, k, exclude_seen, include, exclude, per_row
):
    filters = {"include": include, "exclude": exclude}
    if per_row:
        filters = {name: v and [v] * len(histories) for name, v in filters.items()}
    ids, scores = trained.recommend(histories, k=k, exclude_seen=exclude_seen, **filters)
    assert ids.shape == scores.shape == (len(histories), k)
    queries = trained.transform(histories)
    for row, history in enumerate(histories):
        may = [i for i in shop_items["item"] if include is None or i in include]
        may = [i for i in may if i not in (exclude or [])]
        may = [i for i in may if not (exclude_seen and i in history)]
        n = min(k, len(may))
        found = ids[row, :n].tolist()
        assert len(set(found)) == n
        assert set(found) <= set(may)
        assert (np.diff(scores[row, :n]) <= 0).all()
        assert ids[row, n:].tolist() == [None] * (k - n)
        assert np.isneginf(scores[row, n:]).all()
        left_out = [i for i in may if i not in found]
        if left_out and n:
            best_left_out = (trained.item_embeddings(left_out) @ queries[row]).max()
            assert best_left_out <= scores[row, n - 1] + 1e-4


def test_similar_items_are_ordered_by_cosine(trained, shop_items):
    ids, scores = trained.similar_items(["photo-0", "desk-2"], k=14)
    everything = trained.item_embeddings(shop_items["item"])
    unit = everything / np.linalg.norm(everything, axis=1, keepdims=True)
    for row, item in enumerate(["photo-0", "desk-2"]):
        assert item not in ids[row]
        own = unit[shop_items["item"].tolist().index(item)]
        cosines = pd.Series(unit @ own, index=shop_items["item"])[ids[row]]
        np.testing.assert_allclose(scores[row], cosines, atol=1e-5)
        assert (np.diff(scores[row]) <= 0).all()


# ---- histories that hold what nobody knows


def test_unknown_items_in_histories(trained):
    with pytest.raises(ValueError, match=r"1 item ids in X are not in the catalogue.*'nobody'"):
        trained.recommend([["photo-0", "nobody"]])
    skipped = trained.recommend([["photo-0", "nobody"]], on_unknown="skip")
    np.testing.assert_array_equal(skipped[0], trained.recommend([["photo-0"]])[0])
    lenient = copy.deepcopy(trained).set_params(on_unknown="skip")
    np.testing.assert_array_equal(lenient.predict([["nobody"]]), lenient.predict([[]]))
    with pytest.raises(ValueError, match="'raise' or 'skip'; got 'ignore'"):
        trained.transform([["photo-0"]], on_unknown="ignore")


# ---- the living catalogue


def test_a_new_item_is_what_it_would_have_been_from_the_start(fitted, shop_log, shop_items):
    fitted.add_items(NEW)
    features = fitted.featurizer_.transform(pd.concat([shop_items, NEW]))
    network = fitted.network_
    hidden = np.maximum(
        features.toarray()
        @ (network.items.towers[0].weight * network.items.towers[0].scale).detach().numpy()
        + network.items.towers[0].bias.detach().numpy(),
        0,
    )
    output = network.items.towers[0].output
    expected = hidden @ output.weight.detach().numpy().T + output.bias.detach().numpy()
    np.testing.assert_allclose(fitted.index_.vectors, expected, atol=1e-5)


def test_a_new_item_is_recommended_at_once(fitted):
    before = fitted.recommend([["photo-0", "photo-1"]], k=15, exclude_seen=False)[0][0]
    fitted.add_items(NEW)
    after = fitted.recommend([["photo-0", "photo-1"]], k=16, exclude_seen=False)[0][0].tolist()
    assert "photo-new" not in before
    # it is called like photo-2, the one that comes next
    assert after.index("photo-new") <= 3
    assert fitted.predict([["photo-new"]])[0].startswith("photo")


def test_only_new_rows_are_featurized(shop_log, shop_items):
    class Counting(TfidfItemFeaturizer):
        rows = 0

        def transform(self, X):
            Counting.rows += len(X)
            return super().transform(X)

    model = make(featurizer=Counting(columns=["title"]), max_epochs=1)
    model.fit(shop_log, items=shop_items)
    Counting.rows = 0
    model.add_items(NEW)
    model.update_items(NEW.assign(title="desk lamp"))
    model.remove_items(["photo-new"])
    assert Counting.rows == 2


def test_update_replaces_content(fitted):
    fitted.add_items(NEW)
    fitted.update_items(NEW.assign(title="fountain pen desk"))
    np.testing.assert_allclose(
        fitted.item_embeddings(["photo-new"]), fitted.item_embeddings(["desk-0"]), atol=1e-6
    )


def test_a_removed_item_is_understood_and_never_recommended(fitted, shop_items):
    query = fitted.transform([["photo-1", "photo-2"]])
    fitted.remove_items(["photo-2", "photo-3"])
    np.testing.assert_array_equal(fitted.transform([["photo-1", "photo-2"]]), query)
    ids, _ = fitted.recommend([["photo-1", "photo-2"], []], k=15, exclude_seen=False)
    assert not {"photo-2", "photo-3"} & set(ids.ravel())
    assert not {"photo-2", "photo-3"} & set(fitted.similar_items(["photo-1"], k=15)[0].ravel())
    only = fitted.recommend([[]], k=2, include=["photo-2", "photo-1"])[0]
    assert only.tolist() == [["photo-1", None]]
    with pytest.raises(ValueError, match=r"1 of 1 ids are not in the catalogue: 'photo-2'"):
        fitted.similar_items(["photo-2"])
    with pytest.raises(
        ValueError, match=r"the last items of X: 1 of 1 ids are not in the catalogue: 'photo-2'"
    ):
        fitted.rank_targets([["photo-1", "photo-2"]])
    fitted.add_items(shop_items[shop_items["item"] == "photo-2"])
    assert "photo-2" in fitted.recommend([[]], k=15)[0]


BAD_CATALOGUE_CALLS = {
    "add a known one": lambda m: m.add_items(pd.concat([NEW, NEW.assign(item="desk-0")])),
    "add one twice": lambda m: m.add_items(pd.concat([NEW, NEW])),
    "add without id": lambda m: m.add_items(NEW.assign(item=None)),
    "add integers": lambda m: m.add_items(NEW.assign(item=5)),
    "add without content": lambda m: m.add_items(NEW[["item"]]),
    "add nothing": lambda m: m.add_items(NEW.head(0)),
    "add no table": lambda m: m.add_items(["photo-new"]),
    "update an unknown one": lambda m: m.update_items(pd.concat([NEW.assign(item="desk-0"), NEW])),
    "remove an unknown one": lambda m: m.remove_items(["desk-0", "nobody"]),
    "partial_fit on unknown items": lambda m: m.partial_fit([["desk-0", "nobody"]]),
    "partial_fit on too little": lambda m: m.partial_fit([["desk-0"]], items=NEW),
    "partial_fit with bad items": lambda m: m.partial_fit(
        [["desk-0", "desk-1"]], items=pd.concat([NEW, NEW])
    ),
    "fit on unknown items": lambda m: m.fit([["desk-0", "nobody"]], items=NEW),
    "fit that diverges": lambda m: m.set_params(optimizer=Adam(1e30)).fit(
        [["photo-new", "desk-0"] * 9] * 9, items=pd.concat([NEW, NEW.assign(item="desk-0")])
    ),
}


@pytest.mark.parametrize("name", BAD_CATALOGUE_CALLS)
def test_what_fails_changes_nothing(name, fitted):
    before = state_of(fitted)
    with pytest.raises((ValueError, TypeError, DivergedError)):
        BAD_CATALOGUE_CALLS[name](fitted)
    assert state_of(fitted) == before


def test_items_nobody_touched_are_recommendable_from_the_start(shop_log, shop_items):
    """They are no negatives: each lands where it would have if it had come with add_items."""
    known = make(max_epochs=15, optimizer=Adam(0.01), early_stopping=False)
    whole = clone(known).fit(shop_log, items=pd.concat([shop_items, NEW]))
    featurizer = TfidfItemFeaturizer(
        columns=["title"], vocabulary=whole.featurizer_.get_feature_names_out(), use_idf=False
    )
    there, later = (clone(known).set_params(featurizer=featurizer) for _ in range(2))
    there.fit(shop_log, items=pd.concat([shop_items, NEW]))
    later.fit(shop_log, items=shop_items).add_items(NEW)
    np.testing.assert_allclose(there.index_.vectors, later.index_.vectors, atol=1e-3)
    ids = there.recommend([["photo-0", "photo-1"]], k=4, exclude_seen=False)[0][0].tolist()
    assert "photo-new" in ids


# ---- partial_fit


def test_first_partial_fit_is_fit(shop_log, shop_items):
    expected = make().fit(shop_log, items=shop_items)
    model = make().partial_fit(shop_log, items=shop_items)
    assert model.fingerprint_ == expected.fingerprint_
    with pytest.raises(ValueError, match="first call of partial_fit needs items="):
        make().partial_fit(shop_log)


def test_partial_fit_learns_a_new_habit(fitted):
    habit = [["desk-0", "photo-new"]] * 30
    before = fitted.fingerprint_
    featurizer = fitted.featurizer_
    fitted.remove_items(["trail-0"])
    n_epochs = len(fitted.training_log_)
    for _ in range(4):
        fitted.partial_fit(habit, items=NEW)
    assert fitted.fingerprint_ != before
    assert fitted.featurizer_ is featurizer
    assert fitted.rank_targets([["desk-0"]], ["photo-new"]).ranks[0] <= 1
    assert len(fitted.catalog_) == 16
    assert "trail-0" not in fitted.recommend([[]], k=20)[0]
    assert [record["epoch"] for record in fitted.training_log_[n_epochs:]] == [
        n_epochs + 1 + i for i in range(4)
    ]


def test_partial_fit_items_bring_back_what_was_removed(fitted, shop_items):
    fitted.remove_items(["trail-0", "trail-1"])
    fitted.partial_fit([["desk-0", "desk-1"]], items=shop_items[shop_items["item"] == "trail-0"])
    answer = fitted.recommend([[]], k=20)[0]
    assert "trail-0" in answer
    assert "trail-1" not in answer


# ---- errors


def test_before_fit():
    for call in (
        lambda m: m.recommend([["a"]]),
        lambda m: m.transform([["a"]]),
        lambda m: m.add_items(NEW),
        lambda m: m.start_session(),
        lambda m: m.save("nowhere"),
    ):
        with pytest.raises(NotFittedError):
            call(EmbRecEstimator())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"encoder": GRUEncoder(dropout=1.0)},
            "'dropout' parameter of GRUEncoder must be a float in the range",
        ),
        ({"item_model": ItemTowers(0)}, "'embedding_dim' parameter of ItemTowers"),
        ({"max_length": 1}, "'max_length'"),
        ({"featurizer": "tfidf"}, "'featurizer'"),
        ({"on_unknown": "ignore"}, "'on_unknown'"),
        ({"device": "abacus"}, "must be 'auto' or a device of torch"),
    ],
)
def test_parameters_are_checked_in_fit(parameters, message, shop_log, shop_items):
    with pytest.raises(ValueError, match=message):
        make(**parameters).fit(shop_log, items=shop_items)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_missing_device_is_named(shop_log, shop_items):
    with pytest.raises(ValueError, match="'cuda', but torch finds no CUDA device; use 'auto'"):
        make(device="cuda").fit(shop_log, items=shop_items)


def test_inputs_that_cannot_be_learned_from(shop_log, shop_items):
    with pytest.raises(TypeError, match="items"):
        make().fit(shop_log)
    with pytest.raises(ValueError, match="None of the 2 sequences in X has two items or more"):
        make().fit([["desk-0"], ["desk-1"]], items=shop_items)
    with pytest.raises(ValueError, match="X_val holds an empty sequence"):
        make().fit(shop_log, items=shop_items, X_val=[[]])
    with pytest.raises(ValueError, match="not in the catalogue"):
        make().fit(shop_log, items=shop_items, X_val=[["nobody"]])


@pytest.mark.parametrize("k", [0, -1, 2.5, True, None])
def test_k_must_be_a_count(k, trained):
    with pytest.raises(ValueError, match="k must be an integer >= 1"):
        trained.recommend([["desk-0"]], k=k)


# ---- copies


def test_pickle_joblib_and_deepcopy_answer_alike(trained, tmp_path):
    joblib.dump(trained, tmp_path / "model.joblib")
    copies = [
        pickle.loads(pickle.dumps(trained)),
        joblib.load(tmp_path / "model.joblib"),
        copy.deepcopy(trained),
    ]
    expected = trained.recommend([["photo-0"], []], k=5)
    for other in copies:
        ids, scores = other.recommend([["photo-0"], []], k=5)
        np.testing.assert_array_equal(ids, expected[0])
        np.testing.assert_array_equal(scores, expected[1])
        other.add_items(NEW).partial_fit([["photo-new", "desk-0"]])
    assert len(trained.catalog_) == 15
    assert not hasattr(clone(trained), "network_")


# ---- without a featurizer


def test_without_a_featurizer_all_columns_are_read(shop_log, shop_items):
    items = shop_items.assign(brand=pd.Series(["acme", "zed", "acme"] * 5, dtype="category"))
    model = make(featurizer=None, max_epochs=1).fit(shop_log, items=items)
    names = model.featurizer_.get_feature_names_out().tolist()
    assert "words__camera" in names
    assert names[-3:] == [
        "attributes__categories_0__acme",
        "attributes__categories_0__zed",
        "attributes__numbers__price",
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [(["item"], "no column besides the id"), (["item", "one"], "No column of items holds content")],
)
def test_without_a_featurizer_and_without_text(columns, message, shop_log, shop_items):
    with pytest.raises(ValueError, match=message):
        make(featurizer=None).fit(shop_log, items=shop_items.assign(one=1)[columns])
