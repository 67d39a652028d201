"""Fitting: what is learned, what decides it, and what a failure leaves behind."""

import re
from inspect import signature

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import PopularityRecommender
from embrec.components import (
    Adagrad,
    Adam,
    BPRMax,
    EarlyStopping,
    EnsembleEncoder,
    FixedItems,
    GRUEncoder,
    IdEmbeddings,
    ItemBias,
    ItemPoints,
    ItemTowers,
    ItemVectors,
    ParallelEncoder,
    SampledNegatives,
    SelfAttentionEncoder,
    SmoothNDCG,
)
from embrec.network.features import SparseMatrix, to_feature_tensors
from embrec.training import DivergedError

SMALL = {
    "item_model": ItemTowers(8, 16),
    "encoder": GRUEncoder(16),
    "batch_size": 16,
    "optimizer": Adam(0.01),
    "max_epochs": 2,
    "random_state": 0,
}


def small(featurizer=None, **changes):
    featurizer = TfidfItemFeaturizer(columns=["title"]) if featurizer is None else featurizer
    return EmbRecEstimator(featurizer, **{**SMALL, **changes})


def walks(n_users=30, n_steps=4, seed=1):
    """Sequences of users nobody has seen, who walk as those of shop_log do."""
    rng = np.random.default_rng(seed)
    topics = ["photo", "desk", "trail"]
    starts = rng.integers(5, size=n_users)
    return [
        [f"{topics[u % 3]}-{(start + step) % 5}" for step in range(n_steps)]
        for u, start in enumerate(starts)
    ]


def log_without_seconds(model):
    times = ("seconds", "events_per_second")
    return [{k: v for k, v in rec.items() if k not in times} for rec in model.training_log_]


def everything(model):
    """All that a caller can see of a fitted model."""
    ids, scores = model.recommend([["photo-0", "photo-1"], ["desk-2"], []], k=20)
    return {
        "ids": ids.tolist(),
        "scores": scores.tolist(),
        "embeddings": model.index_.vectors.tolist(),
        "active": model.index_.active.tolist(),
        "catalog": model.catalog_.ids.ids.tolist(),
        "features": [
            block.tolist() if isinstance(block, np.ndarray) else block.toarray().tolist()
            for block in model.catalog_.blocks
        ],
        "log": model.training_log_,
        "best_epoch": model.best_epoch_,
        "fingerprint": model.fingerprint_,
        "featurizer": id(model.featurizer_),
    }


@pytest.fixture(scope="module")
def fitted(shop_log, shop_items):
    return small().fit(shop_log, items=shop_items)


# ---- learning


def test_learns_the_shop_whose_next_item_is_known(shop_log, shop_items):
    model = small(max_epochs=40, early_stopping=EarlyStopping(patience=40)).fit(
        shop_log, items=shop_items
    )
    sequences = walks(60)
    X, y = [s[:-1] for s in sequences], [s[-1] for s in sequences]
    share = np.mean(model.predict(X) == y)
    popular = PopularityRecommender().fit(shop_log, items=shop_items)
    assert share > 0.9
    assert np.mean(popular.predict(X) == y) < 0.3
    # a single step is enough to know the next
    assert np.mean(model.predict([s[:1] for s in sequences]) == [s[1] for s in sequences]) > 0.9


def test_order_matters(shop_items):
    """The last item decides, not the set of items."""
    forth, back = [f"photo-{i}" for i in (0, 1, 2)], [f"photo-{i}" for i in (1, 0, 3)]
    # eight units are too few to lose half of them
    encoder = GRUEncoder(16, dropout=0.0, input_dropout=0.0)
    model = small(encoder=encoder, max_epochs=100, early_stopping=False)
    model.fit([forth, back] * 16, items=shop_items)
    assert model.predict([["photo-0", "photo-1"], ["photo-1", "photo-0"]]).tolist() == [
        "photo-2",
        "photo-3",
    ]


