"""What a log says of its events, through everything a recommender does."""

import copy

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_union
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from small_recommender import fit_small

from embrec import EmbRecEstimator, InteractionStore, Whole
from embrec.baselines import GRU4RecRecommender
from embrec.components import GRUEncoder, SelfAttentionEncoder
from embrec.evaluation import evaluate
from embrec.featurizers import TimeFeaturizer
from embrec.model_selection import LeaveLastOut

LONG = {"max_epochs": 15, "early_stopping": False}


def kinds():
    return make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["kind"]))


@pytest.fixture(scope="module")
def log(shop_log):
    """A purchase is followed by the next item, a view by the one before."""
    rng = np.random.default_rng(0)
    log = shop_log.assign(kind=rng.choice(["view", "buy"], len(shop_log)))
    return log.assign(timestamp=1e9 + log["timestamp"] * 60.0)


@pytest.fixture(scope="module", params=["gru", "attention"])
def model(log, shop_items, request):
    """Do not change it."""
    encoder = GRUEncoder(8) if request.param == "gru" else SelfAttentionEncoder(window=3)
    union = make_union(kinds(), TimeFeaturizer())
    return fit_small(log, shop_items, encoder=encoder, event_featurizer=union, **LONG)


def of_user(log, user):
    return log[log["user"] == user].sort_values("timestamp", kind="stable")


def test_the_network_has_a_tower_per_source(model):
    assert model._size.n_event_features == (2, 18 + 24 + 7)
    assert len(model.network_.events.towers) == 2
    assert [name for name, _ in model.event_featurizer_.transformer_list][1] == "timefeaturizer"


def test_what_is_said_changes_the_answer(model, log):
    mine = of_user(log, "u3")
    _, scores = model.recommend(mine, 15, exclude_seen=False)
    _, others = model.recommend(
        mine.assign(kind=np.where(mine["kind"] == "buy", "view", "buy")), 15, exclude_seen=False
    )
    _, nothing = model.recommend([mine["item"].tolist()], 15, exclude_seen=False)
    assert np.abs(scores - others).max() > 1e-4
    assert np.abs(scores - nothing).max() > 1e-4


def test_rows_may_be_in_any_order_and_table(model, log):
    ids, scores = model.recommend(log, 5)
    shuffled = log.sample(frac=1, random_state=0)
    users = shuffled["user"].unique().tolist()
    places = [log["user"].unique().tolist().index(user) for user in users]
    assert_array_equal(model.recommend(shuffled, 5)[0], ids[places])
    found = model.recommend(pl.from_pandas(log).to_pandas(), 5)
    assert_allclose(found[1], scores, atol=1e-6)


def test_a_log_that_lacks_a_column_is_told_which(model, log, shop_items):
    bare = log.drop(columns="kind")
    for part, ask in (
        ("X", lambda: model.recommend(bare)),
        ("X", lambda: model.start_sessions(bare)),
        ("X_val", lambda: clone(model).fit(log, items=Whole(shop_items), X_val=Whole(bare))),
    ):
        with pytest.raises(KeyError, match=rf"event_featurizer reads.* \['kind'\].* {part} lacks"):
            ask()


def test_a_session_says_what_recommend_does(model, log):
    users = ["u3", "u4"]
    mine = log[log["user"].isin(users)]
    expected = model.recommend(mine, 5)
    batch = model.start_sessions([[], []])
    steps = [of_user(log, user).to_dict("records") for user in users]
    for clicks in zip(*steps, strict=True):
        said = [{name: click[name] for name in ("kind", "timestamp")} for click in clicks]
        batch.add([click["item"] for click in clicks], events=said)
        batch = model.resume_sessions(batch.to_bytes())
    assert_array_equal(batch.recommend(5)[0], expected[0])
    assert_allclose(batch.recommend(5)[1], expected[1], atol=1e-5)
    started = model.start_sessions(mine)
    assert_allclose(started.recommend(5)[1], expected[1], atol=1e-5)
    # the time of the last event is known, whichever way the session came about
    for sessions in (batch, started):
        sessions.add(["photo-0"], at=[1], events=[{"kind": "buy", "timestamp": 1e9 + 999}])
    assert_allclose(batch.recommend(5)[1], started.recommend(5)[1], atol=1e-5)


