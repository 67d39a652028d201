"""What every component is held to: broken ones are named."""

import pytest
import torch

from embrec.components import Adam, BPRMax, Encoder, GRUEncoder, Loss, Optimizer, ParallelEncoder
from embrec.testing.components import check_gradient, check_parameters, full_names


class Careless(Encoder):
    """One that takes whatever it is given."""

    def __init__(self, **more):
        self.more = more

    def _build(self, embedding_size):
        return None


class Forgetful(Encoder):
    """One that does not store what it is given."""

    def __init__(self, width=3):
        pass

    def _build(self, embedding_size):
        return None


class Plain(Encoder):
    """One that stores whatever it is given."""

    def __init__(self, width=3):
        self.width = width

    def _build(self, embedding_size):
        return None


class Corrects(Plain):
    """One that changes a parameter where it should only look."""

    def check(self):
        self.width = abs(self.width)


@pytest.mark.parametrize(
    ("component", "kind"),
    [(GRUEncoder(3), Encoder), (BPRMax(0.2), Loss), (Adam(schedule="cosine"), Optimizer)],
    ids=["encoder", "loss", "optimizer"],
)
def test_components_that_pass(component, kind):
    before = component.get_params()
    check_parameters(component, kind)
    assert component.get_params() == before


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (GRUEncoder, TypeError, "object of a subclass of Encoder; got the class GRUEncoder"),
        ("gru", TypeError, "object of a subclass of Encoder; got 'gru'"),
        (Adam(), TypeError, r"object of a subclass of Encoder; got Adam\(\)"),
        (Careless(), AssertionError, "must name its parameters"),
        (Forgetful(), AssertionError, r"must store width as self\.width"),
        (Corrects(-3), AssertionError, "what JSON gave back has other parameters"),
        (Plain((1, 2)), ValueError, r"width of Plain is \(1, 2\)"),
        (GRUEncoder(0), ValueError, "'hidden_size' parameter of GRUEncoder"),
    ],
    ids=["class", "word", "kind", "**", "not stored", "corrects", "no JSON", "bad value"],
)
def test_what_is_wrong_is_named(wrong, error, message):
    with pytest.raises(error, match=message):
        check_parameters(wrong, Encoder)


def test_the_name_is_the_one_to_be_trusted():
    gru = "embrec.components.encoders.GRUEncoder"
    assert full_names(GRUEncoder()) == [gru]
    parallel = ParallelEncoder([("text", GRUEncoder()), ("image", GRUEncoder())])
    assert full_names(parallel) == ["embrec.components.parallel.ParallelEncoder", gru, gru]


# ---- gradients


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_true_gradients_pass_and_inputs_stay():
    x, unused = leaf(0.3, -2.0, 1.0), leaf(5.0)
    check_gradient(lambda: (x**3).sum() + x.prod(), [x, unused])
    torch.testing.assert_close(x.detach(), leaf(0.3, -2.0, 1.0).detach())
    assert x.grad is None


@pytest.mark.parametrize(
    "change",
    [lambda x: x.detach() + 0 * x, lambda x: x + (x - x.detach()) * 0.01, lambda x: 2 * x - x.data],
    ids=["none", "a hundredth more", "twice"],
)
def test_gradients_of_something_else_are_told(change):
    x = leaf(0.3, -2.0, 1.0)
    with pytest.raises(AssertionError, match="gradients must be those of the function: they say"):
        check_gradient(lambda: (change(x) ** 2).sum(), [x])