def test_same_seed_same_numbers_and_other_seed_others(fitted, shop_log, shop_items):
    again = small().fit(shop_log, items=shop_items)
    other = small(random_state=1).fit(shop_log, items=shop_items)
    same = {**everything(fitted), "log": None, "featurizer": None}
    assert {**everything(again), "log": None, "featurizer": None} == same
    assert log_without_seconds(again) == log_without_seconds(fitted)
    assert everything(other)["scores"] != same["scores"]
    assert log_without_seconds(other) != log_without_seconds(fitted)
    assert other.fingerprint_ != fitted.fingerprint_


def test_training_leaves_global_random_states_alone(shop_log, shop_items):
    np.random.seed(3)
    torch.manual_seed(3)
    before = np.random.get_state()[1].tolist(), torch.random.get_rng_state()
    model = small().fit(shop_log, items=shop_items).partial_fit(walks(4))
    model.recommend([["photo-0"]])
    assert np.random.get_state()[1].tolist() == before[0]
    assert torch.equal(torch.random.get_rng_state(), before[1])


def test_predictions_do_not_drop_anything_out(fitted):
    X = walks(5)
    assert not fitted.network_.training
    np.testing.assert_array_equal(fitted.transform(X), fitted.transform(X))


def test_log_tells_what_happened(fitted, shop_log):
    assert [record["epoch"] for record in fitted.training_log_] == [1, 2]
    for record in fitted.training_log_:
        assert record["seconds"] > 0
        # 60 users; 6 of them leave their last event for validation; each one's first item is no
        # next item of another
        n_events = 60 * 3 - 6
        assert record["events_per_second"] == pytest.approx(n_events / record["seconds"])
        assert 0 <= record["valid_mrr"] <= 1
        assert record["valid_hit_rate"] == 1  # 15 items, and a cut-off of 50
    assert fitted.best_epoch_ in (1, 2)


def test_no_early_stopping_no_validation(shop_log, shop_items):
    model = small(max_epochs=3, early_stopping=False).fit(shop_log, items=shop_items)
    assert [record["epoch"] for record in model.training_log_] == [1, 2, 3]
    assert "valid_mrr" not in model.training_log_[0]
    assert model.best_epoch_ == 3
    n_events = [r["events_per_second"] * r["seconds"] for r in model.training_log_]
    assert n_events == pytest.approx([180] * 3)  # nobody's last event is kept from training


def test_validation_data_of_ones_own_keeps_the_log_whole(shop_log, shop_items):
    model = small().fit(shop_log, items=shop_items, X_val=walks(3))
    record = model.training_log_[0]
    assert record["events_per_second"] * record["seconds"] == pytest.approx(180)
    assert "valid_mrr" in record
    # only the choice of the best epoch depends on it
    other = small().fit(shop_log, items=shop_items, X_val=walks(3, seed=9))
    assert [r["loss"] for r in other.training_log_] == [r["loss"] for r in model.training_log_]


def test_fitting_again_starts_anew(shop_log, shop_items):
    model = small().fit(walks(9), items=shop_items).remove_items(["desk-0"])
    again = model.fit(shop_log, items=shop_items)
    fresh = small().fit(shop_log, items=shop_items)
    assert again is model
    np.testing.assert_array_equal(model.index_.vectors, fresh.index_.vectors)
    assert model.index_.active.all()
    assert log_without_seconds(model) == log_without_seconds(fresh)


# ---- towers


def test_a_union_gives_one_tower_per_branch(shop_log, shop_items):
    union = make_union(
        TfidfItemFeaturizer(columns=["title"]),
        make_column_transformer((StandardScaler(), ["price"])),
    )
    model = small(union).fit(shop_log, items=shop_items)
    sparse, dense = to_feature_tensors(model.catalog_.blocks, torch.device("cpu"))
    assert isinstance(sparse, SparseMatrix)
    assert isinstance(dense, torch.Tensor)
    assert len(model.network_.items.towers) == 2
    assert model.transform([["photo-0"]]).shape == (1, 16)
    # each branch through its own tower, side by side
    with torch.no_grad():
        parts = [t(b) for t, b in zip(model.network_.items.towers, (sparse, dense), strict=True)]
    np.testing.assert_allclose(model.index_.vectors, torch.cat(parts, 1).numpy(), atol=1e-6)


