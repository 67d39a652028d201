"""Self-attention on packed sequences, against loops over items in float64."""

import math

import numpy as np
import pytest
import torch
from gru_reference import CPU, make_sequences
from torch import nn

from embrec.network.attention import Lanes, SelfAttentionModule
from embrec.network.packing import pack

SIZE = 6
#: layers, heads, window, residual
VARIANTS = [(1, 1, 50, True), (2, 2, 3, True), (2, 4, 2, False), (3, 2, 1, True), (2, 2, 50, False)]


def make_encoder(n_layers=2, n_heads=2, window=3, residual=True, **dropout):
    """Blocks with biases and a start that are not 0."""
    torch.manual_seed(0)
    options = {"dropout": 0.0, "input_dropout": 0.0, **dropout}
    encoder = SelfAttentionModule(
        SIZE, n_layers, n_heads=n_heads, window=window, residual=residual, **options
    )
    nn.init.normal_(encoder.initial)
    for block in encoder.blocks:
        nn.init.normal_(block.distance_bias)
    return encoder.eval()


def layer_norm(x, norm):
    weight, bias = (p.detach().double().numpy() for p in (norm.weight, norm.bias))
    return (x - x.mean()) / math.sqrt(x.var() + norm.eps) * weight + bias


def linear(x, layer):
    return layer.weight.detach().double().numpy() @ x + layer.bias.detach().double().numpy()


def gelu(x):
    return np.array([0.5 * value * (1 + math.erf(value / math.sqrt(2))) for value in x])


def attended(block, queries, keys, values, now):
    """What one step sees, head by head, item by item."""
    width = len(queries[0]) // block.n_heads
    bias, found = block.distance_bias.detach().double().numpy(), []
    for head in range(block.n_heads):
        part = slice(head * width, (head + 1) * width)
        seen = range(max(0, now - block.window + 1), now + 1)
        scores = [
            queries[now][part] @ keys[then][part] / math.sqrt(width) + bias[head, now - then]
            for then in seen
        ]
        weights = np.exp(np.array(scores) - max(scores))
        weights /= weights.sum()
        found.append(sum(w * values[then][part] for w, then in zip(weights, seen, strict=True)))
    return np.concatenate(found)


def predictions_one_by_one(encoder, vectors):
    """ê after each step of one sequence."""
    below = list(vectors)
    for block in encoder.blocks:
        parts = [np.split(linear(layer_norm(x, block.norm), block.reads), 3) for x in below]
        queries, keys, values = zip(*parts, strict=True)
        above = []
        for now, x in enumerate(below):
            x = x + linear(attended(block, queries, keys, values, now), block.adds)
            widened = gelu(linear(layer_norm(x, block.step_norm), block.widens))
            above.append(x + linear(widened, block.narrows))
        below = above
    found = [layer_norm(x, encoder.norm) for x in below]
    return np.array(found) / 10 + (np.array(vectors) if encoder.residual else 0)


@pytest.fixture
def items():
    return torch.randn(20, SIZE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("lengths", [[3, 1, 5, 2, 5], [9, 8, 4, 1], [1, 1]], ids=str)
@torch.no_grad()
def test_packed_steps_are_those_of_the_formula(variant, lengths, items):
    encoder, sequences = make_encoder(*variant), make_sequences(lengths)
    batch = pack(sequences, with_targets=False, device=CPU)
    found = encoder(items[batch.rows], batch.packing)
    last = encoder.predict_last(items[batch.rows], batch.packing)
    for lane, number in enumerate(batch.order):
        vectors = items[sequences[number].tolist()].double().numpy()
        expected = predictions_one_by_one(encoder, vectors)
        np.testing.assert_allclose(found[batch.packing.lanes == lane], expected, atol=1e-5)
        np.testing.assert_allclose(last[lane], expected[-1], atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@torch.no_grad()
def test_single_steps_say_the_same_however_long(variant, items):
    """A session's window moves on, and what has left it is forgotten in the same way."""
    encoder, sequence = make_encoder(*variant), make_sequences([11])[0].tolist()
    expected = predictions_one_by_one(encoder, items[sequence].double().numpy())
    state = encoder.initial_state(1)
    for row, prediction in zip(sequence, expected, strict=True):
        state = encoder.advance(state, items[[row]])
        assert state.shape == (1, encoder.state_size)
        np.testing.assert_allclose(encoder.read(state)[0], prediction, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@torch.no_grad()
def test_states_of_one_pass_are_those_of_single_steps(variant, items):
    encoder = make_encoder(*variant)
    batch = pack(make_sequences([3, 1, 5, 2, 5]), with_targets=False, device=CPU)
    x = items[batch.rows]
    found = encoder.final_state(x, batch.packing)
    torch.testing.assert_close(found, super(type(encoder), encoder).final_state(x, batch.packing))


@torch.no_grad()
def test_what_is_too_long_ago_is_not_seen(items):
    """Blocks on blocks see further: two of 3 items reach back over 2 + 2."""
    encoder, sequence = make_encoder(n_layers=2, window=3), make_sequences([9])[0].tolist()
    packing = pack(make_sequences([9]), with_targets=False, device=CPU).packing
    x = items[sequence]
    for place, is_seen in ((3, False), (4, True), (8, True)):
        changed = x.clone()
        changed[place] += torch.randn(SIZE)
        same = torch.equal(encoder(changed, packing)[-1], encoder(x, packing)[-1])
        assert same != is_seen


@pytest.mark.parametrize("mode", ["training", "evaluation", "evaluation without gradients"])
def test_short_histories_beside_long_ones_have_numbers(mode, items):
    """RecTools 0.19's SASRec answers NaN for these in evaluation without gradients."""
    encoder = make_encoder(window=50, dropout=0.2, input_dropout=0.2).train(mode == "training")
    batch = pack(make_sequences([50, 1, 1, 2]), with_targets=False, device=CPU)
    with torch.set_grad_enabled(mode != "evaluation without gradients"):
        found = encoder(items[batch.rows], batch.packing)
    assert torch.isfinite(found).all()
    if mode != "evaluation without gradients":
        found.sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)


@pytest.mark.parametrize("place", ["input_dropout", "dropout"])
def test_dropout_acts_in_training_only(place, items):
    encoder = make_encoder(**{place: 0.5})
    batch = pack(make_sequences([5, 5]), with_targets=False, device=CPU)

    def run():
        return encoder(items[batch.rows], batch.packing)

    assert torch.equal(run(), run())
    encoder.train()
    assert not torch.equal(run(), run())


@pytest.mark.parametrize("lengths", [[1], [7, 7, 7], [9, 8, 5, 4, 4, 2, 1, 1], [64, 33, 32, 31]])
def test_lanes_hold_each_step_once_and_little_else(lengths):
    packing = pack(make_sequences(lengths), with_targets=False, device=CPU).packing
    lanes = Lanes.of(packing, CPU)
    flat = torch.cat([rows.flatten() for rows in lanes.groups])
    assert torch.equal(flat[lanes.places], torch.arange(sum(lengths)))
    assert len(flat) <= 2 * sum(lengths)
    assert torch.equal(packing.lengths, torch.tensor(sorted(lengths, reverse=True)))
    lane = 0
    for rows in lanes.groups:  # each row is one sequence, in order
        for row in rows:
            n = sorted(lengths, reverse=True)[lane]
            assert (packing.lanes[row[:n]] == lane).all()
            assert (row[:n].diff() > 0).all()
            lane += 1
    assert lane == len(lengths)
