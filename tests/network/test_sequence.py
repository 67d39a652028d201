"""What all encoders inherit, against faster or plainer ways."""

import pytest
import torch
from gru_reference import CPU, VARIANTS, make_encoder, make_sequences

from embrec.network import SequenceModule
from embrec.network.gru import GRUModule
from embrec.network.packing import pack


@pytest.mark.parametrize(("n_layers", "residual"), VARIANTS)
def test_final_states_step_by_step_are_those_of_one_pass(n_layers, residual):
    encoder = make_encoder(n_layers, residual).double()
    batch = pack(make_sequences([3, 1, 5, 2, 5]), with_targets=False, device=CPU)
    items = torch.randn(20, 6, generator=torch.Generator().manual_seed(1)).double()
    weights = torch.randn(5, encoder.state_size, generator=torch.Generator().manual_seed(2))
    found = []
    for final_state in (SequenceModule.final_state, type(encoder).final_state):
        encoder.zero_grad()
        vectors = items.clone().requires_grad_()
        states = final_state(encoder, vectors[batch.rows], batch.packing)
        (states * weights).sum().backward()
        gradients = [p.grad for p in encoder.gru.parameters()]
        found.append([states.detach(), vectors.grad, encoder.initial.grad, *gradients])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("residual", [True, False])
def test_prediction_of_the_first_item_trains_the_initial_state_alone(residual):
    encoder = make_encoder(residual=residual)
    first = encoder.read_first()
    torch.testing.assert_close(first, encoder.read(encoder.initial_state(1)))
    first.sum().backward()
    assert encoder.initial.grad.abs().sum() > 0
    others = [p for name, p in encoder.named_parameters() if name != "initial"]
    assert all(p.grad is None for p in others)
    # and the others are trained by what follows
    encoder.read(encoder.initial_state(1)).sum().backward()
    assert encoder.output.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("training", [True, False])
def test_prediction_of_the_first_item_drops_nothing_and_leaves_all_as_it_was(training):
    encoder = make_encoder(dropout=0.9).train(training)
    encoder.output.bias.requires_grad_(False)
    before = {name: p.requires_grad for name, p in encoder.named_parameters()}
    first = encoder.read_first()
    assert encoder.training == encoder.gru.training == training
    assert {name: p.requires_grad for name, p in encoder.named_parameters()} == before
    torch.testing.assert_close(first, encoder.eval().read(encoder.initial_state(1)))


def test_a_start_that_is_not_trained_predicts_no_first_item():
    options = {"hidden_size": 6, "projected": False, "learns_start": False}
    assert make_encoder(residual=False, **options).read_first() is None
    assert make_encoder().requires_grad_(False).read_first() is None


class Squashed(GRUModule):
    """One whose initial state is computed."""

    def initial_state(self, n):
        return torch.tanh(self.initial).repeat(n, 1)


def test_what_comes_first_does_not_depend_on_who_asks():
    module = Squashed(6, 7, 1, dropout=0.1, input_dropout=0.0, residual=True).train()
    module.gru.eval()
    first = module.read_first()
    assert first.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(module.read_first(), first.detach())
    assert (module.training, module.gru.training) == (True, False)