def test_any_other_transformer_gives_one_tower(fitted):
    assert len(fitted.network_.items.towers) == 1
    assert fitted.transform([["photo-0"]]).shape == (1, 8)


def test_layers_and_residual_reach_the_network(shop_items):
    encoder = GRUEncoder(16, n_layers=2, residual=False)
    model = small(encoder=encoder).fit(walks(6), items=shop_items)
    assert model.network_.encoder.gru.num_layers == 2
    assert not model.network_.encoder.residual
    assert model.recommend([["photo-0"]], k=2)[0].shape == (1, 2)


def test_the_featurizer_passed_is_not_fitted(shop_items):
    featurizer = TfidfItemFeaturizer(columns=["title"])
    model = small(featurizer).fit(walks(6), items=shop_items)
    assert model.featurizer is featurizer
    assert not hasattr(featurizer, "n_features_in_")
    assert model.featurizer_ is not featurizer


def test_without_a_featurizer_all_text_is_read(shop_items):
    model = EmbRecEstimator(**SMALL).fit(walks(6), items=shop_items.drop(columns="price"))
    assert isinstance(model.featurizer_, TfidfItemFeaturizer)
    assert model.featurizer is None


# ---- partial_fit


def test_partial_fit_learns_from_new_data(shop_log, shop_items):
    model = small(max_epochs=10).fit(shop_log, items=shop_items)
    featurizer, before = model.featurizer_, model.fingerprint_
    # a new fashion: from the camera to the desk
    fashion = [["photo-0", "desk-0"]] * 40

    def mean_rank():
        return model.rank_targets(fashion).ranks.mean()

    old = mean_rank()
    for _ in range(8):
        assert model.partial_fit(fashion) is model
    assert mean_rank() < old / 2
    assert model.featurizer_ is featurizer
    assert model.fingerprint_ != before
    assert [r["epoch"] for r in model.training_log_] == list(range(1, len(model.training_log_) + 1))
    assert model.best_epoch_ == len(model.training_log_)


def test_partial_fit_takes_new_items_in_the_same_call(shop_log, shop_items):
    model = small().fit(shop_log, items=shop_items)
    n_features = model.catalog_.blocks[0].shape[1]
    new = pd.DataFrame(
        {"item": ["photo-9", "photo-0"], "title": ["drone photo", "camera"], "price": [9.0, 1.0]}
    )
    model.partial_fit([["photo-0", "photo-9"]] * 8, items=new)
    assert len(model.catalog_) == 16
    assert model.catalog_.blocks[0].shape == (16, n_features)
    # the known one has its new content
    expected = model.featurizer_.transform(new[["title"]]).toarray()
    rows = model.catalog_.ids.rows(np.array(["photo-9", "photo-0"], dtype=object))
    np.testing.assert_array_equal(model.catalog_.blocks[0][rows].toarray(), expected)
    assert "photo-9" in model.recommend([["photo-0"]], k=16)[0]


def test_partial_fit_uses_the_parameters_of_now(shop_log, shop_items):
    a = small().fit(shop_log, items=shop_items)
    b = small().fit(shop_log, items=shop_items).set_params(optimizer=Adam(1e-12))
    vectors = np.array(b.index_.vectors)
    b.partial_fit(shop_log)
    np.testing.assert_allclose(b.index_.vectors, vectors, atol=1e-6)
    assert not np.allclose(a.partial_fit(shop_log).index_.vectors, vectors, atol=1e-6)


# ---- failures change nothing


def table(**columns):
    return pd.DataFrame(columns)


