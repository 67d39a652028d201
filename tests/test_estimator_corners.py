"""EmbRecEstimator where things are odd: unknown targets, strange features, global settings."""

import copy
import pickle
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.components import GRUEncoder, ItemTowers
from embrec.metrics import ranking_scorer
from embrec.model_selection import LeaveLastOut
from embrec.network import inference

SMALL = {
    "item_model": ItemTowers(8, 8),
    "encoder": GRUEncoder(8),
    "max_epochs": 2,
    "random_state": 0,
}
NEW = pd.DataFrame({"item": ["new"], "title": ["camera bag photo"], "price": [99.0]})


def titles():
    return TfidfItemFeaturizer(columns=["title"])


def small(featurizer=None, **changes):
    return EmbRecEstimator(titles() if featurizer is None else featurizer, **{**SMALL, **changes})


@pytest.fixture(scope="module")
def trained(shop_log, shop_items):
    """Do not change it."""
    return small().fit(shop_log, items=shop_items)


@pytest.fixture
def fitted(trained):
    return copy.deepcopy(trained)


# ---- targets


def test_an_unknown_target_is_an_error_even_where_unknown_items_are_skipped(fitted):
    """Skipping it would rank the item before it, without a word."""
    fitted.set_params(on_unknown="skip")
    for call in (fitted.rank_targets, fitted.score):
        with pytest.raises(ValueError, match="the last items of X: 1 of 2 ids .*'nobody'"):
            call([["photo-0", "photo-1"], ["photo-0", "nobody"]])
        with pytest.raises(ValueError, match="y: 1 of 1 ids .*'nobody'"):
            call([["photo-0"]], ["nobody"])
    whole = fitted.rank_targets([["photo-0", "nobody", "photo-1"]])
    apart = fitted.rank_targets([["photo-0", "nobody"]], ["photo-1"])
    known = fitted.rank_targets([["photo-0", "photo-1"]])
    assert whole.ranks.tolist() == apart.ranks.tolist() == known.ranks.tolist()


def test_an_empty_sequence_has_no_target(trained):
    with pytest.raises(ValueError, match=r"1 of 2 sequences are empty \(the first is number 1\)"):
        trained.rank_targets([["photo-0", "photo-1"], []])
    # but a target of its own
    assert trained.rank_targets([[]], ["photo-1"]).ranks.shape == (1,)
    with pytest.raises(ValueError, match="X has 1 sequences, y 2 items"):
        trained.rank_targets([["photo-0"]], ["photo-1", "photo-2"])


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("ties", ["pessimistic", "average", "optimistic"])
def test_ranks_by_hand(exclude_seen, ties, trained, shop_items):
    # what was seen before is never recommended, and so ranks last
    sequences = [["photo-0", "photo-1", "photo-0"], ["desk-1"], ["trail-0", "desk-2"]]
    with pytest.warns(UserWarning, match="1 of 3") if exclude_seen else nullcontext():
        found = trained.rank_targets(sequences, exclude_seen=exclude_seen, ties=ties)
    for row, (*history, target) in enumerate(sequences):
        products = trained.index_.vectors @ trained.transform([history])[0]
        scores = dict(zip(shop_items["item"], products, strict=True))
        rivals = [i for i in scores if i != target and not (exclude_seen and i in history)]
        ahead = sum(scores[i] > scores[target] for i in rivals)
        # no two items score so nearly alike that rounding could decide
        assert np.diff(np.sort(products)).min() > 1e-6
        never = exclude_seen and target in history
        assert found.ranks[row] == (len(rivals) if never else ahead)
        assert found.n_candidates[row] == len(rivals) + 1


# ---- answers in blocks


@pytest.mark.parametrize("max_steps", [1, 3, 7])
def test_answers_do_not_depend_on_blocks(max_steps, trained, monkeypatch):
    rng = np.random.default_rng(0)
    ids = trained.catalog_.ids.ids
    X = [rng.choice(ids, size=n).tolist() for n in (0, 5, 1, 0, 12, 3, 3, 2)]
    expected_ids, expected = trained.recommend(X, k=15)
    encode_states = inference.encode_states
    monkeypatch.setattr(
        inference,
        "encode_states",
        lambda network, items, sequences: encode_states(
            network, items, sequences, max_steps=max_steps
        ),
    )
    monkeypatch.setattr(trained.index_, "memory", 1)  # one query at a time
    found, scores = trained.recommend(X, k=15)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    assert (found == expected_ids).mean() > 0.98  # near ties may change places


def test_rows_come_in_the_order_of_first_appearance(trained):
    log = pd.DataFrame(
        {
            "user": ["z", "a", "z", "m", "a"],
            "item": ["photo-1", "desk-0", "photo-0", "trail-2", "desk-1"],
            "timestamp": [2, 1, 1, 5, 0],
        }
    )
    histories = [["photo-0", "photo-1"], ["desk-1", "desk-0"], ["trail-2"]]
    np.testing.assert_array_equal(trained.transform(log), trained.transform(histories))


