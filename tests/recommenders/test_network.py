"""Recommenders that answer from a network: what they say is what it says, one step at a time."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from small_network import small_network

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.components import GRUEncoder, IdEmbeddings, ItemTowers
from embrec.data.items import NoContentWarning
from embrec.data.ragged import Ragged
from embrec.recommenders.network import check_scores, embed
from embrec.training import DivergedError

HISTORIES = [["photo-0", "photo-3"], [], ["desk-3", "trail-0", "desk-1", "desk-1"]]


@pytest.fixture(scope="module")
def model(shop_log, shop_items):
    """Of items' own vectors and biases, two items unknown to training; do not change it."""
    model = EmbRecEstimator(
        TfidfItemFeaturizer(columns=["title"]),
        item_model=ItemTowers(4, 5, ids=IdEmbeddings(), bias=True),
        encoder=GRUEncoder(6),
        max_epochs=2,
        random_state=0,
    )
    log = shop_log[~shop_log["item"].isin(["photo-3", "desk-1"])]
    return model.fit(log, items=shop_items)


def encoded(model, names=None):
    rows = model.encode(model.read_sequences(HISTORIES))
    return Ragged(rows.values, rows.offsets, names)


@torch.no_grad()
def queries_one_by_one(model, rows):
    """Queries before any item and after each, from single steps over the index' vectors."""
    states = model.network_.initial_states(1)
    found = [model.network_.predict(states)[0]]
    for row in rows:
        states = model.network_.advance(states, torch.tensor(model.index_.vectors[[row]]))
        found.append(model.network_.predict(states)[0])
    return torch.stack(found).numpy(), states[0].numpy()


def test_queries_and_states_are_those_of_single_steps(model):
    rows = encoded(model, names=np.array(["u", "v", "w"]))  # whose they are does not matter
    queries, steps = model.query_vectors(rows), model.step_query_vectors(rows)
    states = model.session_states(rows).numpy()
    expected = [queries_one_by_one(model, rows[i]) for i in range(3)]
    np.testing.assert_allclose(queries, [of[-1] for of, _ in expected], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(states, [state for _, state in expected], rtol=1e-4, atol=1e-6)
    every = np.concatenate([of[1:] for of, _ in expected])
    np.testing.assert_allclose(steps, every, rtol=1e-4, atol=1e-6)
    assert queries.dtype == np.float32


def test_items_are_embedded_as_training_knows_them(model, shop_items):
    """Those it knows have something of their own, whatever their order; new ones have not."""
    rows = np.array([7, 0, 3])
    asked = shop_items.iloc[rows]
    known = model.trained_places(rows)
    assert (known >= 0).tolist() == [True, True, False]
    twins = asked.assign(item=asked["item"] + "-twin")
    changed = pickle.loads(pickle.dumps(model)).add_items(twins).update_items(asked)
    vectors, d = changed.index_.vectors, model.n_embedding_columns
    np.testing.assert_allclose(vectors[rows], model.index_.vectors[rows], atol=1e-6)
    own = model.network_.items.id_vectors
    for row, place, twin in zip(rows, known, vectors[-3:], strict=True):
        added = (own.weight[place] * own.trust[place]).detach().numpy() if place >= 0 else 0
        np.testing.assert_allclose(vectors[row, :d] - twin[:d], added, atol=1e-6)
    assert vectors.shape[1] == d + 1


def test_counts_and_places_are_those_of_training(model, shop_log, shop_items):
    rows = np.arange(len(shop_items))
    touched = ~shop_items["item"].isin(["photo-3", "desk-1"]).to_numpy()
    places = model.trained_places(rows)
    assert ((places >= 0) == touched).all()
    assert sorted(places[touched]) == list(range(touched.sum()))
    counts = model.training_counts(rows)
    assert ((counts > 0) == touched).all()
    in_log = shop_log["item"].value_counts().reindex(shop_items["item"]).to_numpy()
    # last events of some users validate
    assert (counts[touched] <= in_log[touched]).all()


def test_what_was_learned_is_all_in_its_state(model):
    other = EmbRecEstimator(TfidfItemFeaturizer(columns=["title"]), encoder=GRUEncoder(99))
    other.catalog_ = model.catalog_
    other.set_state(model.get_state())
    assert other.fingerprint_ == model.fingerprint_
    assert other.training_log_ == model.training_log_
    assert not other.network_.training
    rows = encoded(model)
    np.testing.assert_array_equal(other.query_vectors(rows), model.query_vectors(rows))
    every = np.arange(len(model.catalog_))
    np.testing.assert_array_equal(other.training_counts(every), model.training_counts(every))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_model_of_a_gpu_opens_where_there_is_none(model):
    copied = pickle.loads(pickle.dumps(model)).set_params(device="cuda")
    data, rows = pickle.dumps(copied), encoded(model)
    ways = [lambda: pickle.loads(data), lambda: copied.set_state(model.get_state()) or copied]
    for way in ways:
        with pytest.warns(UserWarning, match="The model goes to the CPU: device='cuda'"):
            opened = way()
        assert opened.device_ == torch.device("cpu")
        np.testing.assert_array_equal(opened.query_vectors(rows), model.query_vectors(rows))


def test_items_without_content_are_told(model):
    new = pd.DataFrame({"item": ["bare"], "title": [""]})
    with pytest.warns(NoContentWarning, match="'bare'"):
        pickle.loads(pickle.dumps(model)).add_items(new)


def test_embeddings_that_are_no_numbers_are_told_by_their_row():
    network = small_network(2)
    network.items.towers[0].set_scale(1e3)
    rows = np.array([[1, 2], [3e38, -3e38], [0, 1], [3e38, 3e38]], dtype=np.float32)
    message = r"of 2 of 4 items are not finite \(the first is in row 1\)"
    with pytest.raises(ValueError, match=message):
        embed(network, [rows], np.full(4, -1))
    assert embed(network, [rows[[0, 2]]], np.full(2, -1)).shape == (2, 8)


@pytest.mark.parametrize(
    ("vectors", "queries", "is_wrong"),
    [(1e18, 1e18, False), (1e20, -1e20, True), (1.0, np.nan, True), (1.0, np.inf, True)],
)
def test_scores_that_could_be_no_numbers(vectors, queries, is_wrong):
    asked = np.array([[1, vectors], [0, 0]], np.float32), np.array([[queries, 1]], np.float32)
    if is_wrong:
        with pytest.raises(DivergedError, match=r"Scores are not finite: .* up to"):
            check_scores(*asked)
    else:
        check_scores(*asked)