NEW = {"title": ["drone"], "price": [1.0]}
BAD_CALLS = {
    "unknown item": ([["photo-0", "nowhere"]], None, "not in the catalogue"),
    "too short": ([["photo-0"]], None, "no next item to learn from"),
    "empty": ([], None, "X is empty"),
    "missing id": ([["photo-0", None]], None, "missing"),
    "ids of another kind": ([[1, 2]], None, "integers"),
    "repeated new items": (
        [["photo-0", "photo-1"]],
        table(item=["n", "n"], title=["a", "b"], price=[1.0, 2.0]),
        "each id once",
    ),
    "content column missing": ([["photo-0", "n"]], table(item=["n"], price=[1.0]), "'title'"),
    "new items of another kind": ([["photo-0", "photo-1"]], table(item=[1], **NEW), "integers"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_a_failing_partial_fit_changes_nothing(case, shop_items):
    X, items, message = BAD_CALLS[case]
    model = small().fit(walks(12), items=shop_items)
    before = everything(model)
    with pytest.raises((ValueError, TypeError, KeyError), match=message):
        model.partial_fit(X, items=items)
    assert everything(model) == before


def test_divergence_leaves_a_fitted_model_as_it_was(shop_log, shop_items):
    model = small().fit(shop_log, items=shop_items)
    twin = small().fit(shop_log, items=shop_items)
    before = everything(model)
    model.set_params(optimizer=Adam(1e30))
    with pytest.raises(DivergedError, match="Lower learning_rate"):
        model.fit(shop_log, items=shop_items)
    assert everything(model) == before
    with pytest.raises(DivergedError, match="Lower learning_rate"):
        model.partial_fit(shop_log)
    assert everything(model) == before
    # nor does it change how training goes on
    model.set_params(optimizer=Adam(0.01)).partial_fit(shop_log)
    twin.partial_fit(shop_log)
    np.testing.assert_array_equal(model.index_.vectors, twin.index_.vectors)


def test_divergence_in_the_very_last_step_is_noticed(shop_items):
    # one batch, one epoch: the only loss is that of the first weights
    model = small(optimizer=Adam(1e37), batch_size=64, max_epochs=1, early_stopping=False)
    with pytest.raises((DivergedError, ValueError), match="infinite or NaN|not finite"):
        model.fit(walks(6), items=shop_items)
    assert not hasattr(model, "network_")


def test_features_that_are_no_numbers_are_an_error(shop_items):
    broken = shop_items.assign(price=[np.nan] + [1.0] * 14)
    model = small(make_column_transformer(("passthrough", ["price"])))
    with pytest.raises(ValueError, match="NaN or infinite"):
        model.fit(walks(6), items=broken)
    assert not hasattr(model, "network_")


# ---- what fit refuses


BAD_PARAMETERS = {
    "featurizer": "tfidf",
    "event_featurizer": "all",
    "user_featurizer": "all",
    "ema_decay": 1.0,
    "batch_size": 0,
    "max_epochs": 0,
    "max_length": 1,
    "on_unknown": "ignore",
    "index": "fast",
    "user_col": 3,
    "item_col": None,
    "timestamp_col": 1,
    "warm_start": "yes",
    "callbacks": "tqdm",
    "checkpoint_dir": 3,
    "score_memory": 0,
    "precision": "float16",
    "device": 0.5,
    "random_state": "seed",
    "verbose": "loud",
}

# parts are checked by embrec: what they were given, and what may be given
BAD_PARTS = {
    "item_model": [
        ("towers", ValueError, "item_model must be None or an ItemModel; got 'towers'"),
        (ItemTowers, TypeError, r"got the class ItemTowers. Pass ItemTowers\(\)"),
        (GRUEncoder(), TypeError, r"item_model must be None or an ItemModel; got GRUEncoder\(\)"),
    ],
    "encoder": [
        (
            "grru",
            ValueError,
            "encoder must be 'gru', 'attention', 'parallel' or an? Encoder; got 'grru'. "
            "Did you mean 'gru'",
        ),
        (None, TypeError, "encoder must be 'gru', 'attention', 'parallel' or an? .*; got None"),
        (
            ItemTowers(),
            TypeError,
            r"encoder must be 'gru', 'attention', 'parallel' or an? Encoder; got ItemTowers\(\)",
        ),
    ],
    "loss": [
        (
            "hinge",
            ValueError,
            "loss must be 'cross_entropy', 'bpr', 'bpr_max', 'smooth_ndcg', 'cosine' or a Loss",
        ),
        ("bprmax", ValueError, "got 'bprmax'. Did you mean 'bpr_max'"),
        (3, TypeError, "loss must be .*; got 3"),
    ],
    "negatives": [
        (0, ValueError, "The 'n' parameter of SampledNegatives must be an int"),
        ("20", ValueError, "negatives must be 'auto', 'all', a number or a Negatives; got '20'"),
        (True, TypeError, "negatives must be .*; got True"),
        (None, TypeError, "negatives must be .*; got None"),
        (2.5, TypeError, "negatives must be .*; got 2.5"),
    ],
    "optimizer": [
        ("sgd", ValueError, "optimizer must be 'adam', 'adagrad' or an? Optimizer; got 'sgd'"),
        (0.1, TypeError, "optimizer must be .*; got 0.1"),
    ],
    "early_stopping": [
        ("auto", ValueError, "early_stopping must be True, False or an EarlyStopping; got 'auto'"),
        (5, TypeError, "early_stopping must be True, False or an EarlyStopping; got 5"),
    ],
}

BAD_COMPONENTS = {
    "item_model": {
        ItemTowers: {
            "embedding_dim": 0,
            "tower_size": 1.5,
            "dropout": 2,
            "ids": "delta",
            "bias": "yes",
            "similarity": "manhattan",
        },
    },
    "encoder": {
        GRUEncoder: {
            "hidden_size": -1,
            "n_layers": 0,
            "dropout": 1.0,
            "input_dropout": -0.1,
            "residual": "yes",
        },
        ParallelEncoder: {"encoders": "gru"},
        EnsembleEncoder: {"encoders": ("gru", "attention")},
        SelfAttentionEncoder: {
            "n_layers": 0,
            "n_heads": 0,
            "window": 0,
            "dropout": 1.0,
            "input_dropout": -0.1,
            "residual": "yes",
        },
    },
    "loss": {BPRMax: {"reg": -0.1}, SmoothNDCG: {"cross_entropy": -0.1}},
    "negatives": {SampledNegatives: {"n": 0, "alpha": -1, "in_batch": "yes", "logq": 2}},
    "optimizer": {
        Adam: {
            "learning_rate": 0,
            "weight_decay": -1e-3,
            "schedule": "step",
            "warmup_steps": -1,
            "max_grad_norm": 0,
        },
        Adagrad: {
            "learning_rate": -1,
            "momentum": 1.0,
            "schedule": "exponential",
            "warmup_steps": 0.5,
            "max_grad_norm": -1,
        },
    },
    "early_stopping": {EarlyStopping: {"patience": 0, "monitor": 3}},
}

# components that stand within others
BAD_INNER_COMPONENTS = {
    IdEmbeddings: {"dropout": 1.0, "bound": -1, "shrinkage": -1},
    ItemBias: {"shrinkage": -1},
}


def test_every_parameter_has_a_bad_value_here():
    names = {*BAD_PARAMETERS, *BAD_PARTS}
    assert set(BAD_COMPONENTS) == set(BAD_PARTS)
    assert names == set(EmbRecEstimator._parameter_constraints)
    assert names == set(EmbRecEstimator().get_params(deep=False))
    by_type = {cls: bad for classes in BAD_COMPONENTS.values() for cls, bad in classes.items()}
    for cls, bad in (by_type | BAD_INNER_COMPONENTS).items():
        assert set(bad) == set(cls().get_params(deep=False)), cls


@pytest.mark.parametrize("name", BAD_PARAMETERS)
def test_bad_parameters_are_named(name, shop_items):
    model = EmbRecEstimator(**{name: BAD_PARAMETERS[name]})
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of EmbRecEstimator"):
        model.fit(walks(6), items=shop_items)


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [(name, *case) for name, cases in BAD_PARTS.items() for case in cases],
)
def test_what_is_no_part_is_named(name, value, error, message, shop_items):
    with pytest.raises(error, match=message):
        small(**{name: value}).fit(walks(6), items=shop_items)


@pytest.mark.parametrize(
    ("part", "cls", "name", "value"),
    [
        (part, cls, name, value)
        for part, classes in BAD_COMPONENTS.items()
        for cls, bad in classes.items()
        for name, value in bad.items()
    ],
)
def test_bad_parameters_of_parts_are_named(part, cls, name, value, shop_items):
    model = small(**{part: cls(**{name: value})})
    with pytest.raises(
        InvalidParameterError, match=f"The '{name}' parameter of {cls.__name__} must be"
    ):
        model.fit(walks(6), items=shop_items)
    assert not hasattr(model, "network_")


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        (cls, name, value)
        for cls, bad in BAD_INNER_COMPONENTS.items()
        for name, value in bad.items()
    ],
)
def test_bad_parameters_of_inner_parts_are_named(cls, name, value, shop_items):
    inner = cls(**{name: value})
    towers = ItemTowers(ids=inner) if cls is IdEmbeddings else ItemTowers(bias=inner)
    with pytest.raises(
        InvalidParameterError, match=f"The '{name}' parameter of {cls.__name__} must be"
    ):
        small(item_model=towers).fit(walks(6), items=shop_items)


