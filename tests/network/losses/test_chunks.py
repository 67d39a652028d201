"""Losses in bounded memory: what is cut into chunks is as good as whole, and as small as said."""

import itertools
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from loss_formulas import (
    DTYPES,
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
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from embrec.network.losses import cross_entropy
from embrec.network.losses.chunks import Gradient, contrast

each_kind = pytest.mark.parametrize(
    ("sampled", "precision"),
    [(False, None), (True, None), (True, torch.bfloat16)],
    ids=["all", "sampled", "bfloat16"],
)


@each_loss
@each_choice
@each_dtype
@pytest.mark.parametrize("chunk", [1, 5, 100])
def test_value_and_gradients(loss, sampled, dtype, chunk):
    predicted, items, targets = inputs(dtype=dtype)
    negatives = draws(sampled)
    n_scores = len(items if negatives is None else negatives)
    memory = chunk * dtype.itemsize * n_scores
    assert_follows_formula(loss, predicted, items, targets, negatives, memory=memory)


@each_loss
@each_choice
@pytest.mark.parametrize("memory", [None, 1, 239, 2**40])
def test_any_memory_will_do(loss, sampled, memory):
    assert_follows_formula(loss, *inputs(), draws(sampled), memory=memory)


@each_loss
@each_choice
@pytest.mark.parametrize("chunk", [7, 70, 129, 300, 530])
def test_many_steps(loss, sampled, chunk):
    arguments = *inputs(150, 9, 3), draws(sampled, 9, 8)
    assert_follows_formula(loss, *arguments, memory=chunk * 8 * (8 if sampled else 9))


@each_loss
@pytest.mark.parametrize("memory", [None, 1])
def test_no_draws_at_all_cost_nothing(loss, memory):
    predicted, items, _ = inputs()
    assert_costs_nothing(loss, predicted, items, torch.tensor([], dtype=torch.int64), memory)


@each_loss
@each_choice
def test_upstream_gradients_scale(loss, sampled):
    predicted, items, targets = inputs()
    arguments = targets, draws(sampled)
    single = value_and_gradients(loss, predicted, items, *arguments)
    for factor in (3.0, -0.5):
        scaled = value_and_gradients(
            lambda *a, f=factor: f * loss(*a), predicted, items, *arguments
        )
        torch.testing.assert_close(scaled, tuple(factor * tensor for tensor in single))


@each_loss
@each_choice
@pytest.mark.parametrize("memory", [None, 1])
def test_gradients_of_one_input_alone(loss, sampled, memory):
    predicted, items, targets = inputs()
    arguments = targets, draws(sampled)
    expected = value_and_gradients(loss, predicted, items, *arguments, memory=memory)
    for place in (0, 1):
        tensors = [predicted.clone(), items.clone()]
        tensors[place].requires_grad_()
        loss(*tensors, *arguments, memory=memory).backward()
        torch.testing.assert_close(tensors[place].grad, expected[1 + place])
        assert tensors[1 - place].grad is None


@each_loss
@each_choice
def test_without_gradients(loss, sampled):
    predicted, items, targets = inputs()
    arguments = targets, draws(sampled)
    expected = value_and_gradients(loss, predicted, items, *arguments)[0]
    plain = loss(predicted, items, *arguments)
    assert not plain.requires_grad
    torch.testing.assert_close(plain, expected)
    with torch.no_grad():
        within = loss(predicted.requires_grad_(), items.requires_grad_(), *arguments)
    assert not within.requires_grad
    torch.testing.assert_close(within, expected)


@each_loss
@each_choice
def test_gradients_flow_on_and_add_up(loss, sampled):
    predicted, items, targets = inputs()
    negatives = draws(sampled)

    def tied(function, parameters):
        """The predictions come from the items, and two losses share the items."""
        embedded = parameters.tanh()
        queries = embedded[:13] @ torch.ones(6, 6).double().triu()
        return function(queries, embedded, targets, negatives) + 2 * function(
            predicted, embedded, targets, negatives
        )

    found, expected = (
        torch.autograd.functional.jacobian(partial(tied, function), items)
        for function in (loss, partial(reference, loss))
    )
    torch.testing.assert_close(found, expected)


@each_loss
@each_choice
@pytest.mark.parametrize("memory", [None, 1])
def test_inputs_are_left_alone(loss, sampled, memory):
    predicted, items, targets = inputs()
    negatives = draws(sampled)
    log_expected = corrections(negatives) if sampled and loss is cross_entropy else None
    options = {} if log_expected is None else {"log_expected": log_expected}
    tensors = [predicted, items, targets, negatives, log_expected]
    tensors = [tensor for tensor in tensors if tensor is not None]
    before = [tensor.clone() for tensor in tensors]
    predicted.requires_grad_()
    items.requires_grad_()
    loss(predicted, items, targets, negatives, memory=memory, **options).backward()
    assert all(torch.equal(one, other) for one, other in zip(tensors, before, strict=True))


@each_loss
@each_choice
def test_inputs_of_any_layout(loss, sampled):
    predicted, items, targets = inputs()
    columns, spread = items.T.contiguous().T, predicted.repeat_interleave(2, 0)[::2]
    assert not columns.is_contiguous()
    assert not spread.is_contiguous()
    assert_follows_formula(loss, spread, columns, targets, draws(sampled), memory=300)
    one, every_second = predicted[:1].expand(13, -1), targets.repeat_interleave(2)[::2]
    torch.set_warn_always(True)
    try:
        assert_follows_formula(loss, one, items, every_second, draws(sampled), memory=300)
    finally:
        torch.set_warn_always(False)


@each_loss
@each_choice
@each_dtype
def test_precision_of_the_inputs_is_the_default(loss, sampled, dtype):
    arguments = *inputs(dtype=dtype), draws(sampled)
    default = value_and_gradients(loss, *arguments)
    same = value_and_gradients(loss, *arguments, precision=dtype)
    assert all(torch.equal(one, other) for one, other in zip(same, default, strict=True))
    for precision in DTYPES:
        found = value_and_gradients(loss, *arguments, precision=precision)
        assert_equal_up_to_rounding(found, default, torch.float32)


@each_loss
@each_kind
def test_two_runs_are_equal_bit_by_bit(loss, sampled, precision):
    predicted, items, targets = inputs(40, 2000, 8, dtype=torch.float32)
    arguments = predicted, items, targets, draws(sampled, 2000, 2000)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, second = (
            value_and_gradients(loss, *arguments, memory=2**19, precision=precision)
            for _ in range(2)
        )
    finally:
        torch.set_num_threads(n_threads)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


MEMORY = 2**16
N_STEPS, N_ITEMS, D = 512, 4096, 8


class LargestTensor(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that any operation gives."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        outputs = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]
        self.numel = max([self.numel, *(tensor.numel() for tensor in tensors)])
        return outputs


def largest_tensor(run):
    with LargestTensor() as noted:
        run()
    return noted.numel


def most_bytes_at_a_time(run):
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    events = profiler.profiler.kineto_results.events()
    changes = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    in_order = sorted(changes, key=lambda change: change[0])
    return max(itertools.accumulate(n_bytes for _, n_bytes in in_order))


def large_run(function, sampled, **options):
    predicted, items, targets = inputs(N_STEPS, N_ITEMS, D, dtype=torch.float32)
    negatives = draws(sampled, N_ITEMS, N_ITEMS)
    predicted.requires_grad_()
    items.requires_grad_()
    return lambda: function(predicted, items, targets, negatives, **options).backward()


def whole_cross_entropy(predicted, items, targets, negatives):
    return F.cross_entropy(predicted @ items.T, targets)


def test_the_meters_see_a_whole_score_matrix():
    run = large_run(whole_cross_entropy, sampled=False)
    assert largest_tensor(run) == N_STEPS * N_ITEMS
    assert most_bytes_at_a_time(run) >= 4 * N_STEPS * N_ITEMS


@each_loss
@each_kind
def test_no_tensor_is_larger_than_allowed(loss, sampled, precision):
    largest = largest_tensor(large_run(loss, sampled, memory=MEMORY, precision=precision))
    assert largest <= max(4 * MEMORY // 4, 2 * N_ITEMS * D) < N_STEPS * N_ITEMS / 8


@each_loss
def test_all_tensors_together_are_small(loss):
    """A few of the size of a chunk, of the items, and of the predictions; the scores are 8 MiB."""
    allowed = 6 * MEMORY + 6 * 4 * N_ITEMS * D + 6 * 4 * N_STEPS * D
    run = large_run(loss, sampled=True, memory=MEMORY)
    assert most_bytes_at_a_time(run) <= allowed < 4 * N_STEPS * N_ITEMS / 4


@each_loss
def test_second_derivatives_are_refused(loss):
    predicted, items, targets = inputs()
    predicted.requires_grad_()
    (gradient,) = torch.autograd.grad(
        loss(predicted, items, targets) ** 2, predicted, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.pow(2).sum().backward()


# what a kernel is shown


@pytest.mark.parametrize("n_buffers", [1, 4])
@each_choice
def test_a_kernel_sees_every_score_once_and_no_more_at_a_time_than_fit(sampled, n_buffers):
    predicted, items, targets = inputs()
    negatives = draws(sampled)
    candidates = torch.arange(29) if negatives is None else negatives
    seen, own = [], torch.zeros(len(candidates), 13, dtype=torch.bool)

    def kernel(chunk):
        start = sum(part.shape[1] for part in seen)
        seen.append(chunk.scores.clone())
        own[chunk.own[0], start + chunk.own[1]] = True
        chunk.scores.zero_()
        assert chunk.bounded
        return Gradient(loss=chunk.target_scores, targets=torch.zeros(len(chunk.target_scores)))

    memory = 5 * 8 * len(candidates) * n_buffers
    found = contrast(predicted, items, targets, negatives, kernel, n_buffers, memory, None)
    assert [part.shape[1] for part in seen] == [5, 5, 3]
    torch.testing.assert_close(torch.cat(seen, dim=1), items[candidates] @ predicted.T)
    assert torch.equal(own, candidates[:, None] == targets)
    torch.testing.assert_close(found, (predicted * items[targets]).sum() / 13)


def test_a_kernel_is_told_of_scores_that_may_be_large():
    told = []

    def kernel(chunk):
        told.append(chunk.bounded)
        chunk.scores.zero_()
        return Gradient(loss=chunk.target_scores, targets=torch.zeros(1))

    for length in (7.0, 9.0):  # products of up to 49 and 81
        predicted, items = torch.full((1, 1), length), torch.tensor([[1.0], [-length]])
        contrast(predicted, items, torch.tensor([0]), None, kernel, 1, None, None)
    assert told == [True, False]
