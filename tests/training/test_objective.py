"""The loss of a batch, against one written out over sequences, steps and items."""

from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_network import own_of, small_network

from embrec.components import BPR, BPRMax, CosineDistance, CrossEntropy
from embrec.data.events import Events
from embrec.data.ragged import Ragged
from embrec.network import SequenceNetwork, to_feature_tensors
from embrec.network.gru import GRUModule
from embrec.network.items import PointItems, UnitItems
from embrec.network.packing import pack
from embrec.network.transrec import TranslationModule, TransRecNetwork
from embrec.training.negatives import NegativeSampler
from embrec.training.objective import Objective

CPU = torch.device("cpu")
N_ITEMS = 9
COUNTS = np.arange(1, N_ITEMS + 1)
LOSSES = {"cross_entropy": CrossEntropy(), "bpr": BPR(), "bpr_max": BPRMax(0.3)}


def make_problem(*, with_own=False):
    own = own_of(N_ITEMS, 4) if with_own else (None, None)
    network = small_network(6, 4, 5, 7, own=own).eval()
    for module in own if with_own else ():
        torch.nn.init.normal_(module.weight)
    rng = np.random.default_rng(0)
    features = to_feature_tensors([rng.normal(size=(N_ITEMS, 6)).astype(np.float32)], CPU)
    lengths = np.array([4, 2, 6, 3])
    sequences = Ragged.from_lengths(rng.integers(0, N_ITEMS, lengths.sum()), lengths)
    return network, features, sequences


def sampler_of(n_negatives, alpha=1.0, **options):
    return n_negatives and NegativeSampler(COUNTS, n_negatives, alpha, **options)


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
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("with_own", [False, True])
def test_the_loss_is_what_the_formulas_say(name, n_negatives, with_own):
    network, features, sequences = make_problem(with_own=with_own)
    ids = torch.arange(N_ITEMS) if with_own else None
    sampler = sampler_of(n_negatives, 0.5)
    objective = Objective(LOSSES[name]._build(), sampler, features, ids)
    assert objective.is_sampled == (n_negatives is not None)
    batch = pack(sequences, with_targets=True, device=CPU)
    found = objective(network, batch, np.random.RandomState(3))

    negatives, log_expected = np.arange(N_ITEMS), torch.zeros(N_ITEMS)
    if n_negatives is not None:
        sample = sampler.draw(np.random.RandomState(3))
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


@pytest.mark.parametrize("logq", [True, False])
def test_next_items_of_a_batch_are_negatives_too(logq):
    network, features, sequences = make_problem()
    sampler = sampler_of(5, 0.5, in_batch=True, logq=logq)
    objective = Objective(CrossEntropy()._build(), sampler, features, None)
    batch = pack(sequences, with_targets=True, device=CPU)
    found = objective(network, batch, np.random.RandomState(3))
    targets = [row for i in range(len(sequences)) for row in sequences[i][1:].tolist()]
    drawn = sampler.draw(np.random.RandomState(3), np.array(targets))
    assert len(drawn.rows) == 5 + len(targets)
    expected = torch.from_numpy(drawn.log_expected)
    items = network.embed_items(features)
    losses = [
        contrast("cross_entropy", items @ query, target, drawn.rows, logq * expected, 0)
        for query, target in steps_of(network, items, sequences)
    ]
    first = items @ network.predict(network.initial_states(1))[0]
    # first items are corrected for always: they train nothing but what comes first
    starts = [
        contrast("cross_entropy", first, row, drawn.rows, expected, 0)
        for row in sequences.values[sequences.offsets[:-1]].tolist()
    ]
    torch.testing.assert_close(found, torch.stack([*losses, *starts]).mean())


def test_sampled_items_get_the_gradient_of_embedding_everything():
    """Only what a batch needs is embedded; that must not show."""
    network, features, sequences = make_problem(with_own=True)
    batch = pack(sequences, with_targets=True, device=CPU)
    sampler = sampler_of(5)
    objective = Objective(CrossEntropy()._build(), sampler, features, torch.arange(N_ITEMS))
    objective(network, batch, np.random.RandomState(3)).backward()
    found = {name: p.grad.clone() for name, p in network.named_parameters()}
    network.zero_grad()
    sample = sampler.draw(np.random.RandomState(3))
    items = network.embed_items(features, torch.arange(N_ITEMS))
    log_expected = torch.from_numpy(sample.log_expected)
    drawn = torch.from_numpy(sample.rows), log_expected
    objective._loss(network, items, batch, drawn).backward()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-4, atol=1e-6)


def test_negatives_are_drawn_anew_at_every_call():
    network, features, sequences = make_problem()
    objective = Objective(CrossEntropy()._build(), sampler_of(3), features, None)
    batch, rng = pack(sequences, with_targets=True, device=CPU), np.random.RandomState(0)
    assert len({float(objective(network, batch, rng).detach()) for _ in range(10)}) > 5