@pytest.mark.parametrize(
    ("changes", "name", "cls"),
    [
        ({"batch_size": True}, "batch_size", "EmbRecEstimator"),
        ({"ema_decay": False}, "ema_decay", "EmbRecEstimator"),
        ({"encoder": GRUEncoder(True)}, "hidden_size", "GRUEncoder"),
        ({"optimizer": Adam(True)}, "learning_rate", "Adam"),
        ({"negatives": SampledNegatives(np.True_)}, "n", "SampledNegatives"),
    ],
    ids=str,
)
def test_true_is_no_number(changes, name, cls, shop_items):
    with pytest.raises(TypeError, match=f"{name} of {cls} must not be (np.)?(True|False)"):
        small(**changes).fit(walks(6), items=shop_items)


# ---- typing errors


def test_few_parameters():
    assert len(signature(EmbRecEstimator).parameters) <= 26


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_epoch": 3}, "has no parameter 'max_epoch'. Did you mean 'max_epochs'?"),
        ({"negative": 3}, "has no parameter 'negative'. Did you mean 'negatives'?"),
        ({"zzz": 3}, "has no parameter 'zzz'. Its parameters are batch_size, callbacks, "),
        (
            {"hidden_size": 64},
            "has no parameter 'hidden_size' since embrec 0.2. Write "
            "encoder=GRUEncoder(hidden_size=...) instead.",
        ),
        (
            {"learning_rate": 0.1},
            "has no parameter 'learning_rate' since embrec 0.2. Write "
            "optimizer=Adam(learning_rate=...) instead.",
        ),
    ],
)
def test_names_that_are_no_parameters_are_answered(given, message):
    with pytest.raises(TypeError, match="^EmbRecEstimator " + re.escape(message)):
        EmbRecEstimator(**given)
    with pytest.raises(ValueError, match="^EmbRecEstimator " + re.escape(message)):
        EmbRecEstimator().set_params(**given)


