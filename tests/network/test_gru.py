"""The GRU on packed sequences, against one sequence at a time, step by step."""

import pytest
import torch
from gru_reference import CPU, VARIANTS, make_encoder, make_sequences, predictions_one_by_one
from torch import nn

from embrec.network.packing import pack


@pytest.fixture
def items():
    return torch.randn(20, 6, generator=torch.Generator().manual_seed(1))


def assert_packed_steps_are_those_one_by_one(encoder, items):
    sequences = make_sequences([3, 1, 5, 2, 5])
    batch = pack(sequences, with_targets=False, device=CPU)
    packed = encoder(items[batch.rows], batch.packing)
    for place, number in enumerate(batch.order):
        alone = predictions_one_by_one(encoder, items, sequences[number])
        start = 0
        for time, n_reaching in enumerate(batch.packing.batch_sizes.tolist()):
            if place < n_reaching:
                torch.testing.assert_close(packed[start + place], alone[time])
            start += n_reaching


@pytest.mark.parametrize(("n_layers", "residual"), VARIANTS)
@torch.no_grad()
def test_packed_steps_equal_steps_one_by_one(n_layers, residual, items):
    assert_packed_steps_are_those_one_by_one(make_encoder(n_layers, residual), items)


@pytest.mark.parametrize("n_layers", [1, 2])
@torch.no_grad()
def test_outputs_may_be_the_predictions_and_the_start_zero(n_layers, items):
    """GRU4Rec's."""
    options = {"hidden_size": 6, "projected": False, "learns_start": False}
    encoder = make_encoder(n_layers, residual=False, **options)
    assert encoder.output is None
    assert not encoder.initial_state(3).any()
    assert "initial" not in dict(encoder.named_parameters())
    assert_packed_steps_are_those_one_by_one(encoder, items)
    torch.testing.assert_close(encoder.read(encoder.initial_state(2)), torch.zeros(2, 6))


@pytest.mark.parametrize(("n_layers", "residual"), VARIANTS)
@torch.no_grad()
def test_single_steps_say_the_same(n_layers, residual, items):
    encoder = make_encoder(n_layers, residual)
    sequence = make_sequences([6])[0]
    alone = predictions_one_by_one(encoder, items, sequence)
    state = encoder.initial_state(1)
    for row, expected in zip(sequence.tolist(), alone, strict=True):
        state = encoder.advance(state, items[[row]])
        assert state.shape == (1, encoder.state_size)
        torch.testing.assert_close(encoder.read(state)[0], expected)


@pytest.mark.parametrize("place", ["input_dropout", "dropout"])
def test_dropout_acts_in_training_only(place, items):
    encoder = make_encoder(**{place: 0.5})
    batch = pack(make_sequences([5, 5]), with_targets=False, device=CPU)

    def run():
        return encoder(items[batch.rows], batch.packing)

    assert torch.equal(run(), run())
    encoder.train()
    assert not torch.equal(run(), run())


@torch.no_grad()
def test_dropout_acts_between_layers_too(items):
    """It shows in the state, which what is dropped from the last outputs does not reach."""
    encoder = make_encoder(n_layers=2, dropout=0.5)
    batch = pack(make_sequences([5, 5]), with_targets=False, device=CPU)

    def states():
        return encoder.final_state(items[batch.rows], batch.packing)

    assert torch.equal(states(), states())
    encoder.train()
    assert not torch.equal(states(), states())


@torch.no_grad()
def test_what_is_kept_is_scaled_to_the_same_mean():
    """The probability is that of dropping, not of keeping."""
    encoder = make_encoder(residual=False, dropout=0.9).train()
    nn.init.eye_(encoder.output.weight)
    nn.init.zeros_(encoder.output.bias)
    dropped = encoder._predict(torch.ones(4000, 7), torch.zeros(4000, 6))[:, :6]
    torch.testing.assert_close(dropped.unique(), torch.tensor([0.0, 10.0]))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.9, abs=0.02)