def test_one_session_with_and_without_an_event(model, log):
    session = model.start_session(["photo-0"])
    plain = model.start_session(["photo-0"]).add("photo-1").recommend(13)[1]
    unknown = model.start_session(["photo-0"]).add("photo-1", event=None).recommend(13)[1]
    assert_array_equal(plain, unknown)
    assert_allclose(plain, model.recommend([["photo-0", "photo-1"]], 13)[1][0], atol=1e-5)
    bought = session.add("photo-1", event={"kind": "buy"}).recommend(13)[1]
    assert np.abs(bought - plain).max() > 1e-4
    before = session.history
    with pytest.raises(ValueError, match=r"says \['colour'\]"):
        session.add("photo-2", event={"colour": "red"})
    assert session.history == before


def test_clicks_on_what_the_catalogue_lacks_are_skipped_with_their_events(model, log):
    skipping = copy.copy(model).set_params(on_unknown="skip")
    batch = skipping.start_sessions([["photo-0"], ["desk-0"]])
    batch.add(["nothing", "desk-1"], events=[{"kind": "view"}, {"kind": "buy"}])
    alone = model.start_session(["desk-0"]).add("desk-1", event={"kind": "buy"})
    assert_allclose(batch.recommend(5, at=[1])[1][0], alone.recommend(5)[1], atol=1e-5)
    assert batch.histories[0] == ["photo-0"]


def test_saved_and_loaded_it_says_the_same(model, log, tmp_path):
    model.save(tmp_path / "model")
    again = EmbRecEstimator.load(tmp_path / "model")
    assert_array_equal(again.recommend(log, 5)[0], model.recommend(log, 5)[0])
    session = again.start_session().add("photo-0", event={"kind": "buy", "timestamp": 1e9})
    expected = model.start_session().add("photo-0", event={"kind": "buy", "timestamp": 1e9})
    assert_allclose(session.recommend(5)[1], expected.recommend(5)[1])
    again.partial_fit(log.head(40))
    assert again._size == model._size


def test_evaluation_reads_events_step_by_step(model, log):
    found = evaluate(model, log, metrics=("mrr",))
    assert len(found.queries) == 60
    targets = log.groupby("user", sort=False)["item"].last()
    histories = log[log.duplicated("user", keep="last")]
    ranks = model.rank_targets(histories, targets.tolist()).ranks
    assert_allclose(found.queries["mrr"], 1 / (ranks + 1))


def test_a_store_is_as_good_as_the_table(log, shop_items, tmp_path):
    store = InteractionStore.from_tables(log, tmp_path / "s", event_cols=["kind"])
    models = [
        fit_small(X, shop_items, event_featurizer=make_union(kinds(), TimeFeaturizer()))
        for X in (log, store)
    ]
    assert models[0].fingerprint_ == models[1].fingerprint_
    scores = [m.recommend(X, 5)[1] for m, X in zip(models, (log, store), strict=True)]
    assert_allclose(scores[0], scores[1], atol=1e-6)
    plain = InteractionStore.from_tables(log, tmp_path / "plain")
    with pytest.raises(ValueError, match="store that was built with event_cols="):
        fit_small(plain, shop_items, event_featurizer=kinds())


def test_training_goes_on_with_what_events_say(log, shop_items):
    model = fit_small(log, shop_items, event_featurizer=kinds())
    before = model.fingerprint_
    model.partial_fit(log.head(60), replay=log.tail(60))
    model.partial_fit([["photo-0", "photo-1"]], replay=log.tail(60))
    model.partial_fit(log.head(60), replay=[["photo-0", "photo-1"]])
    assert model.fingerprint_ != before
    model.set_params(warm_start=True).fit(log.head(120), items=shop_items)
    assert model._size.n_event_features == (2,)
    model.set_params(event_featurizer=None)
    with pytest.raises(ValueError, match="event_featurizer was Col[^!]*, is None"):
        model.fit(log, items=shop_items)
    model.set_params(warm_start=False).fit(log, items=shop_items)
    assert model.event_featurizer_ is None
    assert model.network_.events is None
    with pytest.raises(ValueError, match="reads items alone, and got an event"):
        model.start_session().add("photo-0", event={"kind": "buy"})


