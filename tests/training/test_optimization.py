"""Steps of the optimiser, against torch's own written out."""

import copy

import numpy as np
import pytest
import torch
from small_network import small_network

from embrec.components import Adagrad, Adam
from embrec.network import Packing
from embrec.network.id_vectors import IdVectors
from embrec.training.adagrad import AdagradWithMomentum
from embrec.training.optimization import Optimization


def make_network(bound=None):
    return small_network(6, 4, 5, 7, own=(IdVectors(9, 4, bound=bound), None))


def loss_of(network, ids=None):
    """Some function of all weights."""
    ids = torch.arange(9) if ids is None else ids
    items = network.embed_items([torch.ones(len(ids), 6)], ids)
    steps = network.predict_steps(items, Packing(torch.tensor([len(ids)])))
    return (steps**2).sum() + (items + 1).pow(2).sum() + network.predict_first().sum()


def rates(recipe, n_steps):
    network = make_network()
    optimization = Optimization(network, recipe, n_steps)
    found = []
    for _ in range(n_steps):
        optimization.step(loss_of(network))
        found.append(optimization._optimizers[0].param_groups[0]["lr"])
    return found


def test_constant_rate():
    assert rates(Adam(0.1), 4) == [0.1] * 4


def test_linear_fall():
    assert rates(Adam(0.1, schedule="linear"), 4) == pytest.approx([0.1, 0.075, 0.05, 0.025])


def test_cosine_fall():
    expected = 0.05 * (1 + np.cos(np.pi * np.arange(4) / 4))
    assert rates(Adam(0.1, schedule="cosine"), 4) == pytest.approx(expected)


def test_warmup_comes_first():
    found = rates(Adam(0.1, schedule="linear", warmup_steps=3), 7)
    assert found == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.075, 0.05, 0.025])


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_step_is_adams(decay):
    network, reference = make_network(), make_network()
    optimization = Optimization(network, Adam(0.01, weight_decay=decay), 10)
    named = dict(reference.named_parameters())
    undecayed = [k for k, p in named.items() if p.ndim <= 1 or "id_vectors" in k]
    assert "items.id_vectors.weight" in undecayed
    matrices = [p for k, p in named.items() if k not in undecayed]
    others = [named[k] for k in undecayed]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=0.01)
    for _ in range(3):
        optimization.step(loss_of(network))
        adam.zero_grad()
        loss_of(reference).backward()
        adam.step()
    for ours, theirs in zip(network.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sparse", [False, True])
def test_long_gradients_are_cut_all_together(sparse):
    network, reference = make_network(), make_network()
    recipe = Adam(0.01, max_grad_norm=0.5)
    Optimization(network, recipe, 10, sparse_ids=sparse).step(loss_of(network))
    loss_of(reference).backward()
    torch.nn.utils.clip_grad_norm_(reference.parameters(), 0.5)
    for ours, theirs in zip(network.parameters(), reference.parameters(), strict=True):
        gradient = ours.grad.to_dense() if ours.grad.is_sparse else ours.grad
        torch.testing.assert_close(gradient, theirs.grad)


def test_short_gradients_stay():
    network, reference = make_network(), make_network()
    Optimization(network, Adam(0.01, max_grad_norm=1e9), 10).step(loss_of(network))
    loss_of(reference).backward()
    for ours, theirs in zip(network.parameters(), reference.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize("sparse", [False, True])
def test_id_vectors_keep_within_their_bound(sparse):
    network = make_network(bound=0.3)
    optimization = Optimization(network, Adam(0.5), 10, sparse_ids=sparse)
    for _ in range(5):
        optimization.step(loss_of(network))
    norms = network.items.id_vectors.weight.norm(dim=1)
    assert norms.max() <= 0.3 + 1e-6
    assert norms.min() > 0.1


def test_sparse_ids_change_only_where_they_were_used():
    network = make_network()
    optimization = Optimization(network, Adam(0.5), 10, sparse_ids=True)
    optimization.step(loss_of(network, torch.tensor([2, 5, 2])))
    changed = network.items.id_vectors.weight.abs().sum(dim=1) > 0
    assert changed.nonzero().flatten().tolist() == [2, 5]


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(
    "recipe",
    [
        Adam(0.05, schedule="cosine", warmup_steps=2, weight_decay=0.1),
        Adagrad(0.05, momentum=0.3, schedule="cosine", warmup_steps=2),
    ],
    ids=["adam", "adagrad"],
)
def test_goes_on_from_its_state_as_if_never_stopped(recipe, sparse):
    network = make_network()
    optimization = Optimization(network, recipe, 8, sparse_ids=sparse)
    for _ in range(4):
        optimization.step(loss_of(network))
    resumed = make_network()
    resumed.load_state_dict(network.state_dict())
    again = Optimization(resumed, recipe, 8, sparse_ids=sparse)
    again.load_state_dict(copy.deepcopy(optimization.state_dict()))
    for _ in range(4):
        optimization.step(loss_of(network))
        again.step(loss_of(resumed))
    for ours, theirs in zip(network.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_step_is_adagrads(sparse):
    network, reference = make_network(), make_network()
    recipe = Adagrad(0.1, momentum=0.3)
    optimization = Optimization(network, recipe, 10, sparse_ids=sparse)
    adagrad = AdagradWithMomentum(reference.parameters(), lr=0.1, momentum=0.3)
    for _ in range(3):
        optimization.step(loss_of(network))
        adagrad.zero_grad()
        loss_of(reference).backward()
        adagrad.step()
    for ours, theirs in zip(network.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