def test_all_parameters_of_before_are_answered():
    """What the constructor took in 0.1, and takes no longer."""
    before = [
        "embedding_dim",
        "tower_size",
        "hidden_size",
        "n_layers",
        "residual",
        "dropout",
        "input_dropout",
        "tower_dropout",
        "sample_alpha",
        "n_negatives",
        "batch_negatives",
        "logq_correction",
        "bpr_max_reg",
        "item_ids",
        "id_dropout",
        "id_bound",
        "id_shrinkage",
        "item_bias",
        "learning_rate",
        "momentum",
        "lr_schedule",
        "warmup_steps",
        "weight_decay",
        "max_grad_norm",
        "patience",
    ]
    for name in before:
        with pytest.raises(TypeError, match=f"no parameter '{name}' since embrec 0.2. Write "):
            EmbRecEstimator(**{name: None})


@pytest.mark.parametrize(
    "cls", [ItemTowers, FixedItems, ItemVectors, ItemPoints, GRUEncoder, Adam, SampledNegatives]
)
def test_names_that_are_no_parameters_of_parts_are_answered(cls):
    first = next(iter(signature(cls).parameters))
    typo = first + "s"
    with pytest.raises(TypeError, match=f"^{cls.__name__} has no parameter '{typo}'"):
        cls(**{typo: 1})
    with pytest.raises(ValueError, match=f"^{cls.__name__} has no parameter '{typo}'"):
        cls().set_params(**{typo: 1})


