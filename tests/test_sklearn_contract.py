"""scikit-learn's own checks, and its tools over a log."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import validate_data

from embrec import EmbRecEstimator, TfidfItemFeaturizer, Whole
from embrec.baselines import (
    ContentNeighborsRecommender,
    GRU4RecRecommender,
    PopularityRecommender,
    SequentialRulesRecommender,
    SessionNeighborsRecommender,
    TransRecRecommender,
)
from embrec.components import GRUEncoder, ItemTowers, SampledNegatives
from embrec.metrics import ranking_scorer
from embrec.model_selection import ColdUserSplit, LeaveLastOut

N_ITEMS = 24
CATALOG = pd.DataFrame(
    {
        "item": np.arange(N_ITEMS),
        "title": [f"word{i % 7} word{i % 5} thing{i}" for i in range(N_ITEMS)],
    }
)
RECOMMENDERS = [
    EmbRecEstimator,
    ContentNeighborsRecommender,
    PopularityRecommender,
    SequentialRulesRecommender,
    SessionNeighborsRecommender,
    GRU4RecRecommender,
    TransRecRecommender,
]


class TableAdapter(EmbRecEstimator):
    """Reads each row of numbers as a history, so that scikit-learn's checks on matrices apply."""

    _parameter_constraints = {
        name: EmbRecEstimator._parameter_constraints[name]
        for name in ("featurizer", "max_epochs", "random_state")
    }

    def __init__(self, featurizer=None, max_epochs=2, random_state=0):
        super().__init__(
            featurizer,
            max_epochs=max_epochs,
            random_state=random_state,
            item_model=ItemTowers(8, 8),
            encoder=GRUEncoder(8),
            batch_size=8,
        )

    def _histories(self, X, *, reset):
        X = validate_data(self, X, reset=reset)
        if X.shape[1] < 2:
            raise ValueError("n_features = 1: a history of one item has no next one to learn from.")
        # even and odd items in turn, so that none follows itself
        turns = np.arange(X.shape[1]) % 2
        return (np.abs(np.floor(3 * X)).astype(int) % (N_ITEMS // 2) * 2 + turns).tolist()

    def fit(self, X, y=None):
        self._histories(X, reset=True)
        return EmbRecEstimator.fit(self, X, items=CATALOG)

    def partial_fit(self, X, y=None):
        if not hasattr(self, "network_"):
            return self.fit(X)
        return EmbRecEstimator.partial_fit(self, X)

    def read_sequences(self, X, **options):
        return super().read_sequences(self._histories(X, reset=False), **options)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.string = False
        return tags


@pytest.fixture(scope="module")
def battery():
    return check_estimator(TableAdapter(), on_fail=None, on_skip=None)


def test_the_battery_really_runs(battery):
    """With two_d_array=False scikit-learn runs one check and calls it green."""
    passed = [check for check in battery if check["status"] == "passed"]
    assert len(passed) >= 45
    assert {"check_fit_idempotent", "check_dict_unchanged", "check_transformer_general"} <= {
        check["check_name"] for check in passed
    }


def test_nothing_in_the_battery_fails(battery):
    failed = {c["check_name"]: c["exception"] for c in battery if c["status"] == "failed"}
    assert failed == {}


def test_only_the_array_api_is_skipped(battery):
    skipped = {check["check_name"] for check in battery if check["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}


class KeepsState(TableAdapter):
    def fit(self, X, y=None):
        if hasattr(self, "network_"):
            return self.partial_fit(X)
        return super().fit(X)


class EditsAParameter(TableAdapter):
    def fit(self, X, y=None):
        self.max_epochs = 1
        return super().fit(X)


class DependsOnTheCompany(TableAdapter):
    def transform(self, X):
        queries = super().transform(X)
        return queries - queries.mean(axis=0)


@pytest.mark.parametrize(
    ("mutant", "check"),
    [
        (KeepsState, estimator_checks.check_fit_idempotent),
        (EditsAParameter, estimator_checks.check_estimators_overwrite_params),
        (DependsOnTheCompany, estimator_checks.check_methods_subset_invariance),
    ],
)
def test_the_battery_has_teeth(mutant, check):
    with pytest.raises(AssertionError):
        check("TableAdapter", mutant())


DATA_FREE_CHECKS = [
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_set_params,
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    estimator_checks.check_valid_tag_types,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_mixin_order,
]


@pytest.mark.parametrize("make", RECOMMENDERS)
@pytest.mark.parametrize("check", DATA_FREE_CHECKS, ids=lambda check: check.__name__)
def test_checks_without_data_pass_on_the_real_classes(check, make):
    check(make.__name__, make())


def test_the_adapter_is_held_to_its_parameters():
    estimator_checks.check_param_validation("TableAdapter", TableAdapter())


@pytest.mark.parametrize("make", RECOMMENDERS)
def test_the_real_classes_say_that_they_read_no_matrix(make):
    tags = make().__sklearn_tags__()
    assert not tags.input_tags.two_d_array
    assert not tags.target_tags.required


# ---- scikit-learn's tools over a log


def small(**changes):
    parts = {"item_model": ItemTowers(8), "encoder": GRUEncoder(8)}
    parameters = {"max_epochs": 2, "random_state": 0, **parts, **changes}
    return EmbRecEstimator(TfidfItemFeaturizer(columns=["title"]), **parameters)


@pytest.fixture(params=[False, True], ids=["plain", "routing"])
def routing(request):
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param


SCORER = ranking_scorer(["auc", "hit_rate@5"])


@pytest.mark.parametrize("make", [small, PopularityRecommender])
def test_cross_validate_over_a_log(make, routing, shop_log, shop_items):
    result = cross_validate(
        make(),
        shop_log,
        params={"items": shop_items},
        cv=LeaveLastOut(),
        scoring=SCORER,
        error_score="raise",
    )
    by_hand = make()
    train, test = next(LeaveLastOut().split(shop_log))
    by_hand.fit(shop_log.iloc[train], items=shop_items)
    expected = SCORER(by_hand, shop_log.iloc[test])
    assert result["test_auc"].tolist() == [expected["auc"]]
    assert result["test_hit_rate@5"].tolist() == [expected["hit_rate@5"]]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_through_the_featurizer(n_jobs, routing, shop_log, shop_items):
    search = GridSearchCV(
        small(),
        {"featurizer__max_features": [3, 100], "encoder__dropout": [0.1]},
        cv=LeaveLastOut(),
        scoring=SCORER,
        refit="hit_rate@5",
        error_score="raise",
        n_jobs=n_jobs,
    ).fit(shop_log, items=shop_items)
    assert len(search.cv_results_["mean_test_auc"]) == 2
    assert np.isfinite(search.cv_results_["mean_test_hit_rate@5"]).all()
    best = search.best_estimator_
    assert best.featurizer_.max_features == search.best_params_["featurizer__max_features"]
    assert best.recommend([["photo-0"]], k=3)[0].shape == (1, 3)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_over_parts_and_their_parameters(n_jobs, routing, shop_log, shop_items):
    grid = {"encoder__hidden_size": [4, 8], "negatives": ["all", 4, SampledNegatives(6, alpha=0.5)]}
    estimator = small()
    search = GridSearchCV(
        estimator,
        grid,
        cv=LeaveLastOut(),
        scoring=SCORER,
        refit="auc",
        error_score="raise",
        n_jobs=n_jobs,
    ).fit(shop_log, items=shop_items)
    assert len(search.cv_results_["params"]) == 6
    best, chosen = search.best_estimator_, search.best_params_
    assert best.encoder.hidden_size == chosen["encoder__hidden_size"]
    assert best.network_.encoder.gru.hidden_size == chosen["encoder__hidden_size"]
    assert str(best.negatives) == str(chosen["negatives"])
    assert estimator.encoder.hidden_size == 8  # the one passed stays as it was
    # each candidate is what it would be alone
    train, test = next(LeaveLastOut().split(shop_log))
    auc = search.cv_results_["mean_test_auc"]
    for i, params in enumerate(search.cv_results_["params"]):
        alone = clone(estimator).set_params(**params)
        alone.fit(shop_log.iloc[train], items=shop_items)
        assert SCORER(alone, shop_log.iloc[test])["auc"] == auc[i]


def drop_first_day(log):
    return log[log["timestamp"] > 0]


def test_pipeline_that_cleans_the_log(routing, shop_log, shop_items):
    pipeline = Pipeline([("clean", FunctionTransformer(drop_first_day)), ("rec", small())])
    arguments = {"items": shop_items} if routing else {"rec__items": shop_items}
    pipeline.fit(shop_log, **arguments)
    alone = small().fit(drop_first_day(shop_log), items=shop_items)
    # the scorer puts the log through the first step too
    assert SCORER(pipeline, shop_log) == SCORER(alone, drop_first_day(shop_log))
    assert pipeline.score(shop_log) == alone.score(drop_first_day(shop_log))
    np.testing.assert_array_equal(
        pipeline.predict(shop_log), alone.predict(drop_first_day(shop_log))
    )


def test_sequences_and_next_items_score_exactly_as_the_log_does(shop_log, shop_items):
    """y given, or the last event taken: the two ways agree to the bit."""
    train, test = next(LeaveLastOut().split(shop_log))
    model = small().fit(shop_log.iloc[train], items=shop_items)
    rows = shop_log.iloc[test].groupby("user", sort=False)["item"].apply(list)
    X, y = [row[:-1] for row in rows], [row[-1] for row in rows]
    assert SCORER(model, X, y) == SCORER(model, shop_log.iloc[test])


def test_folds_of_users_as_sequences(shop_log, shop_items):
    rows = shop_log.groupby("user", sort=False)["item"].apply(list)
    X, y = [row[:-1] for row in rows], [row[-1] for row in rows]
    result = cross_validate(
        small(), X, y, params={"items": shop_items}, cv=KFold(3), error_score="raise"
    )
    assert result["test_score"].shape == (3,)


def test_the_length_trap_is_an_error_and_whole_is_the_way_out(routing, shop_log, shop_items):
    filler = pd.DataFrame(
        {"item": [f"filler-{i}" for i in range(len(shop_log) - len(shop_items))], "title": "filler"}
    )
    items = pd.concat([filler, shop_items], ignore_index=True)
    assert len(items) == len(shop_log)

    def run(model, **params):
        return cross_validate(
            model, shop_log, params=params, cv=LeaveLastOut(), error_score="raise"
        )

    models = [
        small(max_epochs=1),
        PopularityRecommender(),
        SequentialRulesRecommender(),
        SessionNeighborsRecommender(),
        ContentNeighborsRecommender(),
    ]
    for model in models:
        with pytest.raises(ValueError, match=r"items has exactly .* items=embrec\.Whole\(items\)"):
            run(model, items=items)
        assert run(model, items=Whole(items))["test_score"].shape == (1,)
    with pytest.raises(ValueError, match=r"X_val has exactly .* X_val=embrec\.Whole\(X_val\)"):
        run(small(max_epochs=1), items=shop_items, X_val=shop_log)
    assert run(small(max_epochs=1), items=shop_items, X_val=Whole(shop_log))["test_score"].size


def test_a_wrapped_replay_is_read(shop_log, shop_items):
    lists = [
        small(max_epochs=1)
        .fit(shop_log, items=shop_items)
        .partial_fit(shop_log.head(50), replay=replay)
        .recommend(shop_log.tail(20))[1]
        for replay in (shop_log.tail(50), Whole(shop_log.tail(50)))
    ]
    np.testing.assert_array_equal(*lists)


def test_clone_and_parameters_through_the_featurizer():
    estimator = small(encoder=GRUEncoder(8, dropout=0.25))
    copy = clone(estimator)
    assert copy is not estimator
    assert copy.featurizer is not estimator.featurizer
    assert copy.get_params()["featurizer__columns"] == ["title"]
    assert copy.encoder is not estimator.encoder
    copy.set_params(featurizer__max_features=7, encoder__dropout=0.5)
    assert (copy.featurizer.max_features, copy.encoder.dropout) == (7, 0.5)
    assert (estimator.featurizer.max_features, estimator.encoder.dropout) == (5000, 0.25)
    assert "encoder=GRUEncoder(dropout=0.25, hidden_size=8)" in repr(estimator)
    assert "EmbRecEstimator" in estimator._repr_html_()


def test_the_two_ways_to_cross_validate_agree_to_the_bit(shop_log, shop_items):
    """A log whose last events are held out, and histories beside their next items."""
    rows = shop_log.groupby("user", sort=False)["item"].apply(list)
    X, y = [row[:-1] for row in rows], [row[-1] for row in rows]
    everything = np.arange(len(X))
    common = {"params": {"items": shop_items}, "scoring": SCORER, "error_score": "raise"}
    log = cross_validate(small(), shop_log, cv=LeaveLastOut(), **common)
    lists = cross_validate(small(), X, y, cv=[(everything, everything)], **common)
    for name in ("test_auc", "test_hit_rate@5"):
        assert log[name].tolist() == lists[name].tolist()


def test_cross_validate_in_two_processes(shop_log, shop_items):
    results = [
        cross_validate(
            ContentNeighborsRecommender(TfidfItemFeaturizer(columns=["title"])),
            shop_log,
            params={"items": shop_items},
            cv=ColdUserSplit(n_splits=3, test_size=0.3, random_state=0),
            scoring=SCORER,
            error_score="raise",
            n_jobs=n_jobs,
        )
        for n_jobs in (1, 2)
    ]
    assert results[0]["test_auc"].tolist() == results[1]["test_auc"].tolist()
    assert len(set(results[0]["test_auc"])) == 3


def test_search_over_a_pipeline_reaches_the_nested_featurizer(routing, shop_log, shop_items):
    pipeline = Pipeline([("clean", FunctionTransformer(drop_first_day)), ("rec", small())])
    arguments = {"items": shop_items} if routing else {"rec__items": shop_items}
    search = GridSearchCV(
        pipeline,
        {"rec__featurizer__max_features": [3, 100]},
        cv=LeaveLastOut(),
        scoring=SCORER,
        refit="auc",
        error_score="raise",
    ).fit(shop_log, **arguments)
    # three words cannot tell fifteen items apart
    few, many = search.cv_results_["mean_test_auc"]
    assert many > few
    assert search.best_estimator_[-1].recommend([["photo-0"]], k=3)[0].shape == (1, 3)


def test_predicted_embeddings_are_features_for_other_models(routing, shop_items):
    topics = [topic for topic in ("photo", "desk", "trail") for _ in range(10)]
    X = [[f"{topic}-{i % 5}", f"{topic}-{(i + 1) % 5}"] for i, topic in enumerate(topics)]
    rec = small(max_epochs=20, early_stopping=False)
    pipeline = Pipeline([("rec", rec), ("clf", NearestCentroid())])
    arguments = {"items": shop_items} if routing else {"rec__items": shop_items}
    pipeline.fit(X, topics, **arguments)
    assert pipeline.score(X, topics) > 0.9
    assert pipeline.predict([["trail-4"]]).shape == (1,)


def test_a_failing_candidate_says_why(shop_log, shop_items):
    search = GridSearchCV(
        small(),
        {"encoder__dropout": [1.5]},
        cv=LeaveLastOut(),
        scoring=SCORER,
        refit=False,
        error_score="raise",
    )
    with pytest.raises(ValueError, match="The 'dropout' parameter of GRUEncoder"):
        search.fit(shop_log, items=shop_items)