def test_corrected_samples_estimate_the_loss_over_all_items():
    """The mean over many draws of a large sample comes near; without the correction it does not."""
    network, features, sequences = make_problem()
    batch = pack(sequences, with_targets=True, device=CPU)

    def mean_loss(sampler):
        objective = Objective(CrossEntropy()._build(), sampler, features, None)
        rng = np.random.RandomState(0)
        with torch.no_grad():
            return float(np.mean([float(objective(network, batch, rng)) for _ in range(20)]))

    full = mean_loss(None)
    assert mean_loss(sampler_of(5000)) == pytest.approx(full, abs=0.01)
    assert mean_loss(sampler_of(5000, logq=False)) > full + 1


def test_cosine_distance_uses_fixed_items():
    _, features, sequences = make_problem()
    torch.manual_seed(0)
    encoder = GRUModule(4, 7, 1, dropout=0.0, input_dropout=0.0, residual=True)
    network = SequenceNetwork(UnitItems((6,), 4), encoder).eval()
    objective = Objective(CosineDistance()._build(), None, features, None)
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
    assert encoder.output.weight.grad.abs().sum() > 0


def test_a_network_may_add_a_penalty_and_train_no_start():
    _, _, sequences = make_problem()
    torch.manual_seed(0)
    points, encoder = PointItems(N_ITEMS, 3), TranslationModule(3, 0)
    points.draw_own()
    torch.nn.init.normal_(encoder.translation)
    batch = pack(sequences, with_targets=True, device=CPU)
    sampler = sampler_of(5)
    objective = Objective(BPR()._build(), sampler, [], torch.arange(N_ITEMS))
    network = TransRecNetwork(points, encoder, 0.3)
    found = objective(network, batch, np.random.RandomState(3))
    sample = sampler.draw(np.random.RandomState(3))
    items = network.embed_items([], torch.arange(N_ITEMS))
    negatives = torch.from_numpy(sample.rows)
    steps = [
        contrast("bpr", items @ predicted, target, negatives.numpy(), None, 0)
        for predicted, target in steps_of(network, items, sequences)
    ]
    expected = torch.stack(steps).mean() + network.penalty(items, batch, negatives)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("n_negatives", [None, 5])
@pytest.mark.parametrize("weights", [[0, 1, 0, 1], [2, 0.5, 1, 0]], ids=["some", "unequal"])
def test_next_items_count_as_much_as_their_events_weigh(n_negatives, weights):
    network, features, sequences = make_problem()
    of_event = np.resize(np.float32(weights), len(sequences.values))
    weighed = sequences.with_events(Events(weights=of_event))
    sampler = sampler_of(n_negatives)
    objective = Objective(CrossEntropy()._build(), sampler, features, None)
    batch = pack(weighed, with_targets=True, device=CPU)
    found = objective(network, batch, np.random.RandomState(3))

    negatives, log_expected = np.arange(N_ITEMS), torch.zeros(N_ITEMS)
    if n_negatives is not None:
        sample = sampler.draw(np.random.RandomState(3))
        negatives, log_expected = sample.rows, torch.from_numpy(sample.log_expected)
    items = network.embed_items(features)
    total = 0.0
    is_first = np.isin(np.arange(len(of_event)), sequences.offsets[:-1])
    steps = steps_of(network, items, sequences)
    start = network.predict(network.initial_states(1))[0]
    for place, row in enumerate(sequences.values.tolist()):
        predicted = start if is_first[place] else next(steps)[0]
        scores = items @ predicted
        loss = contrast("cross_entropy", scores, row, negatives, log_expected, 0)
        total = total + of_event[place] * loss
    # by the number of events: one in a batch of little weight moves little
    torch.testing.assert_close(found, total / len(of_event))


def test_weights_of_zero_and_one_are_for_any_loss():
    """A loss of one's own that knows no weights is not asked about what does not count."""
    network, features, sequences = make_problem()
    seen = []

    def loss(predicted, items, targets, negatives, *, log_expected):
        seen.append(targets.tolist())
        return predicted.sum()

    objective = Objective(loss, None, features, None)
    weights = np.float32([5, 0, 1, 0, 5, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0])
    batch = pack(sequences.with_events(Events(weights=weights)), with_targets=True, device=CPU)
    objective(network, batch, np.random.RandomState(0))
    assert sorted(seen[0]) == sorted(sequences.values[[2, 5, 7, 10]].tolist())
    batch = pack(sequences.with_events(Events(weights=weights + 1)), with_targets=True, device=CPU)
    with pytest.raises(ValueError, match="need a loss that takes weights=, .*this one does not"):
        objective(network, batch, np.random.RandomState(0))


def test_a_batch_in_which_nothing_counts_costs_nothing():
    network, features, sequences = make_problem()
    weights = np.zeros(len(sequences.values), dtype=np.float32)
    batch = pack(sequences.with_events(Events(weights=weights)), with_targets=True, device=CPU)
    objective = Objective(CrossEntropy()._build(), None, features, None)
    loss = objective(network, batch, np.random.RandomState(0))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not any(p.grad.any() for p in network.parameters() if p.grad is not None)
