"""Encoders: what is built from the width of items' embeddings."""

import pytest
import torch

from embrec.components import Encoder, GRUEncoder, SelfAttentionEncoder
from embrec.network.packing import Packing


@pytest.mark.parametrize("residual", [True, False])
def test_the_last_item_is_added_if_asked_for(residual):
    module = GRUEncoder(7, residual=residual)._build(5).eval()
    torch.nn.init.zeros_(module.output.weight)
    torch.nn.init.zeros_(module.output.bias)
    items = torch.randn(3, 5)
    found = module(items, Packing(torch.tensor([2, 1])))
    torch.testing.assert_close(found, items if residual else torch.zeros(3, 5))


@pytest.mark.parametrize("n_layers", [1, 3])
def test_a_state_is_as_wide_as_all_layers(n_layers):
    module = GRUEncoder(7, n_layers=n_layers)._build(5).eval()
    state = module.initial_state(2)
    assert state[:, : n_layers * 7].shape == (2, n_layers * 7)
    state = module.advance(state, torch.randn(2, 5))
    assert state.shape == (2, module.state_size)
    assert module.read(state).shape == (2, 5)


def test_what_is_dropped_is_dropped_in_training_alone():
    for dropped in ({"dropout": 0.0}, {"input_dropout": 0.0}):
        options = {"dropout": 0.5, "input_dropout": 0.5} | dropped
        module = GRUEncoder(7, n_layers=2, **options)._build(5)
        assert (module.dropout, module.input_dropout) == tuple(options.values())
        assert module.gru.dropout == options["dropout"]
        items, packed = torch.randn(8, 5), Packing(torch.tensor([4, 4]))
        assert not torch.equal(module(items, packed), module(items, packed))
        module.eval()
        assert torch.equal(module(items, packed), module(items, packed))


def test_weights_are_drawn_from_torchs_generator():
    built = []
    with torch.random.fork_rng(devices=[]):
        for seed in (0, 0, 1):
            torch.default_generator.manual_seed(seed)
            built.append(torch.cat([p.flatten() for p in GRUEncoder(3)._build(2).parameters()]))
    assert torch.equal(built[0], built[1])
    assert not torch.equal(built[0], built[2])


@pytest.mark.parametrize(
    ("encoder", "name"),
    [
        (GRUEncoder(0), "hidden_size"),
        (GRUEncoder(n_layers=0), "n_layers"),
        (GRUEncoder(dropout=1.0), "dropout"),
        (GRUEncoder(input_dropout=-0.1), "input_dropout"),
        (GRUEncoder(residual="no"), "residual"),
        (SelfAttentionEncoder(n_layers=0), "n_layers"),
        (SelfAttentionEncoder(n_heads=0), "n_heads"),
        (SelfAttentionEncoder(window=0), "window"),
        (SelfAttentionEncoder(dropout=1.0), "dropout"),
        (SelfAttentionEncoder(input_dropout=-0.1), "input_dropout"),
        (SelfAttentionEncoder(residual="no"), "residual"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parameters_that_cannot_be(encoder, name):
    with pytest.raises(ValueError, match=f"'{name}' parameter of {type(encoder).__name__}"):
        encoder.check()


def test_parameters_of_attention_reach_the_module():
    options = {"n_layers": 3, "n_heads": 2, "window": 4, "dropout": 0.1, "input_dropout": 0.2}
    module = SelfAttentionEncoder(residual=False, **options)._build(5)
    assert (module.window, module.dropout, module.input_dropout) == (4, 0.1, 0.2)
    assert [(b.n_heads, b.window, b.dropout) for b in module.blocks] == [(2, 4, 0.1)] * 3
    assert module.state_size == 3 * 2 * 4 * 6 + 5 + 1  # two heads read 3 numbers each
    assert not module.residual


def test_an_encoder_must_build_something():
    with pytest.raises(TypeError, match="abstract"):
        Encoder()