def test_parameters_of_parts_that_are_words():
    model = EmbRecEstimator()
    message = (
        "encoder__hidden_size cannot be set: encoder is 'gru', which has no parameters of its own. "
        "Pass the object first, such as encoder=GRUEncoder()."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        model.set_params(encoder__hidden_size=8)
    with pytest.raises(ValueError, match=r"item_model is None.*item_model=ItemTowers\(\)"):
        model.set_params(item_model__tower_size=8)
    with pytest.raises(ValueError, match="GRUEncoder has no parameter 'hiden_size'.*'hidden_size'"):
        model.set_params(encoder=GRUEncoder(), encoder__hiden_size=8)
    model.set_params(encoder=GRUEncoder(), encoder__hidden_size=8)
    assert model.encoder.hidden_size == 8
    # one level further down
    with pytest.raises(ValueError, match=r"ids is None.*ids=IdEmbeddings\(\)"):
        model.set_params(item_model=ItemTowers(), item_model__ids__dropout=0.1)
    model.set_params(item_model=ItemTowers(ids=IdEmbeddings()), item_model__ids__dropout=0.1)
    assert model.item_model.ids.dropout == 0.1


# ---- no setting is silently without effect


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"loss": "bpr", "negatives": SampledNegatives(5, logq=True)},
            r"BPR\(\) does not correct for how negatives are drawn.*Leave logq at None",
        ),
        (
            {"loss": BPRMax(), "negatives": SampledNegatives(5, logq=False)},
            r"BPRMax\(\) does not correct for how negatives are drawn.*Leave logq at None",
        ),
        (
            {"loss": "cosine", "item_model": None, "negatives": 5},
            r"CosineDistance\(\) has no negatives; got negatives=SampledNegatives\(n=5\)",
        ),
        (
            {"loss": "cosine", "item_model": None, "precision": "float32"},
            r"CosineDistance\(\) makes no scores.*precision='float32', score_memory='auto'",
        ),
        (
            {"loss": "cosine", "item_model": None, "score_memory": 4},
            r"CosineDistance\(\) makes no scores.*precision='auto', score_memory=4",
        ),
        (
            {"loss": "cosine", "item_model": ItemTowers()},
            r"CosineDistance\(\) learns nothing of the items; got item_model=ItemTowers\(\)",
        ),
        (
            {"loss": "bpr", "item_model": FixedItems()},
            r"item_model=FixedItems\(\) learns nothing of the items; got loss=BPR\(\)",
        ),
    ],
    ids=str,
)
def test_settings_that_would_be_without_effect(changes, message, shop_items):
    model = small(**changes)
    with pytest.raises(ValueError, match=message):
        model.fit(walks(6), items=shop_items)
    assert not hasattr(model, "network_")


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (
            [["photo-0", "gone-1", "gone-2"], ["gone-1", "photo-1"]],
            r"2 item ids in X are not in the catalogue of 15 items \(3 interactions\): 'gone-1', "
            r"'gone-2'.*as many rows as X; pass items=embrec\.Whole\(items\)",
        ),
        ([["photo-0"], ["photo-1"]], "None of the 2 sequences in X has two items or more"),
        ([[1, 2], [2, 3]], "X holds integers"),
        ("photo-0", "expected a log table"),
        (["photo-0", "photo-1"], r"pass \[X\]"),
        (pd.DataFrame({"user": [1], "product": ["a"]}), "no column 'item'"),
        (pd.DataFrame({"user": [], "item": []}), "is empty"),
    ],
)
def test_logs_that_cannot_be_used(X, message, shop_items):
    model = small()
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X, items=shop_items)
    assert not hasattr(model, "network_")


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (pd.DataFrame({"id": ["a"]}), "items has no column 'item'"),
        (pd.DataFrame({"item": ["a", "a"], "title": ["x", "y"]}), "each id once"),
        (pd.DataFrame({"item": ["a", None], "title": ["x", "y"]}), "missing"),
        (pd.DataFrame({"item": [], "title": []}), "empty"),
        ([{"item": "a"}], "must be a table"),
        (None, "must be a table"),
    ],
)
def test_catalogues_that_cannot_be_used(items, message):
    with pytest.raises((ValueError, TypeError), match=message):
        small().fit(walks(6), items=items)


