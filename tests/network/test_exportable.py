"""What torch.export takes of a network says what the network says."""

import pytest
import torch
from gru_reference import make_network
from small_network import own_of, small_network

from embrec.network.exportable import (
    ItemTower,
    SessionStep,
    export_item_tower,
    export_session_step,
)
from embrec.network.items import TowerItems, UnitItems


@torch.no_grad()
def test_a_step_gives_new_states_and_their_queries():
    network = small_network(3, 6, own=own_of(4, 6)).eval()  # queries end in a 1 for the biases
    states, vectors = torch.randn(4, network.state_size), torch.randn(4, network.vector_size)
    found, queries = SessionStep(network)(states, vectors)
    assert queries.shape == vectors.shape == (4, 7)
    expected = network.advance(states, vectors)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(queries, network.predict(expected))


def make_towers(*, with_own):
    own = own_of(6, 6) if with_own else (None, None)
    items = TowerItems((5, 4), 3, 6, 0.5, *own).eval()
    for module in own if with_own else ():
        torch.nn.init.normal_(module.weight)
    return items


@pytest.mark.parametrize("kind", ["plain", "with own", "unit"])
@torch.no_grad()
def test_towers_embed_as_the_items_do(kind):
    items = UnitItems((5, 4), 3) if kind == "unit" else make_towers(with_own=kind == "with own")
    features = [torch.randn(4, 5), torch.randn(4, 4)]
    own = torch.tensor([3, -1, 0, 5]) if kind == "with own" else None
    torch.testing.assert_close(ItemTower(items)(features, own), items(features, own))


@torch.no_grad()
def test_a_traced_tower_takes_any_number_of_rows():
    items = make_towers(with_own=True)
    traced = export_item_tower(items).module()
    for n in (1, 7):
        features = [torch.randn(n, 5), torch.randn(n, 4)]
        own = torch.arange(n) - 1
        torch.testing.assert_close(traced(features, own), items(features, own))


@torch.no_grad()
def test_a_traced_step_takes_any_number_of_rows():
    network = make_network()
    traced = export_session_step(network).module()
    for n in (1, 7):
        states, vectors = torch.randn(n, network.state_size), torch.randn(n, network.vector_size)
        expected = network.advance(states, vectors)
        found, queries = traced(states, vectors)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(queries, network.predict(expected))