def test_columns_must_be_there_and_lists_say_nothing(log, shop_items):
    model = fit_small(log, shop_items, event_featurizer=kinds())
    with pytest.raises(ValueError, match="kind"):
        model.recommend(log.drop(columns="kind"))
    with pytest.raises(ValueError, match="event_featurizer reads columns of a log, and X has"):
        fit_small([["photo-0", "photo-1"]] * 3, shop_items, event_featurizer=kinds())
    with pytest.raises(ValueError, match="'event_featurizer' parameter"):
        fit_small(log, shop_items, event_featurizer="all")


def test_a_checkpoint_is_of_the_events_it_was_made_with(log, shop_items, tmp_path):
    options = {"event_featurizer": kinds(), "checkpoint_dir": tmp_path / "run"}
    fit_small(log, shop_items, **options)
    with pytest.raises(ValueError, match="another run|other"):
        fit_small(log.assign(kind=log["kind"].to_numpy()[::-1]), shop_items, **options)


def test_searches_slice_events_and_weights(log, shop_items):
    search = GridSearchCV(
        EmbRecEstimator(event_featurizer=kinds(), max_epochs=1, random_state=0),
        {"event_featurizer": [None, kinds()]},
        cv=LeaveLastOut(),
        error_score="raise",
    )
    weights = np.where(log["kind"] == "buy", 2.0, 1.0)
    search.fit(log, items=Whole(shop_items), sample_weight=weights)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    # what is passed to fit goes to score too, and is of events there as well
    model, hits = search.best_estimator_, []
    for _, mine in log.groupby("user", sort=False):
        hits.append(model.rank_targets(mine).ranks[0] < 50)
    last = weights[~log.duplicated("user", keep="last")]
    expected = np.average(hits, weights=last)
    assert model.score(log, sample_weight=weights) == pytest.approx(expected)


def test_events_are_used_where_they_matter():
    """After a purchase comes one item, after a view another: nothing but the event tells."""
    rng = np.random.default_rng(0)
    items = pd.DataFrame({"item": range(12), "title": [f"w{i} w{i} x{i % 3}" for i in range(12)]})
    rows = []
    for user in range(400):
        item = rng.integers(12)
        for step in range(6):
            kind = rng.choice(["view", "buy"])
            rows.append((user, item, 1e9 + step, kind))
            item = (item + (1 if kind == "buy" else 5)) % 12
    log = pd.DataFrame(rows, columns=["user", "item", "timestamp", "kind"])
    options = {"max_epochs": 30, "random_state": 0, "encoder": GRUEncoder(16, input_dropout=0.1)}
    scores = {}
    for name, featurizer in (("none", None), ("kind", kinds())):
        model = EmbRecEstimator(event_featurizer=featurizer, **options).fit(log, items=items)
        found = evaluate(model, log, metrics=("hit_rate@1",), exclude_seen=False)
        scores[name] = found.queries["hit_rate@1"].mean()
    assert scores["none"] < 0.65
    assert scores["kind"] > 0.9


def test_events_of_weight_zero_are_read_and_not_predicted(log, shop_items):
    """A category that is never bought is never recommended first, though it is read."""
    is_desk = log["item"].str.startswith("desk").to_numpy()
    model = fit_small(log, shop_items, max_epochs=20)
    weighed = EmbRecEstimator(max_epochs=20, random_state=0, encoder=GRUEncoder(8))
    weighed.fit(log, items=shop_items, sample_weight=~is_desk)
    ids, _ = weighed.recommend([["desk-0"], ["photo-0"], []], 5)
    assert not any(item.startswith("desk") for item in ids[1:].ravel())
    assert any(item.startswith("desk") for item in model.recommend([["desk-0"]], 5)[0][0])
    baseline = GRU4RecRecommender(max_epochs=1, random_state=0)
    baseline.fit(log, sample_weight=np.where(is_desk, 0.5, 2))


