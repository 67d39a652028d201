"""The battery of encoders: embrec's own pass it, and broken ones do not."""

import pytest
import torch

from embrec.components import (
    Encoder,
    EnsembleEncoder,
    GRUEncoder,
    ParallelEncoder,
    SelfAttentionEncoder,
)
from embrec.network import SequenceModule
from embrec.testing import check_encoder


class Window(Encoder):
    """Reads the mean of a history anew: it keeps no state."""

    def _build(self, embedding_size):
        return WindowModule(embedding_size)


class WindowModule(SequenceModule):
    state_size = 0

    def __init__(self, width):
        super().__init__()
        self.width = width
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.register_buffer("first", torch.zeros(width))

    def forward(self, x, packed):
        lanes = packed.lanes
        found = torch.empty_like(x)
        for lane in range(packed.n_sequences):
            mine = x[lanes == lane]
            counts = torch.arange(1, len(mine) + 1, dtype=x.dtype)[:, None]
            found[lanes == lane] = mine.cumsum(0) / counts * self.scale
        return found

    def initial_state(self, n):
        return self.scale.new_zeros(n, 0)

    def advance(self, state, x):
        return state

    def read(self, state):
        return self.first.expand(len(state), -1)


class Decay(Encoder):
    """A decaying mean of the history, with faults on demand."""

    def __init__(self, fault="none"):
        self.fault = fault

    def _build(self, embedding_size):
        return DecayModule(embedding_size, self.fault)


class DecayModule(SequenceModule):
    def __init__(self, width, fault):
        super().__init__()
        self.state_size = width
        self.fault = fault
        # numbers of tensors may be read: there are some
        self.rate = torch.nn.Parameter(torch.tensor(torch.linspace(0.3, 1, 2).numpy()[0].item()))

    def forward(self, x, packed):
        state, found, start = self.initial_state(packed.n_sequences), [], 0
        if self.fault == "company":
            x = x - x.mean()
        for n in packed.batch_sizes.tolist():
            state = self.advance(state[:n], x[start : start + n])
            found.append(self.read(state))
            start += n
        found = torch.cat(found)
        if self.fault == "packed":
            return found * 1.01
        if self.fault == "future":
            return found + x.flip(0).cumsum(0).flip(0) * 0.1
        if self.fault == "gradient":
            return found.detach() + 0 * x
        return found

    def initial_state(self, n):
        return self.rate.new_zeros(n, self.state_size - (self.fault == "shape"))

    def advance(self, state, x):
        return state + self.rate * (x - state)

    def read(self, state):
        return state / (0 if self.fault == "empty" else 1)


@pytest.mark.parametrize(
    "encoder",
    [
        GRUEncoder(7),
        GRUEncoder(5, n_layers=2, residual=False, dropout=0.5),
        SelfAttentionEncoder(),
        SelfAttentionEncoder(n_layers=2, n_heads=4, window=2, residual=False, dropout=0.5),
        ParallelEncoder(),
        EnsembleEncoder(),
        EnsembleEncoder([("mine", Decay()), ("gru", GRUEncoder(4))]),
        EnsembleEncoder([("mine", Window()), ("gru", GRUEncoder(4))]),
        Decay(),
        Window(),
    ],
    ids=str,
)
def test_encoders_that_pass(encoder):
    check_encoder(encoder)


PAIR = [("text", GRUEncoder(5, n_layers=2)), ("image", SelfAttentionEncoder(window=2))]


@pytest.mark.parametrize(
    ("encoder", "sources"),
    [
        (ParallelEncoder(), ["a", "b", "c"]),
        (ParallelEncoder(PAIR), ["text", "image"]),
        (ParallelEncoder(PAIR), ["image", "text"]),
        (ParallelEncoder([("text", Decay()), ("image", Window())]), ["text", "image"]),
        (ParallelEncoder([("text", EnsembleEncoder(PAIR)), ("image", Decay())]), ["text", "image"]),
        (EnsembleEncoder([("a", ParallelEncoder(PAIR)), ("b", Decay())]), ["text", "image"]),
    ],
    ids=str,
)
def test_encoders_of_several_sources_that_pass(encoder, sources):
    check_encoder(encoder, sources)


def test_a_fault_of_a_part_is_one_of_the_whole():
    faulty = ParallelEncoder([("text", Decay("packed")), ("image", Decay())])
    with pytest.raises(AssertionError, match="read after 1 advance must be what forward says"):
        check_encoder(faulty, ["text", "image"])


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("company", "must not depend on those beside it"),
        ("packed", "read after 1 advance must be what forward says after step 0"),
        ("future", "must not depend on"),
        ("gradient", "gradients must be those of the function"),
        ("shape", r"initial_state\(n\) must be \(n, state_size\)"),
        ("empty", "an empty history must have an answer"),
    ],
)
def test_the_broken_rule_is_named(fault, rule):
    with pytest.raises(AssertionError, match=rule):
        check_encoder(Decay(fault))


class Linear(Encoder):
    """One that builds something else."""

    def _build(self, embedding_size):
        return torch.nn.Linear(2, 2)


def test_what_is_no_encoder_is_said_to_be_none():
    with pytest.raises(AssertionError, match="must return a SequenceModule; got Linear"):
        check_encoder(Linear())
    with pytest.raises(TypeError, match="object of a subclass of Encoder; got the class Linear"):
        check_encoder(Linear)
