"""Item models: what they build from the sizes of a catalogue, and what they fit to it."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from embrec.components import (
    FixedItems,
    IdEmbeddings,
    ItemBias,
    ItemModel,
    ItemPoints,
    ItemTowers,
    ItemVectors,
)
from embrec.components.base import resolve

N_IDS = 7


@pytest.mark.parametrize(
    ("model", "widths", "knows_ids"),
    [
        (ItemTowers(3, 4), (6, 6), False),
        (ItemTowers(3, 4, ids=IdEmbeddings()), (6, 6), True),
        (ItemTowers(3, 4, bias=True), (6, 7), True),
        (ItemTowers(3, 4, ids=IdEmbeddings(), bias=ItemBias()), (6, 7), True),
        (FixedItems(3), (6, 6), False),
        (ItemVectors(3), (3, 4), True),
        (ItemPoints(3), (3, 4), True),
    ],
    ids=["towers", "ids", "bias", "ids and bias", "fixed", "vectors", "points"],
)
def test_widths_are_those_that_are_asked_for(model, widths, knows_ids):
    module = model._build((5, 2), N_IDS)
    assert (module.embedding_size, module.vector_size) == widths
    assert model.knows_ids is module.has_ids is knows_ids
    features = [torch.ones(4, 5), torch.ones(4, 2)]
    # one of them has nothing of its own
    vectors = module(features, torch.tensor([0, 6, 3, -1]))
    assert vectors.shape == (4, widths[1])
    assert module.query(torch.ones(2, widths[0])).shape == (2, widths[1])


def test_parameters_of_what_items_have_of_their_own_reach_it():
    ids = IdEmbeddings(0.2, bound=1.5, shrinkage=4.0)
    module = ItemTowers(3, 4, dropout=0.1, ids=ids, bias=ItemBias(2.0))._build((5,), N_IDS)
    own = module.id_vectors
    assert own.weight.shape == (N_IDS, 3)
    assert (own.dropout, own.bound) == (0.2, 1.5)
    assert module.towers[0].dropout == 0.1
    assert module.towers[0].weight.shape == (5, 4)
    module.set_support(torch.tensor([0.0, 1, 2, 3, 4, 8, 16]))
    assert own.trust[4].item() == pytest.approx(4 / (4 + 4))
    assert module.id_biases.trust[4].item() == pytest.approx(4 / (4 + 2))


def test_true_is_short_for_a_bias():
    plain = ItemTowers(bias=True)
    assert plain._build((2,), N_IDS).id_biases.shrinkage == ItemBias().shrinkage
    made = resolve("item_model", plain, ItemModel, {})
    assert made.bias.get_params() == ItemBias().get_params()
    assert plain.bias is True  # the user's own stays as it was


def test_towers_are_told_how_long_rows_are():
    dense = np.array([[3.0, 4.0], [0.0, 5.0]], dtype=np.float32)
    module = ItemTowers(3, 4)._build((2, 2), 0)
    sparse = sp.csr_array(2 * dense)
    ItemTowers(3, 4)._prepare(module, [dense, sparse], np.arange(2), np.random.RandomState(0))
    assert [tower.scale.item() for tower in module.towers] == pytest.approx([0.2, 0.1])


def test_fixed_items_are_cut_along_what_is_trained_on():
    """Wide features keep two directions, those of trained rows; narrow ones stay."""
    wide, narrow = np.zeros((4, 5), dtype=np.float32), np.eye(4, 2, dtype=np.float32)
    wide[:2, [1, 4]] = [[3, 0], [0, 2]]
    wide[2:, 0] = 100  # of items that nobody touched
    model = FixedItems(2)
    module = model._build((5, 2), 0)
    model._prepare(module, [wide, narrow], np.array([0, 1]), np.random.RandomState(0))
    cut, kept = (tower.projection for tower in module.towers)
    torch.testing.assert_close(cut.abs(), torch.eye(5)[:, [1, 4]], rtol=0, atol=1e-6)
    assert torch.equal(kept, torch.eye(2))


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (ItemTowers(0), "embedding_dim"),
        (ItemTowers(tower_size=0), "tower_size"),
        (ItemTowers(dropout=1.0), "dropout"),
        (ItemTowers(ids=0.5), "ids"),
        (ItemTowers(bias=2.0), "bias"),
        (ItemTowers(similarity="manhattan"), "similarity"),
        (ItemTowers(ids=IdEmbeddings(bound=-1)), "bound"),
        (ItemTowers(bias=ItemBias(-1)), "shrinkage"),
        (FixedItems(0), "embedding_dim"),
        (ItemVectors(0), "embedding_dim"),
        (ItemPoints(0), "embedding_dim"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_parameters_that_cannot_be(model, name):
    with pytest.raises(ValueError, match=f"'{name}' parameter of "):
        model.check()
