"""Networks made, grown and copied."""

import threading

import numpy as np
import pytest
import torch
from gru_reference import CPU, make_network
from torch import nn

from embrec.network import SequenceNetwork
from embrec.network.gru import GRUModule
from embrec.network.id_vectors import IdVectors
from embrec.network.items import PointItems, TowerItems, VectorItems
from embrec.network.transrec import TranslationModule
from embrec.network.weights import check_weights, copy_network, copy_weights, draw, fingerprint


def make_gru(embedding_size=3):
    return GRUModule(embedding_size, 5, 1, dropout=0.0, input_dropout=0.0, residual=True)


def make_towers(n_ids=0):
    own = [IdVectors(n_ids, dim) if n_ids else None for dim in (3, 1)]
    return SequenceNetwork(TowerItems((4,), 3, 6, 0.0, *own), make_gru())


def make_vectors(n_ids=7):
    return SequenceNetwork(VectorItems(n_ids, 3), make_gru())


def make_points(n_ids=7, n_users=4):
    return SequenceNetwork(PointItems(n_ids, 3), TranslationModule(3, n_users))


def test_a_copy_is_independent_and_has_the_same_fingerprint():
    network = make_network(n_layers=2)
    before = torch.random.get_rng_state()
    twin = copy_network(network.train(), CPU)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not twin.training
    assert fingerprint(twin) == fingerprint(network)
    with torch.no_grad():
        twin.encoder.initial += 1e-7
    assert fingerprint(twin) != fingerprint(network)


@pytest.mark.parametrize("make", [make_towers, make_vectors, make_points])
def test_a_seed_decides_and_the_global_state_is_left_alone(make):
    before = torch.random.get_rng_state()
    one, other = (draw(make, seed) for seed in (3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert fingerprint(draw(make, 3)) == fingerprint(one)
    assert fingerprint(other) != fingerprint(one)


def test_what_items_have_of_their_own_changes_no_other_weight():
    plain, with_ids = draw(make_towers, 3), draw(lambda: make_towers(7), 3)
    weights = with_ids.state_dict()
    for name, values in plain.state_dict().items():
        assert torch.equal(values, weights[name])
    few, many = draw(make_vectors, 3), draw(lambda: make_vectors(9), 3)
    for ours, theirs in zip(few.encoder.parameters(), many.encoder.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert few.items.id_vectors.weight.any()


@pytest.mark.parametrize("kept", [None, [0, 2, 6]])
def test_weights_are_copied_to_a_network_with_more_room(kept):
    torch.manual_seed(0)
    network, larger = make_points(7, 4), make_points(9, 6)
    for weights in (*network.parameters(), *larger.parameters()):
        nn.init.normal_(weights)
    network.items.set_support(torch.arange(7))
    before = {name: values.clone() for name, values in larger.state_dict().items()}
    copy_weights(network, larger, None if kept is None else np.array(kept))
    rows = list(range(7)) if kept is None else kept
    ours, theirs = network.state_dict(), larger.state_dict()
    for owner, places in (("items.id_vectors", rows), ("items.id_biases", rows)):
        for name in (f"{owner}.weight", f"{owner}.trust"):
            assert torch.equal(theirs[name][: len(places)], ours[name][places])
            assert torch.equal(theirs[name][len(places) :], before[name][len(places) :])
    users = "encoder.user_vectors.weight"  # which items are kept says nothing of users
    assert torch.equal(theirs[users][:4], ours[users])
    assert torch.equal(theirs[users][4:], before[users][4:])
    assert torch.equal(theirs["encoder.translation"], ours["encoder.translation"])


# ---- weights that a network is to be made for


@pytest.mark.parametrize("make", [make_towers, lambda: make_towers(7), make_vectors, make_points])
def test_its_own_weights_are_a_networks(make):
    weights = draw(make, 3).state_dict()
    before = torch.random.get_rng_state()
    check_weights(lambda: draw(make, 0), weights)
    assert torch.equal(torch.random.get_rng_state(), before)
    name = next(iter(weights))
    with pytest.raises(ValueError, match=rf"has {name} of shape \(.*\), but .* of shape None"):
        check_weights(make, {other: one for other, one in weights.items() if other != name})
    with pytest.raises(ValueError, match=rf"has {name} of shape \(.*\), but .* of shape \(0, 1\)"):
        check_weights(make, weights | {name: torch.empty(0, 1)})
    with pytest.raises(ValueError, match=r"has more of shape None, but .* of shape \(2,\)"):
        check_weights(make, {**weights, "more": torch.ones(2)})


@pytest.mark.parametrize("sizes", [(2**20, 1), (8, 2**40)], ids=["hidden size", "layers"])
def test_sizes_without_weights_take_neither_memory_nor_time(sizes):
    """The first would be of 12 TiB, the second would never be made."""

    def make():
        gru = GRUModule(3, *sizes, dropout=0.0, input_dropout=0.0, residual=True)
        return SequenceNetwork(VectorItems(7, 3), gru)

    with pytest.raises(ValueError, match=r"of shape|more layers than there are weights"):
        check_weights(make, draw(make_vectors, 3).state_dict())
    draw(make_vectors, 3)  # no limit is left behind


def test_other_threads_make_what_they_like():
    """Limits are those of one thread."""

    def check(stop):
        weights = draw(make_vectors, 3).state_dict()
        wrong = weights | {"encoder.initial": torch.zeros(99)}
        while not stop.is_set():
            with pytest.raises(ValueError, match="of shape"):
                check_weights(make_vectors, wrong)

    stop = threading.Event()
    thread = threading.Thread(target=check, args=(stop,))
    thread.start()
    try:
        for _ in range(30):
            assert len(nn.Sequential(*(nn.Linear(1, 1) for _ in range(100)))) == 100
            assert draw(make_towers, 3).encoder.initial.device == CPU
    finally:
        stop.set()
        thread.join()