def test_weights_of_one_change_nothing(log, shop_items):
    plain = fit_small(log, shop_items)
    weighed = EmbRecEstimator(**plain.get_params(deep=False))
    weighed.fit(log, items=shop_items, sample_weight=np.ones(len(log)))
    assert_allclose(weighed.recommend(log, 3)[1], plain.recommend(log, 3)[1], atol=1e-4)
    with pytest.raises(ValueError, match="one number for each of the 240 events"):
        weighed.fit(log, items=shop_items, sample_weight=[1, 2])
    weighed.partial_fit(log, sample_weight=np.linspace(0, 1, len(log)))


def test_a_store_takes_weights_in_its_own_order(log, shop_items, tmp_path):
    store = InteractionStore.from_tables(log, tmp_path / "s")
    shuffled = log.sample(frac=1, random_state=1)
    of_item = {item: number + 0.0 for number, item in enumerate(shop_items["item"])}
    weights = shuffled["item"].map(of_item)
    table = fit_small(shuffled, shop_items)
    models = []
    ordered = [of_item[item] for item in store.ids[store.codes]]
    for X, weight in ((shuffled, weights), (store, ordered)):
        model = EmbRecEstimator(**table.get_params(deep=False)).set_params(early_stopping=False)
        models.append(model.fit(X, items=shop_items, sample_weight=weight))
    found = [m.recommend([["photo-0"]], 5)[1] for m in models]
    assert np.isfinite(found).all()
    users = log["user"].unique().tolist()
    same_order = shuffled["user"].unique().tolist() == users
    if same_order:
        assert_allclose(found[0], found[1], atol=1e-4)


@pytest.fixture(scope="module")
def gappy(log):
    """A log in which some kinds are missing."""
    kind = log["kind"].where(np.arange(len(log)) % 3 > 0)
    return log.assign(kind=kind, stars=np.arange(len(log)) % 5)


@pytest.mark.parametrize("of_fit", ["pandas", "polars"])
def test_what_is_missing_is_the_same_everywhere(gappy, shop_items, of_fit):
    both = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["kind"]),
        (StandardScaler(), ["stars"]),
    )
    log = gappy if of_fit == "pandas" else pl.from_pandas(gappy)
    model = fit_small(log, shop_items, event_featurizer=both, **LONG)
    mine = of_user(gappy, "u3")
    scores = model.recommend(mine, 5)[1]
    assert_allclose(model.recommend(pl.from_pandas(mine), 5)[1], scores, atol=1e-6)
    session, other = model.start_session(), model.start_session()
    for row in mine.to_dict("records"):
        said = {name: row[name] for name in ("kind", "stars", "timestamp")}
        session.add(row["item"], event=said)
        other.add(row["item"], event={k: v for k, v in said.items() if pd.notna(v)})
    assert_allclose(session.recommend(5)[1], scores[0], atol=1e-5)
    assert_allclose(other.recommend(5)[1], scores[0], atol=1e-5)
    # nothing is known of one event, and that is nothing to the one beside it
    batch = model.start_sessions([["photo-0"], ["desk-0"]])
    said = {"kind": None, "stars": 3, "timestamp": 1e9}
    batch.add(["photo-1", "desk-1"], events=[None, said])
    alone = model.start_session(["desk-0"]).add("desk-1", event=said)
    assert_allclose(batch.recommend(5, at=[1])[1][0], alone.recommend(5)[1], atol=1e-5)


