"""The loss of a batch, against one written out over sequences, steps and items."""

from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from embrec.data.ragged import Ragged
from embrec.network import Dropout, EmbRecNetwork, NetworkSize, to_feature_tensors
from embrec.network.packing import pack
from embrec.training import LossSettings
from embrec.training.objective import Objective

CPU = torch.device("cpu")
N_ITEMS = 9
COUNTS = np.arange(1, N_ITEMS + 1)


def make_problem(**size):
    torch.manual_seed(0)
    network = EmbRecNetwork(NetworkSize((6,), 4, 5, 7, **size), Dropout()).eval()
    for name, weights in network.named_parameters():
        if name.startswith("id_"):
            torch.nn.init.normal_(weights)
    rng = np.random.default_rng(0)
    features = to_feature_tensors([rng.normal(size=(N_ITEMS, 6)).astype(np.float32)], CPU)
    lengths = np.array([4, 2, 6, 3])
    sequences = Ragged.from_lengths(rng.integers(0, N_ITEMS, lengths.sum()), lengths)
    return network, features, sequences


def steps_of(network, items, sequences):
    """Yield prediction and next item of every step, one sequence at a time."""
    for number in range(len(sequences)):
        state = network.initial_states(1)
        rows = sequences[number].tolist()
        for row, following in pairwise(rows):
            state = network.advance(state, items[[row]])
            yield network.predict(state)[0], following


def contrast(name, scores, target, negatives, log_expected, regularization):
    """One step's loss, from the thesis' formulas."""
    others = [j for j in range(len(negatives)) if negatives[j] != target]
    rest = scores[negatives[others]]
    if name == "cross_entropy":
        corrected = torch.cat([scores[[target]], rest - log_expected[others]])
        return torch.logsumexp(corrected, 0) - scores[target]
    difference = scores[target] - rest
    if name == "bpr":
        return -F.logsigmoid(difference).mean()
    weights = torch.softmax(rest, 0)
    value = -torch.log((weights * torch.sigmoid(difference)).sum() + 1e-24)
    return value + regularization * (weights * rest**2).sum()


@pytest.mark.parametrize("n_negatives", [None, 5])
@pytest.mark.parametrize("name", ["cross_entropy", "bpr", "bpr_max"])
@pytest.mark.parametrize("size", [{}, {"n_ids": 9, "item_ids": True, "item_bias": True}], ids=str)
def test_the_loss_is_what_the_formulas_say(name, n_negatives, size):
    network, features, sequences = make_problem(**size)
    ids = torch.arange(N_ITEMS) if size else None
    settings = LossSettings(name, n_negatives, sample_alpha=0.5, bpr_max_reg=0.3)
    objective = Objective(settings, features, ids, COUNTS)
    batch = pack(sequences, with_targets=True, device=CPU)
    found = objective(network, batch, np.random.RandomState(3))

    negatives, log_expected = np.arange(N_ITEMS), torch.zeros(N_ITEMS)
    if n_negatives is not None:
        sample = objective._sampler.draw(np.random.RandomState(3))
        negatives, log_expected = sample.rows, torch.from_numpy(sample.log_expected)
    items = network.embed_items(features, ids)
    losses = [
        contrast(name, items @ predicted, target, negatives, log_expected, 0.3)
        for predicted, target in steps_of(network, items, sequences)
    ]
    first = items @ network.predict(network.initial_states(1))[0]
    starts = [
        contrast("cross_entropy", first, row, negatives, log_expected, 0)
        for row in sequences.values[sequences.offsets[:-1]].tolist()
    ]
    torch.testing.assert_close(found, torch.stack([*losses, *starts]).mean())


def test_sampled_items_get_the_gradient_of_embedding_everything():
    """Only what a batch needs is embedded; that must not show."""
    network, features, sequences = make_problem(n_ids=9, item_ids=True)
    batch = pack(sequences, with_targets=True, device=CPU)
    settings = LossSettings("cross_entropy", 5)
    objective = Objective(settings, features, torch.arange(N_ITEMS), COUNTS)
    objective(network, batch, np.random.RandomState(3)).backward()
    found = {name: p.grad.clone() for name, p in network.named_parameters()}
    network.zero_grad()
    sample = objective._sampler.draw(np.random.RandomState(3))
    items = network.embed_items(features, torch.arange(N_ITEMS))
    log_expected = torch.from_numpy(sample.log_expected)
    drawn = torch.from_numpy(sample.rows), log_expected
    objective._loss(network, items, batch, drawn).backward()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-4, atol=1e-6)


def test_negatives_are_drawn_anew_at_every_call():
    network, features, sequences = make_problem()
    objective = Objective(LossSettings("cross_entropy", 3), features, None, COUNTS)
    batch, rng = pack(sequences, with_targets=True, device=CPU), np.random.RandomState(0)
    assert len({float(objective(network, batch, rng).detach()) for _ in range(10)}) > 5


def test_corrected_samples_estimate_the_loss_over_all_items():
    """The mean over many draws of a large sample comes near; without the correction it does not."""
    network, features, sequences = make_problem()
    batch = pack(sequences, with_targets=True, device=CPU)

    def mean_loss(n_negatives, **loss):
        objective = Objective(
            LossSettings("cross_entropy", n_negatives, **loss), features, None, COUNTS
        )
        rng = np.random.RandomState(0)
        with torch.no_grad():
            return float(np.mean([float(objective(network, batch, rng)) for _ in range(20)]))

    full = mean_loss(None)
    assert mean_loss(5000) == pytest.approx(full, abs=0.01)
    assert mean_loss(5000, logq=False) > full + 1


def test_cosine_distance_uses_fixed_items():
    network, features, sequences = make_problem(fixed_items=True)
    objective = Objective(LossSettings("cosine"), features, None, COUNTS)
    batch = pack(sequences, with_targets=True, device=CPU)
    loss = objective(network, batch, np.random.RandomState(0))
    items = network.embed_items(features)
    torch.testing.assert_close(items, F.normalize(features[0][:, :4], dim=1))
    distances, starts = [], []
    for predicted, target in steps_of(network, items, sequences):
        distances.append(1 - F.cosine_similarity(predicted, items[target], dim=0))
    first = items @ network.predict(network.initial_states(1))[0]
    for row in sequences.values[sequences.offsets[:-1]].tolist():
        starts.append(torch.logsumexp(first, 0) - first[row])
    torch.testing.assert_close(loss, torch.stack([*distances, *starts]).mean())
    loss.backward()
    assert network.output.weight.grad.abs().sum() > 0
