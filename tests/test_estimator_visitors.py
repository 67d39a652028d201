"""What is known of visitors, through everything a recommender does."""

import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import OneHotEncoder
from small_recommender import fit_small

from embrec import EmbRecEstimator, InteractionStore
from embrec.components import GRUEncoder, SelfAttentionEncoder
from embrec.evaluation import evaluate
from embrec.export import to_torch


def countries():
    return make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["country"]))


@pytest.fixture(scope="module")
def log(shop_log):
    """A visitor's country is that of the topic."""
    topics = {"photo": "NL", "desk": "DE", "trail": "NO"}
    return shop_log.assign(country=shop_log["item"].str.split("-").str[0].map(topics))


@pytest.fixture(scope="module", params=["gru", "attention"])
def model(log, shop_items, request):
    """Do not change it."""
    encoder = GRUEncoder(8) if request.param == "gru" else SelfAttentionEncoder(window=3)
    options = {"max_epochs": 60, "early_stopping": False, "user_featurizer": countries()}
    return fit_small(log, shop_items, encoder=encoder, **options)


def test_visitors_who_have_touched_nothing_get_what_their_country_likes(model):
    batch = model.start_sessions([[], [], []], users=[{"country": "DE"}, {"country": "NO"}, None])
    ids, scores = batch.recommend(3)
    assert all(item.startswith("desk") for item in ids[0])
    assert all(item.startswith("trail") for item in ids[1])
    assert_allclose(scores[2], model.recommend([[]], 3)[1][0], atol=1e-5)  # the learned start
    one = model.start_session(user={"country": "DE"})
    assert one.recommend(3)[0].tolist() == ids[0].tolist()
    table = pd.DataFrame({"country": ["DE", "NO"]})
    assert_array_equal(model.start_sessions([[], []], users=table).recommend(3)[0], ids[:2])


def test_recommend_evaluate_and_sessions_agree(model, log):
    _, scores = model.recommend(log, 5)
    assert_allclose(model.start_sessions(log).recommend(5)[1], scores, atol=1e-5)
    mine = log[log["user"] == "u3"]
    session = model.start_session(user={"country": mine["country"].iloc[0]})
    for item in mine["item"]:
        session = model.resume_session(session.add(item).to_bytes())
    assert_allclose(session.recommend(5)[1], scores[3], atol=1e-5)
    first = mine.head(1)
    elsewhere = model.recommend(first.assign(country="?"), 5)[1]
    assert elsewhere.tolist() != model.recommend(first, 5)[1].tolist()
    found = evaluate(model, log, metrics=("mrr",))
    targets = log.groupby("user", sort=False)["item"].last()
    histories = log[log.duplicated("user", keep="last")]
    ranks = model.rank_targets(histories, targets.tolist()).ranks
    assert_allclose(found.queries["mrr"], 1 / (ranks + 1))


def test_a_first_item_is_ranked_by_what_is_known_of_its_visitor(model, log):
    firsts = log[~log.duplicated("user")]
    ranks = model.rank_targets(firsts).ranks
    strangers = model.rank_targets(firsts[["user", "item"]].to_numpy()[:, 1:].tolist()).ranks
    assert ranks.mean() < strangers.mean() / 2


def test_saved_loaded_exported_and_trained_on(model, log, shop_items, tmp_path):
    model.save(tmp_path / "model")
    again = EmbRecEstimator.load(tmp_path / "model")
    assert_allclose(again.recommend(log, 5)[1], model.recommend(log, 5)[1], atol=1e-6)
    session = again.start_session(["photo-0"], user={"country": "NL"})
    expected = model.start_session(["photo-0"], user={"country": "NL"})
    assert_allclose(session.recommend(3)[1], expected.recommend(3)[1], atol=1e-6)
    again.partial_fit(log.head(40), replay=[["photo-0", "photo-1"]])
    to_torch(model, tmp_path / "export")


def test_training_goes_on_from_what_was_fitted(log, shop_items):
    """With the featurizer that was fitted: a country that is new is an unknown one to it."""
    model = fit_small(log, shop_items, user_featurizer=countries(), warm_start=True)
    featurizer, before = model.user_featurizer_, model.fingerprint_
    model.fit(log.assign(country="SE"), items=shop_items)
    assert model.user_featurizer_ is featurizer
    assert model.fingerprint_ != before
    model.set_params(user_featurizer=None)
    with pytest.raises(ValueError, match="user_featurizer"):
        model.fit(log, items=shop_items)


def test_a_store_knows_visitors_too(log, shop_items, tmp_path):
    store = InteractionStore.from_tables(log, tmp_path / "s", event_cols=["country"])
    models = [fit_small(X, shop_items, user_featurizer=countries()) for X in (log, store)]
    assert models[0].fingerprint_ == models[1].fingerprint_
    scores = [m.recommend(X, 5)[1] for m, X in zip(models, (log, store), strict=True)]
    assert_allclose(scores[0], scores[1], atol=1e-6)


def test_visitors_and_events_together(log, shop_items):
    kinds = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["timestamp"]))
    model = fit_small(log, shop_items, user_featurizer=countries(), event_featurizer=kinds)
    mine = log[log["user"] == "u3"]
    session = model.start_session(user={"country": mine["country"].iloc[0]})
    for row in mine.itertuples():
        session.add(row.item, event={"timestamp": row.timestamp})
    assert_allclose(session.recommend(5)[1], model.recommend(mine, 5)[1][0], atol=1e-5)


def test_what_is_wrong_is_said(model, log, shop_items):
    with pytest.raises(ValueError, match=r"A user says \['city'\], which the log of fit had no"):
        model.start_session(user={"city": "Ghent"})
    with pytest.raises(ValueError, match="Got 1 users for 2 sessions"):
        model.start_sessions([[], []], users=[None])
    with pytest.raises(TypeError, match="A user must be a dict"):
        model.start_session(user="NL")
    plain = fit_small(log, shop_items)
    with pytest.raises(ValueError, match="knows nothing of visitors, and got .*user_featurizer="):
        plain.start_session(user={"country": "NL"})
    with pytest.raises(ValueError, match="user_featurizer reads columns of a log"):
        fit_small([["photo-0", "photo-1"]] * 3, shop_items, user_featurizer=countries())
