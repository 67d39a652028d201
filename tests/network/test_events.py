"""What events add to items, against the formula."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from embrec.data.events import Events
from embrec.data.ragged import Ragged
from embrec.network import SequenceNetwork
from embrec.network.events import EventModule, EventTensors, to_event_tensors
from embrec.network.gru import GRUModule
from embrec.network.inference import encode_queries, encode_states, encode_steps
from embrec.network.items import TowerItems

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
BLOCKS = [
    RNG.normal(size=(9, 3)).astype(np.float32),
    sp.random_array((9, 5), density=0.5, rng=RNG, format="csr", dtype=np.float32),
]


@pytest.fixture
def module():
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        made = EventModule((3, 5), 4)
        made.fit(BLOCKS)
        for tower in made.towers:
            torch.nn.init.normal_(tower.output.weight)
            torch.nn.init.normal_(tower.output.bias)
    return made


def said(module, features):
    """Scale and shift of one event, from its dense features."""
    total = 0
    for tower, row in zip(module.towers, features, strict=True):
        hidden = torch.relu(row @ (tower.weight * tower.scale) + tower.bias)
        total = total + tower.output.weight @ hidden + tower.output.bias
    return total[:4], total[4:]


def dense():
    return [torch.from_numpy(np.asarray(b.todense() if sp.issparse(b) else b)) for b in BLOCKS]


@torch.no_grad()
def test_items_are_scaled_and_shifted(module):
    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(1))
    is_known = np.array([True, False] * 4 + [True])
    found = module(x, to_event_tensors(BLOCKS, is_known, CPU))
    nothing = module(x, None)
    for i in range(9):
        row = [b[i] for b in dense()] if is_known[i] else [b.mean(dim=0) for b in dense()]
        scale, shift = said(module, row)
        torch.testing.assert_close(found[i], x[i] * (1 + scale) + shift)
        scale, shift = said(module, [b.mean(dim=0) for b in dense()])
        torch.testing.assert_close(nothing[i], x[i] * (1 + scale) + shift)
    all_known = to_event_tensors(BLOCKS, np.ones(9, dtype=bool), CPU)
    assert all_known.is_known is None
    some = to_event_tensors(BLOCKS, is_known, CPU).take(np.array([3, 0]))
    torch.testing.assert_close(module(x[[3, 0]], some), found[[3, 0]])


def test_it_begins_by_changing_nothing():
    module = EventModule((3, 5), 4)
    x = torch.randn(9, 4)
    assert torch.equal(module(x, to_event_tensors(BLOCKS, None, CPU)), x)
    assert torch.equal(module(x, None), x)


def test_rows_of_any_length_suit_it():
    small, large = EventModule((3,), 4), EventModule((3,), 4)
    small.fit(BLOCKS[:1])
    large.fit([BLOCKS[0] * 1000])
    torch.testing.assert_close(small.towers[0].scale, large.towers[0].scale * 1000)
    torch.testing.assert_close(large.means[0][0], torch.from_numpy(BLOCKS[0].mean(0) * 1000))


def test_what_is_learned_reaches_towers_and_means_are_kept():
    module = EventModule((3, 5), 4)
    assert {"mean_0", "mean_1"} <= set(module.state_dict())
    module(torch.ones(9, 4), to_event_tensors(BLOCKS, None, CPU)).sum().backward()
    assert all(tower.output.weight.grad.any() for tower in module.towers)


@torch.no_grad()
def test_histories_are_read_with_their_events_step_by_step(module):
    """States, queries and steps must be what one click after another says, whatever is known."""
    torch.default_generator.manual_seed(0)
    encoder = GRUModule(4, 5, 1, dropout=0.0, input_dropout=0.0, residual=True)
    network = SequenceNetwork(TowerItems((2,), 4, 4), encoder, module).eval()
    items = torch.randn(6, 4)
    lengths, rows = np.array([3, 0, 1, 4]), np.array([2, -1, 0, 5, 5, -1, 8, 1])
    values = np.arange(8) % 6
    sequences = Ragged.from_lengths(values, lengths).with_events(Events(rows, None, BLOCKS))
    steps = encode_steps(network, items, sequences)
    states = encode_states(network, items, sequences)
    queries = encode_queries(network, items, sequences)
    place = 0
    for number, length in enumerate(lengths):
        state = network.initial_states(1)
        for _ in range(length):
            row = rows[place]
            event = None
            if row >= 0:
                event = EventTensors([b[[row]] for b in dense()])
            state = network.advance(state, items[[values[place]]], event)
            torch.testing.assert_close(steps[place], network.predict(state)[0])
            place += 1
        torch.testing.assert_close(states[number], state[0])
        torch.testing.assert_close(queries[number], network.predict(state)[0])
    unread = Ragged.from_lengths(values, lengths)
    assert not torch.allclose(encode_steps(network, items, unread)[0], steps[0])