def test_item_embeddings_come_in_the_order_asked_for(trained):
    there = trained.item_embeddings(["desk-1", "photo-0", "desk-1"])
    rows = trained.catalog_.ids.rows(np.array(["desk-1", "photo-0", "desk-1"], dtype=object))
    np.testing.assert_array_equal(there, trained.index_.vectors[rows])
    there[:] = 0  # a copy
    assert trained.item_embeddings(["desk-1"]).any()
    for ask in (trained.item_embeddings, trained.similar_items):
        with pytest.raises(TypeError, match="ids holds integers"):
            ask([3])


# ---- features


def test_features_that_no_embedding_can_hold_change_nothing(shop_log, shop_items):
    items = shop_items.assign(price=1e-3 * shop_items["price"])
    model = small(make_column_transformer(("passthrough", ["price"]))).fit(shop_log, items=items)
    before = pickle.dumps((model.catalog_.ids.ids, model.index_.vectors, model.catalog_.blocks))
    for call in (model.add_items, lambda rows: model.update_items(rows.assign(item="desk-0"))):
        with pytest.raises(ValueError, match="embeddings of 1 of 1 items are not finite"):
            call(NEW.assign(price=3e38))
    after = pickle.dumps((model.catalog_.ids.ids, model.index_.vectors, model.catalog_.blocks))
    assert after == before


def test_a_featurizer_that_changes_its_width_changes_nothing(shop_log, shop_items):
    def one_column_per_row(content):
        return np.eye(len(content), dtype=np.float32)

    model = small(FunctionTransformer(one_column_per_row)).fit(shop_log, items=shop_items)
    with pytest.raises(ValueError, match="has 1 columns; it had 15 when it was fitted"):
        model.add_items(NEW)
    assert len(model.catalog_) == 15


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_dense_and_sparse_branches_live_on(n_jobs, shop_log, shop_items):
    union = make_union(
        make_pipeline(titles(), TruncatedSVD(4, random_state=0)),
        make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["title"])),
        make_column_transformer((StandardScaler(), ["price"])),
        n_jobs=n_jobs,
    )
    model = small(union).fit(shop_log, items=shop_items)
    assert len(model.network_.items.towers) == 3
    assert model.transform([["photo-0"]]).shape == (1, 24)
    model.add_items(NEW).update_items(NEW.assign(title="ink bottle desk", price=11.0))
    np.testing.assert_allclose(
        model.item_embeddings(["new"]), model.item_embeddings(["desk-1"]), atol=1e-5
    )
    model.partial_fit([["photo-0", "new"]] * 3)
    assert model.recommend([["photo-0"]], k=20)[0][0].tolist().count(None) == 5


# ---- global settings


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_a_global_output_setting_does_no_harm(output, trained, shop_log, shop_items):
    with sklearn.config_context(transform_output=output):
        model = small().fit(shop_log, items=shop_items)
        model.add_items(NEW).remove_items(["new"])
        assert isinstance(model.transform([["photo-0"]]), np.ndarray)
    np.testing.assert_array_equal(model.transform([["photo-0"]]), trained.transform([["photo-0"]]))


def test_copies_leave_the_global_random_state_alone(trained):
    before = torch.random.get_rng_state(), np.random.get_state()[1].tolist()
    pickle.loads(pickle.dumps(trained))
    copy.deepcopy(trained)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]


def test_a_shared_random_state_gives_another_model_each_time(shop_log, shop_items):
    rng = np.random.RandomState(0)
    first, second = (small(random_state=rng).fit(shop_log, items=shop_items) for _ in range(2))
    assert first.fingerprint_ != second.fingerprint_
    rng = np.random.RandomState(0)
    again = small(random_state=rng).fit(shop_log, items=shop_items)
    assert again.fingerprint_ == first.fingerprint_
    # how training goes on does not depend on who else draws from the generator
    rng.randint(10, size=100)
    again.partial_fit(shop_log)
    first.partial_fit(shop_log)
    assert again.fingerprint_ == first.fingerprint_


def test_the_global_generator_decides_where_no_seed_is_given(shop_log, shop_items):
    prints = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        prints.append(small(random_state=None).fit(shop_log, items=shop_items).fingerprint_)
    assert prints[0] == prints[1] != prints[2]


def test_a_grid_of_numpy_numbers(shop_log, shop_items, tmp_path):
    search = GridSearchCV(
        small(),
        {
            "encoder__hidden_size": np.arange(4, 7, 2),
            "encoder__dropout": np.linspace(0.1, 0.3, 2),
            "negatives": np.arange(5, 6),
        },
        cv=LeaveLastOut(),
        scoring=ranking_scorer("mrr"),
        error_score="raise",
    ).fit(shop_log, items=shop_items)
    best = search.best_estimator_
    best.save(tmp_path / "model")
    loaded = EmbRecEstimator.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.transform([["desk-0"]]), best.transform([["desk-0"]]))
