"""The losses that set the next item against others, against their formulas in float64."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_formulas import (
    CORRECTED,
    LOSSES,
    assert_costs_nothing,
    assert_equal_up_to_rounding,
    assert_follows_formula,
    corrections,
    draws,
    each_choice,
    each_dtype,
    each_loss,
    inputs,
    reference,
    value_and_gradients,
)

from embrec.data.ragged import Ragged
from embrec.network import SequenceNetwork
from embrec.network.gru import GRUModule
from embrec.network.items import TowerItems
from embrec.network.losses import bpr_max, cross_entropy, smooth_ndcg
from embrec.network.packing import pack

each_corrected = pytest.mark.parametrize("loss", CORRECTED, ids=lambda loss: loss.__name__)


@each_corrected
@pytest.mark.parametrize("memory", [None, 1, 300])
@each_dtype
def test_correction_of_samples(loss, memory, dtype):
    negatives = draws(True)
    assert_follows_formula(
        loss,
        *inputs(dtype=dtype),
        negatives,
        log_expected=corrections(negatives).to(dtype),
        memory=memory,
    )


@each_choice
@pytest.mark.parametrize("regularization", [0.0, 0.3, 20.0])
def test_regularization_of_bpr_max(sampled, regularization):
    assert_follows_formula(bpr_max, *inputs(), draws(sampled), regularization=regularization)


@each_loss
@each_choice
@each_dtype
@pytest.mark.parametrize("memory", [None, 1, 300])
@pytest.mark.parametrize("scale", [1, 30])
def test_steps_may_count_differently(loss, sampled, dtype, memory, scale):
    weights = torch.linspace(0, 3, 13, dtype=dtype)
    drawn = draws(sampled)
    options = {"memory": memory, "weights": weights}
    assert_follows_formula(loss, *inputs(dtype=dtype, scale=scale), drawn, **options)
    assert_follows_formula(loss, *inputs(dtype=dtype), drawn, **options)


@each_choice
@pytest.mark.parametrize("weight", [0.0, 0.1, 3.0])
def test_weight_of_cross_entropy_beside_ndcg(sampled, weight):
    arguments = *inputs(), draws(sampled)
    assert_follows_formula(smooth_ndcg, *arguments, cross_entropy_weight=weight)


def test_smooth_ndcg_of_far_apart_scores_is_ndcg():
    """The next item is at rank 1 + the negatives above it, and half those that tie."""
    items = 1000 * torch.tensor([[0.0], [3.0], [1.0], [0.0], [-2.0], [-1.0]]).double()
    predicted, targets = torch.ones(1, 1).double(), torch.tensor([0])
    for negatives, rank in ((None, 3.5), (torch.tensor([4, 5]), 1), (torch.tensor([1, 1, 4]), 3)):
        found = smooth_ndcg(predicted, items, targets, negatives, cross_entropy_weight=0.0)
        assert found.item() == pytest.approx(1 - 1 / math.log2(1 + rank))


@settings(deadline=None, max_examples=60)
@given(
    loss=st.sampled_from(LOSSES),
    shape=st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(1, 3)),
    n_negatives=st.none() | st.integers(1, 8),
    memory=st.integers(1, 400),
    seed=st.integers(0, 2**31 - 1),
)
def test_small_shapes(loss, shape, n_negatives, memory, seed):
    n_steps, n_items, d = shape
    generator = torch.Generator().manual_seed(seed)
    predicted = torch.randn(n_steps, d, generator=generator, dtype=torch.float64)
    items = torch.randn(n_items, d, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, n_items, (n_steps,), generator=generator)
    negatives, options = None, {}
    if n_negatives is not None:
        negatives = torch.randint(0, n_items, (n_negatives,), generator=generator)
        if loss in CORRECTED:
            options["log_expected"] = torch.randn(n_negatives, generator=generator).double()
    assert_follows_formula(loss, predicted, items, targets, negatives, memory=memory, **options)


@each_loss
@each_choice
def test_gradcheck(loss, sampled):
    predicted, items, targets = inputs(5, 7, 3)
    negatives = draws(sampled, 7, 6)
    options = {"log_expected": corrections(negatives)} if sampled and loss in CORRECTED else {}
    assert torch.autograd.gradcheck(
        lambda p, e: loss(p, e, targets, negatives, memory=2 * 8 * 7, **options),
        (predicted.requires_grad_(), items.requires_grad_()),
    )


@pytest.mark.parametrize("memory", [None, 1, 3 * 8 * 29])
def test_cross_entropy_over_all_items_is_torchs(memory):
    predicted, items, targets = inputs()
    found = value_and_gradients(cross_entropy, predicted, items, targets, memory=memory)
    expected = value_and_gradients(
        lambda p, e, t: F.cross_entropy(p @ e.T, t), predicted, items, targets
    )
    assert_equal_up_to_rounding(found, expected, torch.float64)


def test_all_items_drawn_once_are_all_items():
    for loss in LOSSES:
        predicted, items, targets = inputs()
        found = value_and_gradients(loss, predicted, items, targets, torch.arange(29))
        expected = value_and_gradients(loss, predicted, items, targets)
        assert_equal_up_to_rounding(found, expected, torch.float64)


@each_loss
@pytest.mark.parametrize("memory", [None, 1])
def test_negatives_drawn_twice_count_twice(loss, memory):
    negatives = torch.tensor([5, 5, 5, 11, 11, 20])
    assert_follows_formula(loss, *inputs(), negatives, memory=memory)


@each_loss
@pytest.mark.parametrize("memory", [None, 1])
def test_a_drawn_target_is_left_out_of_its_own_steps_only(loss, memory):
    predicted, items, _ = inputs(3)
    targets, negatives = torch.tensor([3, 8, 3]), torch.tensor([3, 12, 3])
    found = value_and_gradients(loss, predicted, items, targets, negatives, memory=memory)
    alone = [
        value_and_gradients(loss, predicted[[step]], items, targets[[step]], left)[0]
        for step, left in enumerate([negatives[1:2], negatives, negatives[1:2]])
    ]
    torch.testing.assert_close(found[0], torch.stack(alone).mean())
    assert_follows_formula(loss, predicted, items, targets, negatives, memory=memory)


@each_loss
@each_dtype
@pytest.mark.parametrize("scale", [1, 30])
@pytest.mark.parametrize("memory", [None, 1])
def test_no_negatives_left_costs_nothing(loss, dtype, scale, memory):
    predicted, items, _ = inputs(n_items=5, dtype=dtype, scale=scale)
    assert_costs_nothing(loss, predicted, items[:1], None, memory)
    for n_draws in (1, 4):
        negatives = torch.zeros(n_draws, dtype=torch.int64)
        assert_costs_nothing(loss, predicted, items[:1], negatives, memory)
        assert_costs_nothing(loss, predicted, items, negatives, memory)


@each_loss
@pytest.mark.parametrize("memory", [None, 1])
def test_steps_without_negatives_count_in_the_mean(loss, memory):
    predicted, items, _ = inputs(4)
    targets, negatives = torch.tensor([3, 8, 3, 9]), torch.tensor([3, 3])
    found = value_and_gradients(loss, predicted, items, targets, negatives, memory=memory)
    others = value_and_gradients(loss, predicted[1::2], items, torch.tensor([8, 9]), negatives)
    torch.testing.assert_close(found[0], others[0] / 2)
    assert (found[1][::2] == 0).all()
    assert_follows_formula(loss, predicted, items, targets, negatives, memory=memory)


@each_loss
@each_choice
def test_a_single_step(loss, sampled):
    assert_follows_formula(loss, *inputs(1), draws(sampled))


@each_loss
@each_choice
def test_order_does_not_matter(loss, sampled):
    predicted, items, targets = inputs()
    negatives = draws(sampled)
    expected = loss(predicted, items, targets, negatives)
    rng = np.random.default_rng(0)
    rows, steps = (torch.from_numpy(rng.permutation(n)) for n in (29, 13))
    places = torch.argsort(rows)
    if sampled:
        shuffled = negatives[torch.from_numpy(rng.permutation(len(negatives)))]
        torch.testing.assert_close(loss(predicted, items, targets, shuffled), expected)
        negatives = places[shuffled]
    found = loss(predicted[steps], items[rows], places[targets[steps]], negatives)
    torch.testing.assert_close(found, expected)


@each_corrected
def test_corrections_go_with_their_draws(loss):
    negatives, order = draws(True), torch.randperm(17, generator=torch.Generator().manual_seed(0))
    log_expected = corrections(negatives)
    expected = loss(*inputs(), negatives, log_expected=log_expected)
    found = loss(*inputs(), negatives[order], log_expected=log_expected[order])
    torch.testing.assert_close(found, expected)


def test_corrected_draws_estimate_the_partition_function():
    """exp(loss) of one step is the partition function, up to a factor that is not drawn."""
    predicted, items, _ = inputs(1, 12, 4)
    targets = torch.tensor([3])
    probabilities = torch.arange(1.0, 13) / 78
    n_draws, n_repeats = 8, 1000
    generator = torch.Generator().manual_seed(0)
    drawn = torch.multinomial(
        probabilities.expand(n_repeats, -1), n_draws, replacement=True, generator=generator
    )
    log_expected = (n_draws * probabilities).log().double()
    whole = cross_entropy(predicted, items, targets).exp()
    estimates, uncorrected = (
        torch.stack(
            [cross_entropy(predicted, items, targets, row, log_expected=log[row]) for row in drawn]
        ).exp()
        for log in (log_expected, torch.full((12,), math.log(n_draws / 12)).double())
    )
    standard_error = estimates.std() / math.sqrt(n_repeats)
    assert standard_error < 0.05 * whole
    assert (estimates.mean() - whole).abs() < 3 * standard_error
    assert (uncorrected.mean() - whole).abs() > 6 * standard_error


def test_corrected_draws_estimate_the_rank():
    """What the loss says of one step is the rank, up to a function that is not linear."""
    predicted, items, _ = inputs(1, 12, 4)
    targets = torch.tensor([3])
    probabilities = torch.arange(1.0, 13) / 78
    n_draws, n_repeats = 8, 1000
    generator = torch.Generator().manual_seed(0)
    drawn = torch.multinomial(
        probabilities.expand(n_repeats, -1), n_draws, replacement=True, generator=generator
    )
    log_expected = (n_draws * probabilities).log().double()

    def rank(*sample, **options):
        loss = smooth_ndcg(predicted, items, targets, *sample, cross_entropy_weight=0.0, **options)
        return 2 ** (1 / (1 - loss)) - 1

    estimates = torch.stack([rank(row, log_expected=log_expected[row]) for row in drawn])
    standard_error = estimates.std() / math.sqrt(n_repeats)
    assert standard_error < 0.05 * rank()
    assert (estimates.mean() - rank()).abs() < 3 * standard_error


@each_loss
@each_choice
def test_packed_steps_are_the_steps_of_all_sequences(loss, sampled):
    torch.manual_seed(0)
    gru = GRUModule(6, 7, 1, dropout=0.0, input_dropout=0.0, residual=True)
    network = SequenceNetwork(TowerItems((5, 4), 3, 6), gru).double().eval()
    items = torch.randn(20, 6, generator=torch.Generator().manual_seed(1)).double()
    rows = torch.randint(0, 20, (17,), generator=torch.Generator().manual_seed(2)).numpy()
    sequences = Ragged.from_lengths(rows.astype(np.int32), np.array([3, 2, 6, 2, 4]))
    negatives = draws(sampled, 20, 9)

    def packed(items):
        batch = pack(sequences, with_targets=True, device=torch.device("cpu"))
        predicted = network.predict_steps(items[batch.rows], batch.packing)
        return loss(predicted, items, batch.targets, negatives, memory=300)

    def one_by_one(items):
        losses = []
        for sequence in sequences:
            state = network.initial_states(1)
            for row, following in itertools.pairwise(sequence):
                state = network.advance(state, items[[int(row)]])
                target = torch.tensor([int(following)])
                losses.append(reference(loss, network.predict(state), items, target, negatives))
        assert len(losses) == 2 + 1 + 5 + 1 + 3
        return torch.stack(losses).mean()

    torch.testing.assert_close(packed(items), one_by_one(items))
    torch.testing.assert_close(
        torch.autograd.functional.jacobian(packed, items),
        torch.autograd.functional.jacobian(one_by_one, items),
    )


@each_corrected
def test_corrections_are_of_a_sample(loss):
    with pytest.raises(ValueError, match="log_expected is of sampled negatives; got none"):
        loss(*inputs(), log_expected=torch.zeros(29))
