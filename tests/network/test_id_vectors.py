"""Vectors and biases that items have of their own."""

import torch

from embrec.network import Dropout, EmbRecNetwork, NetworkSize
from embrec.network.id_vectors import IdVectors


def make_vectors(dropout=0.0):
    vectors = IdVectors(5, 3, dropout)
    torch.nn.init.normal_(vectors.weight, generator=torch.Generator().manual_seed(0))
    return vectors


def test_zero_at_the_start_and_for_items_without_one():
    assert not IdVectors(5, 3)(torch.arange(5)).any()
    found = make_vectors().eval()(torch.tensor([-1, 2, -1]))
    assert not found[[0, 2]].any()
    assert found[1].all()


def test_counts_as_much_as_its_support_allows():
    vectors = make_vectors()
    vectors.set_support(torch.tensor([0, 1, 5, 20, 1000]), shrinkage=5.0)
    share = torch.tensor([0, 1 / 6, 0.5, 0.8, 1000 / 1005])
    torch.testing.assert_close(vectors(torch.arange(5)), vectors.weight * share[:, None])
    vectors.set_support(torch.tensor([0, 1, 5, 20, 1000]), shrinkage=0.0)
    torch.testing.assert_close(vectors(torch.arange(1, 5)), vectors.weight[1:])


def test_whole_vectors_drop_in_training_only():
    vectors = make_vectors(dropout=0.4)
    torch.manual_seed(0)
    ids = torch.arange(5).repeat(2000)
    found = vectors(ids)
    dropped = ~found.any(dim=1)
    assert (found[~dropped] == vectors.weight[ids[~dropped]]).all()
    assert abs(dropped.float().mean() - 0.4) < 0.03
    assert vectors.eval()(ids).any(dim=1).all()


def test_norms_are_bounded_and_short_vectors_stay():
    vectors = IdVectors(3, 2)
    with torch.no_grad():
        vectors.weight.copy_(torch.tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]]))
    vectors.limit_norms(1.0, torch.tensor([0, 1]))
    expected = torch.tensor([[0.6, 0.8], [0.3, 0.4], [6.0, 8.0]])
    torch.testing.assert_close(vectors.weight.detach(), expected)
    vectors.limit_norms(2.0)
    expected[2] = torch.tensor([1.2, 1.6])
    torch.testing.assert_close(vectors.weight.detach(), expected)


def test_a_bias_adds_to_the_score_and_to_nothing_else():
    torch.manual_seed(0)
    size = NetworkSize((4,), 3, 5, 6, n_ids=7, item_bias=True)
    network = EmbRecNetwork(size, Dropout()).eval()
    features = [torch.randn(7, 4)]
    ids = torch.tensor([3, -1, 0, 1, 2, 5, 6])
    plain = network.embed_items(features, ids)
    assert plain.shape == (7, 4)
    assert not plain[:, 3].any()
    with torch.no_grad():
        network.id_biases.weight.copy_(torch.arange(1.0, 8.0)[:, None])
    items = network.embed_items(features, ids)
    steps = network.predict_steps(items[[0, 4]], torch.tensor([1, 1]))
    torch.testing.assert_close(steps, network.predict_steps(plain[[0, 4]], torch.tensor([1, 1])))
    bias = torch.tensor([4.0, 4.0, 1, 2, 3, 6, 7])  # that of the second is the mean of 1 to 7
    torch.testing.assert_close(steps @ items.T, steps @ plain.T + bias)
    state = network.advance(network.initial_states(1), items[[0]])
    torch.testing.assert_close(network.predict(state)[0], steps[0])
    assert network.predict_first().shape == (1, 4)
