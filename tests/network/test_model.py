"""The network of a recommender: item vectors and an encoder, put together."""

import pytest
import torch

from embrec.network import Packing, SequenceModule, SequenceNetwork
from embrec.network.items import PointItems, VectorItems


class Sum(SequenceModule):
    """Adds up what was read, from a start that may be learned."""

    def __init__(self, width, *, learns_start):
        super().__init__()
        self.state_size = width
        start = torch.full((width,), 0.5)
        self.start = torch.nn.Parameter(start) if learns_start else start

    def forward(self, x, packed):
        state, found, at = self.initial_state(packed.n_sequences), [], 0
        for n in packed.batch_sizes.tolist():
            state = self.advance(state[:n], x[at : at + n])
            found.append(self.read(state))
            at += n
        return torch.cat(found)

    def initial_state(self, n):
        return self.start.expand(n, -1)

    def advance(self, state, x):
        return state + x

    def read(self, state):
        return 3 * state


def make(kind=VectorItems, *, learns_start=False):
    network = SequenceNetwork(kind(5, 2), Sum(2, learns_start=learns_start))
    torch.nn.init.normal_(network.items.id_vectors.weight)
    torch.nn.init.normal_(network.items.id_biases.weight)
    return network


@pytest.fixture
def packed():
    """Items 4, 0, 2 of one sequence and item 1 of another, time by time."""
    return [4, 1, 0, 2], Packing(torch.tensor([2, 1, 1]))


@torch.no_grad()
def test_scores_are_products_of_queries_and_item_vectors(packed):
    network, (rows, packing) = make(), packed
    vectors = network.embed_items([], torch.arange(5))
    own, biases = network.items.id_vectors.weight, network.items.id_biases.weight[:, 0]
    scores = network.predict_steps(vectors[rows], packing) @ vectors.T
    for found, history in zip(scores, ([4], [1], [4, 0], [4, 0, 2]), strict=True):
        predicted = 3 * (0.5 + own[history].sum(0))
        torch.testing.assert_close(found, own @ predicted + biases)


@pytest.mark.parametrize("kind", [VectorItems, PointItems])
@torch.no_grad()
def test_whole_sequences_single_steps_and_final_states_say_the_same(kind, packed):
    """Whatever the items make of a prediction, and whatever stands beside an embedding."""
    network, (rows, packing) = make(kind), packed
    vectors = network.embed_items([], torch.arange(5))
    whole = network.predict_steps(vectors[rows], packing)
    states = network.initial_states(1)
    for step, row in ((0, 4), (2, 0), (3, 2)):
        states = network.advance(states, vectors[[row]])
        assert states.shape == (1, network.state_size)
        torch.testing.assert_close(network.predict(states)[0], whole[step])
    final = network.final_states(vectors[rows], packing)
    torch.testing.assert_close(network.predict(final), whole[[3, 1]])


def test_what_comes_first_is_predicted_where_the_start_is_learned():
    network = make(learns_start=True)
    torch.testing.assert_close(network.predict_first(), torch.tensor([[1.5, 1.5, 1.0]]))
    assert make().predict_first() is None


def test_nothing_but_the_loss_is_made_smaller():
    assert make().penalty(torch.ones(5, 3), None, None) is None
