"""Running a network in blocks, against one sequence at a time, step by step."""

import numpy as np
import pytest
import torch
from gru_reference import CPU, VARIANTS, make_network, make_sequences, predictions_one_by_one

from embrec.data.ragged import Ragged
from embrec.network import SequenceModule, SequenceNetwork
from embrec.network.inference import embed_items, encode_queries, encode_states, encode_steps
from embrec.network.items import TowerItems

LENGTHS = [4, 0, 7, 1, 0, 2]


class MeanSoFar(SequenceModule):
    """The mean of what was read: an encoder that keeps no state."""

    state_size = 0

    def forward(self, x, packed):
        sums, found, start = torch.zeros(packed.n_sequences, x.shape[1]), [], 0
        for time, n in enumerate(packed.batch_sizes.tolist()):
            sums = sums[:n] + x[start : start + n]
            found.append(sums / (time + 1))
            start += n
        return torch.cat(found)

    def initial_state(self, n):
        return torch.empty(n, 0)

    def advance(self, state, x):
        return state

    def read(self, state):
        return torch.full((len(state), 6), 0.5)


@pytest.fixture
def items():
    return torch.randn(20, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("n_layers", "residual"), VARIANTS)
@torch.no_grad()
def test_queries_equal_the_last_step_and_a_chain_of_advances(n_layers, residual, items):
    network = make_network(n_layers, residual)
    sequences = make_sequences(LENGTHS)
    queries = encode_queries(network, items, sequences)
    for number in range(len(sequences)):
        state = network.initial_states(1)
        for row in sequences[number]:
            state = network.advance(state, items[[int(row)]])
        torch.testing.assert_close(queries[number], network.predict(state)[0])
        if len(sequences[number]):
            alone = predictions_one_by_one(network.encoder, items, sequences[number])
            torch.testing.assert_close(queries[number], network.items.query(alone[-1:])[0])


@torch.no_grad()
def test_states_do_not_depend_on_the_company(items):
    network = make_network()
    sequences = make_sequences([6, 2, 0, 9, 3, 3, 1])
    together = encode_states(network, items, sequences)
    for max_steps in (1, 4, 10):
        torch.testing.assert_close(
            encode_states(network, items, sequences, max_steps=max_steps), together
        )


@pytest.mark.parametrize("max_steps", [1, 5, 1000])
@pytest.mark.parametrize("keeps_state", [True, False])
@torch.no_grad()
def test_steps_are_the_queries_of_all_prefixes(keeps_state, max_steps, items):
    network = make_network()
    if not keeps_state:
        network = SequenceNetwork(TowerItems((5, 4), 3, 6), MeanSoFar())
    sequences = make_sequences(LENGTHS)
    found = encode_steps(network, items, sequences, max_steps=max_steps)
    lists = [sequences[i].tolist() for i in range(len(sequences))]
    prefixes = [rows[: n + 1] for rows in lists for n in range(len(rows))]
    flat = np.concatenate(prefixes).astype(np.int32)
    asked = Ragged.from_lengths(flat, np.array([len(p) for p in prefixes]))
    torch.testing.assert_close(found, encode_queries(network, items, asked))


@torch.no_grad()
def test_without_a_state_whole_histories_are_read(items):
    network = SequenceNetwork(TowerItems((5, 4), 3, 6), MeanSoFar())
    sequences = make_sequences(LENGTHS)
    queries = encode_queries(network, items, sequences)
    for number in range(len(sequences)):
        rows = sequences[number].tolist()
        expected = items[rows].mean(0) if rows else torch.full((6,), 0.5)
        torch.testing.assert_close(queries[number], network.items.scale * expected)


def test_nothing_is_trained_and_nothing_dropped_out(items):
    network = make_network(dropout=0.9).train()
    features = [torch.ones(3, 5), torch.ones(3, 4)]
    assert not embed_items(network, features).requires_grad
    assert not network.training
    network.train()
    once = encode_queries(network, items, make_sequences([3, 2]))
    network.train()
    assert torch.equal(once, encode_queries(network, items, make_sequences([3, 2])))
    assert once.device == CPU
