"""What makes item vectors, against its formulas."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from gru_reference import CPU, make_sequences, predictions_one_by_one
from torch import nn

from embrec.network import Packing, SequenceNetwork, to_feature_tensors
from embrec.network.gru import GRUModule
from embrec.network.id_vectors import IdVectors
from embrec.network.inference import encode_states
from embrec.network.items import SCALE, PointItems, TowerItems, UnitItems, VectorItems


def make_gru(embedding_size, hidden_size=7):
    torch.manual_seed(0)
    encoder = GRUModule(
        embedding_size, hidden_size, 1, dropout=0.0, input_dropout=0.0, residual=True
    )
    nn.init.normal_(encoder.initial)
    return encoder


# towers


def test_towers_are_linear_relu_linear_side_by_side():
    torch.manual_seed(0)
    items = TowerItems((5, 4), 3, 6).eval()
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(8, 5)).astype(np.float32)
    sparse = sp.random(8, 4, 0.5, format="csr", rng=rng).astype(np.float32)
    # of mean square lengths 4 and a quarter
    long = dense * 2 / np.sqrt((dense**2).sum(1).mean())
    squares = (sparse.toarray() ** 2).sum(1)
    short = sparse * np.float32(0.5 / np.sqrt(squares[squares > 0].mean()))
    items.fit_scales([long, short])
    assert [float(tower.scale) for tower in items.towers] == pytest.approx([0.5, 2], rel=1e-5)
    embedded = items(to_feature_tensors([dense, sparse], CPU))
    parts = []
    for tower, block, scale in zip(items.towers, (dense, sparse.toarray()), (0.5, 2), strict=True):
        hidden = torch.relu(torch.from_numpy(scale * block) @ tower.weight + tower.bias)
        parts.append(hidden @ tower.output.weight.T + tower.output.bias)
    torch.testing.assert_close(embedded, torch.cat(parts, dim=1))


@pytest.mark.parametrize("n_towers", [1, 3])
@torch.no_grad()
def test_any_number_of_towers(n_towers):
    torch.manual_seed(1)
    towers = TowerItems((4,) * n_towers, 3, 6)
    network = SequenceNetwork(towers, make_gru(3 * n_towers)).eval()
    blocks = [
        np.random.default_rng(i).normal(size=(20, 4)).astype(np.float32) for i in range(n_towers)
    ]
    items = network.embed_items(to_feature_tensors(blocks, CPU))
    assert items.shape == (20, 3 * n_towers)
    for i in range(n_towers):
        alone = towers.towers[i](torch.from_numpy(blocks[i]))
        torch.testing.assert_close(items[:, 3 * i : 3 * (i + 1)], alone)
    sequences = make_sequences([3, 1, 4])
    states = encode_states(network, items, sequences)
    assert states.shape == (3, network.state_size)
    for number in range(3):
        alone = predictions_one_by_one(network.encoder, items, sequences[number])[-1]
        torch.testing.assert_close(network.predict(states)[number], SCALE * alone)


def test_dropout_of_towers_acts_in_training_only():
    torch.manual_seed(0)
    items = TowerItems((5, 4), 3, 6, 0.5).eval()
    features = [torch.ones(20, 5), torch.ones(20, 4)]
    assert torch.equal(items(features), items(features))
    items.train()
    assert not torch.equal(items(features), items(features))


# what items have of their own


def test_a_vector_of_its_own_is_added_to_the_content():
    torch.manual_seed(0)
    items = TowerItems((4,), 3, 5, id_vectors=IdVectors(7, 3, shrinkage=2.0)).eval()
    nn.init.normal_(items.id_vectors.weight)
    counts = torch.tensor([0, 1, 2, 3, 4, 5, 6])
    items.set_support(counts)
    features, ids = [torch.randn(4, 4)], torch.tensor([3, -1, 0, 6])
    own = torch.stack([items.id_vectors.weight[i] * n / (n + 2) for i, n in enumerate(counts)])
    expected = items(features).clone()  # without ids no item has one
    torch.testing.assert_close(expected, items.embed_content(features))
    for place, number in enumerate(ids.tolist()):
        if number >= 0:
            expected[place] += own[number]
    torch.testing.assert_close(items(features, ids), expected)


def test_a_bias_adds_to_the_score_and_to_nothing_else():
    torch.manual_seed(0)
    biases = IdVectors(7, 1)
    network = SequenceNetwork(TowerItems((4,), 3, 5, id_biases=biases), make_gru(3, 6)).eval()
    features = [torch.randn(7, 4)]
    ids = torch.tensor([3, -1, 0, 1, 2, 5, 6])
    plain = network.embed_items(features, ids)
    assert plain.shape == (7, 4)
    assert not plain[:, 3].any()
    with torch.no_grad():
        biases.weight.copy_(torch.arange(1.0, 8.0)[:, None])
    items = network.embed_items(features, ids)
    alone = Packing(torch.tensor([1, 1]))
    steps = network.predict_steps(items[[0, 4]], alone)
    torch.testing.assert_close(steps, network.predict_steps(plain[[0, 4]], alone))
    bias = torch.tensor([4.0, 4.0, 1, 2, 3, 6, 7])  # that of the second is the mean of 1 to 7
    torch.testing.assert_close(steps @ items.T, steps @ plain.T + bias)
    state = network.advance(network.initial_states(1), items[[0]])
    torch.testing.assert_close(network.predict(state)[0], steps[0])
    assert network.predict_first().shape == (1, 4)


# other ways


def test_unit_items_are_projected_and_of_length_1():
    rng = np.random.default_rng(0)
    items = UnitItems((5, 2), 3)
    assert not list(items.parameters())
    projection = rng.normal(size=(5, 3)).astype(np.float32)
    items.set_projection(0, projection)
    dense, narrow = (rng.normal(size=(8, n)).astype(np.float32) for n in (5, 2))
    found = items([torch.from_numpy(dense), torch.from_numpy(narrow)])
    # features that are fewer than the width are filled up by zeros
    joined = np.concatenate([dense @ projection, narrow, np.zeros((8, 1))], axis=1)
    expected = joined / np.linalg.norm(joined, axis=1, keepdims=True)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert items.embedding_size == items.vector_size == 6
    queries = torch.randn(4, 6)
    torch.testing.assert_close(items.query(queries), F.normalize(queries, dim=1))


def test_vector_items_are_looked_up():
    torch.manual_seed(0)
    items = VectorItems(7, 3)
    items.draw_own()
    bound = (6 / (7 + 3)) ** 0.5
    assert 0.5 * bound < items.id_vectors.weight.abs().max() <= bound
    nn.init.normal_(items.id_biases.weight)
    found = items([], torch.tensor([4, -1, 2]))
    weight, bias = items.id_vectors.weight.tolist(), items.id_biases.weight[:, 0].tolist()
    expected = [[*weight[4], bias[4]], [0, 0, 0, sum(bias) / 7], [*weight[2], bias[2]]]
    torch.testing.assert_close(found, torch.tensor(expected))


def test_points_are_scored_by_their_distance():
    torch.manual_seed(0)
    items = PointItems(7, 3)
    items.draw_own()
    assert (items.id_vectors.weight.norm(dim=1) <= 0.5).all()
    assert items.id_vectors.bound == 1
    nn.init.normal_(items.id_biases.weight)
    ids = torch.tensor([4, -1, 2, 0])
    vectors, queries = items([], ids), torch.randn(5, 3)
    scores = items.query(queries) @ vectors.T
    for query, row in zip(queries, scores, strict=True):
        of_item = []
        for number in ids.tolist():
            point = items.id_vectors.weight[number] if number >= 0 else torch.zeros(3)
            biases = items.id_biases.weight
            bias = biases[number, 0] if number >= 0 else biases.mean()
            of_item.append(bias - (query - point).square().sum())
        # up to what is the same for all items
        expected = torch.stack(of_item) + query.square().sum()
        torch.testing.assert_close(row, expected, rtol=1e-5, atol=1e-5)


# similarities

SCORES = {
    "inner_product": lambda p, e, items: items.scale * (p @ e),
    "cosine": lambda p, e, items: items.log_scale.exp() * F.cosine_similarity(p, e, dim=0),
    # up to what is the same for all items
    "euclidean": lambda p, e, items: (
        items.scale * (p.square().sum() / 2 - (p - e).square().sum() / 2)
    ),
}


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("has_vectors", [True, False])
@pytest.mark.parametrize("similarity", SCORES)
def test_scores_of_every_similarity_are_inner_products(similarity, has_vectors, has_bias):
    torch.manual_seed(0)
    own = IdVectors(4, 6) if has_vectors else None, IdVectors(4, 1) if has_bias else None
    items = TowerItems((5, 4), 3, 6, 0.0, *own, similarity=similarity).double().eval()
    for each in own:
        if each is not None:
            nn.init.normal_(each.weight)
            each.set_support(torch.ones(4, dtype=torch.double))
    blocks = [torch.rand(3, n, dtype=torch.double) for n in (5, 4)]
    ids = torch.tensor([2, -1, 0]) if has_vectors or has_bias else None
    predicted = torch.randn(2, 6, dtype=torch.double)
    vectors, queries = items(blocks, ids), items.query(predicted)
    n_more = has_bias or similarity == "euclidean"
    assert vectors.shape == (3, 6 + n_more) == (3, items.vector_size)
    embedded = items.embed_content(blocks)
    if has_vectors:
        embedded = embedded + own[0](ids)
    biases = items._biases(ids)[:, 0] if has_bias else torch.zeros(3)
    for i, p in enumerate(predicted):
        for j, e in enumerate(embedded):
            expected = SCORES[similarity](p, e, items) + biases[j]
            torch.testing.assert_close(queries[i] @ vectors[j], expected)


def test_scores_are_scaled_where_items_are_learned_from_content():
    """Recommenders of the literature score as their papers say."""
    assert TowerItems((5,), 3, 6).scale == SCALE == 5
    for others in (UnitItems((5,), 3), VectorItems(4, 3), PointItems(4, 3)):
        assert others.scale == 1


def test_the_scale_of_cosines_is_learned_up_to_a_limit():
    items = TowerItems((5,), 3, 6, similarity="cosine")
    predicted = torch.randn(2, 3)
    assert items.query(predicted).norm(dim=1).tolist() == pytest.approx([15, 15])
    items.query(predicted).norm(dim=1).sum().backward()
    assert items.log_scale.grad > 0
    items.log_scale.data.fill_(9.0)
    assert items.query(predicted).norm(dim=1).tolist() == pytest.approx([100, 100])
