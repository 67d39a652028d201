"""How weights are changed: by hand, from gradients that are given."""

import pytest
import torch
from torch import nn

from embrec.components import Adagrad, Adam


def parameter(values, gradient):
    weights = nn.Parameter(torch.tensor(values))
    weights.grad = torch.tensor(gradient)
    return weights


def sparse_parameter():
    """Three rows, of which a step used the second."""
    weights = nn.Parameter(torch.ones(3, 2))
    used = nn.functional.embedding(torch.tensor([1]), weights, sparse=True)
    (used * torch.tensor([0.5, -0.5])).sum().backward()
    return weights


def take_a_step(made):
    for optimizer in made:
        optimizer.step()


def test_the_first_step_of_adam_is_as_long_as_the_rate():
    weights = parameter([[1.0, 2.0]], [[0.3, -7.0]])
    take_a_step(Adam(0.1)._build([weights], [], []))
    torch.testing.assert_close(weights.data, torch.tensor([[0.9, 2.1]]))


def test_weight_decay_acts_on_what_it_may_and_apart_from_the_gradient():
    decayed, other = parameter([[4.0]], [[0.0]]), parameter([4.0], [0.0])
    take_a_step(Adam(0.1, weight_decay=0.5)._build([decayed, other], [decayed], []))
    torch.testing.assert_close(decayed.data, torch.tensor([[4 * (1 - 0.1 * 0.5)]]))
    assert other.item() == 4


@pytest.mark.parametrize("recipe", [Adam(0.1), Adagrad(0.1, momentum=0.9)], ids=["adam", "adagrad"])
def test_of_sparse_weights_only_the_rows_change_that_were_used(recipe):
    weights = sparse_parameter()
    take_a_step(recipe._build([], [], [weights]))
    expected = torch.tensor([[1.0, 1.0], [0.9, 1.1], [1.0, 1.0]])
    torch.testing.assert_close(weights.data, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("recipe", [Adam(), Adagrad()], ids=["adam", "adagrad"])
def test_each_weight_is_in_one_optimizer(recipe):
    dense, sparse = [nn.Parameter(torch.ones(2, 2)) for _ in range(3)], [sparse_parameter()]
    made = recipe._build(dense, dense[:2], sparse)
    found = [p for one in made for group in one.param_groups for p in group["params"]]
    assert sorted(map(id, found)) == sorted(map(id, [*dense, *sparse]))


def test_adagrad_divides_by_all_gradients_so_far_and_keeps_its_way():
    weights = parameter([1.0], [3.0])
    (made,) = Adagrad(0.1, momentum=0.5)._build([weights], [], [])
    made.step()
    assert weights.item() == pytest.approx(1 - 0.1)
    weights.grad = torch.tensor([4.0])
    made.step()
    assert weights.item() == pytest.approx(0.9 - 0.5 * 0.1 - 0.1 * 4 / 5)


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        (Adam(0), "learning_rate"),
        (Adam(weight_decay=-0.1), "weight_decay"),
        (Adam(schedule="step"), "schedule"),
        (Adagrad(momentum=1.0), "momentum"),
        (Adagrad(warmup_steps=-1), "warmup_steps"),
        (Adagrad(max_grad_norm=0.0), "max_grad_norm"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parameters_that_cannot_be(recipe, name):
    with pytest.raises(ValueError, match=f"'{name}' parameter of {type(recipe).__name__}"):
        recipe.check()