def test_the_time_of_a_skipped_item_counts_in_every_way(log, shop_items):
    model = fit_small(log, shop_items, event_featurizer=TimeFeaturizer("gap"), **LONG)
    model.set_params(on_unknown="skip")
    rows = [("photo-0", 0), ("nothing", 50), ("photo-1", 110), ("gone", 115)]
    mine = pd.DataFrame(
        {
            "user": 1,
            "item": [item for item, _ in rows],
            "timestamp": [1e9 + seconds for _, seconds in rows],
            "kind": "view",
        }
    )
    session = model.start_session()
    for item, seconds in rows:
        session.add(item, event={"timestamp": 1e9 + seconds})
    assert_allclose(session.recommend(5)[1], model.recommend(mine, 5)[1][0], atol=1e-5)
    last = ("photo-2", {"timestamp": 1e9 + 120})
    started = model.start_sessions(mine).add([last[0]], events=[last[1]])
    found = session.add(last[0], event=last[1]).recommend(5)[1]
    assert_allclose(found, started.recommend(5)[1][0], atol=1e-6)


def test_times_are_of_one_kind(log, shop_items):
    moments = log.assign(timestamp=pd.to_datetime(log["timestamp"], unit="s"))
    model = fit_small(moments, shop_items, event_featurizer=TimeFeaturizer())
    with pytest.raises(
        ValueError, match="holds numbers, and that of the log of fit held datetimes"
    ):
        model.recommend(log)
    zoned = moments.assign(timestamp=moments["timestamp"].dt.tz_localize("UTC"))
    with pytest.raises(ValueError, match="holds datetimes with a time zone, and that of the log"):
        model.recommend(zoned)
    with pytest.raises(ValueError, match="must be a finite time"):
        fit_small(log, shop_items, event_featurizer=TimeFeaturizer("gap")).start_session().add(
            "photo-0", event={"timestamp": np.inf}
        )
    model.recommend(pl.from_pandas(moments))


def test_weights_that_leave_nothing_to_train_on_are_an_error(log, shop_items):
    first = ~log.duplicated("user")
    model = fit_small(log, shop_items)
    before = model.fingerprint_
    model.set_params(max_length=2)
    for train in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="sample_weight is 0 for every event that is trained"):
            train(log, items=Whole(shop_items), sample_weight=first)
    assert model.fingerprint_ == before


def test_how_much_an_event_counts_does_not_depend_on_its_batch(log, shop_items):
    heavy = (log["user"].str[1:].astype(int) % 2 == 0).to_numpy()
    options = {"batch_size": 1, "early_stopping": False}
    plain = fit_small(log, shop_items, **options)
    weighed = EmbRecEstimator(**plain.get_params(deep=False))
    weighed.fit(log, items=shop_items, sample_weight=np.where(heavy, 1000.0, 1.0))
    assert weighed.fingerprint_ != plain.fingerprint_
    alone = weighed.fit(log, items=shop_items, sample_weight=log["user"] == "u3")
    together = EmbRecEstimator(**{**plain.get_params(deep=False), "batch_size": 64})
    together.fit(log, items=shop_items, sample_weight=log["user"] == "u3")
    losses = [m.training_log_[0]["loss"] for m in (alone, together)]
    assert losses[0] == pytest.approx(
        losses[1], rel=0.5
    )  # of the same events, before much is learned


def test_scores_take_weights_that_say_something(log, shop_items):
    model = fit_small(log, shop_items)
    n = log["user"].nunique()
    for weights, message in (
        (np.zeros(n), "sample_weight is 0 for all sequences"),
        (np.full(n, np.nan), "got nan for number 0"),
        (-np.ones(n), "none negative"),
        (3, r"got shape \(\)"),
        ((log["timestamp"] == 1e9).to_numpy() * 1.0, "0 for all targets"),
    ):
        with pytest.raises(ValueError, match=message):
            model.score(log, sample_weight=weights)


def test_a_log_says_itself_who_its_visitors_are(log, shop_items):
    model = fit_small(log, shop_items, user_featurizer=kinds())
    with pytest.raises(ValueError, match="A log says itself who its visitors are"):
        model.start_sessions(log, users=[{"kind": "buy"}] * 60)
