"""What is read of a visitor first, against steps that are taken one by one."""

import numpy as np
import pytest
import torch

from embrec.data.events import Events
from embrec.data.ragged import Ragged
from embrec.network import SequenceNetwork
from embrec.network.attention import SelfAttentionModule
from embrec.network.events import EventTensors
from embrec.network.gru import GRUModule
from embrec.network.inference import encode_queries, encode_states, encode_steps
from embrec.network.items import TowerItems
from embrec.network.packing import pack
from embrec.network.visitors import SHARE_UNKNOWN, VisitorModule

CPU = torch.device("cpu")
FEATURES = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)


@pytest.fixture(params=["gru", "attention"])
def network(request):
    torch.default_generator.manual_seed(0)
    options = {"dropout": 0.0, "input_dropout": 0.0, "residual": True}
    if request.param == "gru":
        encoder = GRUModule(4, 5, 1, **options)
    else:
        encoder = SelfAttentionModule(4, 2, n_heads=2, window=3, **options)
    visitors = VisitorModule((2,), 4)
    visitors.fit([FEATURES])
    torch.nn.init.normal_(visitors.unknown)
    return SequenceNetwork(TowerItems((2,), 4, 4), encoder, None, visitors).eval()


def start(network, row):
    """The state of one visitor: what is known is read as if it were an item."""
    module = network.visitors
    x = module.unknown[None]
    if row >= 0:
        (tower,) = module.towers
        features = torch.from_numpy(FEATURES[[row]])
        x = tower.output(torch.relu(features @ (tower.weight * tower.scale) + tower.bias))
    return network.encoder.advance(network.encoder.initial_state(1), x)


@torch.no_grad()
def test_visitors_come_before_their_items(network):
    items, rows = torch.randn(6, 4), np.array([1, -1, 2, 0, -1])
    lengths = np.array([3, 0, 1, 0, 4])
    values = np.arange(8) % 6
    given = Ragged.from_lengths(values, lengths)
    sequences = Ragged(given.values, given.offsets, visitors=Events(rows, None, [FEATURES]))
    found = {
        "steps": encode_steps(network, items, sequences),
        "states": encode_states(network, items, sequences),
        "queries": encode_queries(network, items, sequences),
    }
    nobody = encode_queries(network, items, given)
    place = 0
    for number, length in enumerate(lengths):
        state = start(network, rows[number])
        for _ in range(length):
            state = network.advance(state, items[[values[place]]])
            torch.testing.assert_close(found["steps"][place], network.predict(state)[0])
            place += 1
        torch.testing.assert_close(found["states"][number], state[0])
        torch.testing.assert_close(found["queries"][number], network.predict(state)[0])
        assert torch.allclose(nobody[number], found["queries"][number]) == (rows[number] < 0)


@torch.no_grad()
def test_what_comes_first_is_predicted_of_each_visitor(network):
    rows = np.array([2, -1])
    sequences = Ragged(
        np.array([1, 2, 3, 4, 5]), np.array([0, 2, 5]), visitors=Events(rows, None, [FEATURES])
    )
    batch = pack(sequences, with_targets=True, device=CPU)
    items = torch.randn(6, 4)
    firsts, steps = network.predict_all(
        items[batch.rows], batch.packing, None, batch.visitor_tensors(CPU)
    )
    assert batch.order.tolist() == [1, 0]
    for place, number in enumerate(batch.order):
        expected = network.predict(start(network, rows[number]))[0]
        torch.testing.assert_close(firsts[place], expected)
    assert len(steps) == 3


def test_some_visitors_are_taken_for_unknown_in_training():
    module = VisitorModule((2,), 4)
    features = EventTensors([torch.randn(20_000, 2)])
    module.train()
    found = module(features, 20_000)
    share = float((found == module.unknown).all(dim=1).float().mean())
    assert share == pytest.approx(SHARE_UNKNOWN, abs=0.01)
    found.sum().backward()
    assert module.unknown.grad.any()
    assert not (module.eval()(features, 20_000) == module.unknown).all(dim=1).any()
    assert torch.equal(module(None, 2), module.unknown.expand(2, -1))