def test_sequences_too_short_to_validate_train_all_the_same(shop_items):
    pairs = [s[:2] for s in walks(6)]
    # one pair validates and the others train
    model = small().fit(pairs, items=shop_items)
    others = [
        small(early_stopping=False).fit(pairs[:i] + pairs[i + 1 :], items=shop_items)
        for i in range(6)
    ]
    assert "valid_mrr" in model.training_log_[0]
    n_events = {
        round(m.training_log_[0]["events_per_second"] * m.training_log_[0]["seconds"])
        for m in (model, *others)
    }
    assert n_events == {5}
    # a pair alone cannot do both
    alone = small().fit(pairs[:1], items=shop_items)
    assert len(alone.training_log_) == 2
    assert "valid_mrr" not in alone.training_log_[0]


# ---- forms of input


def test_tables_of_every_library_and_lists_give_one_model(fitted, shop_log, shop_items):
    shuffled = shop_log.sample(frac=1, random_state=0).sort_values("user", kind="stable")
    order = dict.fromkeys(shop_log["user"])
    lists = [shop_log.loc[shop_log["user"] == user, "item"].tolist() for user in order]
    assert shuffled.index.tolist() != shop_log.index.tolist()
    forms = {
        "polars": (pl.from_pandas(shop_log), pl.from_pandas(shop_items)),
        "arrow": (
            pl.from_pandas(shop_log).to_arrow(),
            pl.from_pandas(shop_items).to_arrow(),
        ),
        "lists": (lists, shop_items),
        "indexed": (shop_log, shop_items.set_index("item")),
    }
    for name, (log, items) in forms.items():
        model = small().fit(log, items=items)
        np.testing.assert_array_equal(
            model.index_.vectors, fitted.index_.vectors, err_msg=f"fitted on {name}"
        )
        np.testing.assert_array_equal(model.predict(log), fitted.predict(shop_log))


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint16"])
def test_integer_ids_in_integer_ids_out(dtype, shop_items):
    codes = {item: 10 * i for i, item in enumerate(shop_items["item"])}
    X = [[codes[i] for i in s] for s in walks(12)]
    items = shop_items.assign(item=shop_items["item"].map(codes).astype(dtype))
    strings = small().fit(walks(12), items=shop_items)
    integers = small().fit(X, items=items)
    np.testing.assert_array_equal(integers.index_.vectors, strings.index_.vectors)
    ids, _ = integers.recommend([np.array(X[0], dtype=dtype)], k=4)
    assert ids.dtype == np.int64
    expected = [codes[i] for i in strings.recommend([walks(12)[0]], k=4)[0][0]]
    assert ids.tolist() == [expected]
    log = pd.DataFrame({"user": 0, "item": np.array(X[0], dtype=dtype)})
    assert integers.recommend(log, k=4)[0].tolist() == [expected]


def test_content_is_read_as_it_is_given(shop_log, shop_items):
    """The featurizer gets the content columns, without the ids."""
    seen = []

    def remember(content):
        seen.append(list(content.columns))
        return content[["price"]].to_numpy()

    small(FunctionTransformer(remember)).fit(shop_log, items=shop_items)
    assert seen == [["title", "price"]]
