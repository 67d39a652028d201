"""Components: resolved, described as JSON, made again."""

import json

import numpy as np
import pytest
from sklearn.base import clone

import embrec.components as components
from embrec.baselines.gru4rec import GRU4RecEncoder
from embrec.baselines.transrec import TranslationEncoder
from embrec.components import (
    Adam,
    BPRMax,
    Component,
    Encoder,
    GRUEncoder,
    IdEmbeddings,
    ItemBias,
    ItemTowers,
    SampledNegatives,
)
from embrec.components.base import changed_parameters, describe, make, resolve

CONCRETE = [
    kind
    for kind in (getattr(components, name) for name in components.__all__)
    if not getattr(kind, "__abstractmethods__", None) and kind is not Component
]
ALL = [*(kind() for kind in CONCRETE), GRU4RecEncoder(), TranslationEncoder()]


class Own(Encoder):
    """Somebody else's."""

    def __init__(self, width=3):
        self.width = width

    def _build(self, embedding_size):
        return None


class Odd(Own):
    """One with a parameter that JSON cannot hold."""

    def __init__(self, width=(1, 2)):
        self.width = width


@pytest.mark.parametrize("component", ALL, ids=lambda c: type(c).__name__)
def test_defaults_are_good_and_survive_json(component):
    component.check()
    described = json.loads(json.dumps(describe(component)))
    again = make(described)
    assert type(again) is type(component)
    assert describe(again) == described
    assert describe(clone(component)) == described


def test_parts_of_parts_survive_json():
    towers = ItemTowers(np.int64(8), ids=IdEmbeddings(0.1), bias=ItemBias(2.0))
    again = make(json.loads(json.dumps(describe(towers))))
    assert again.ids.get_params() == {"dropout": 0.1, "bound": 3.0, "shrinkage": 10.0}
    assert (again.embedding_dim, again.bias.shrinkage) == (8, 2.0)


def test_types_of_others_must_be_trusted():
    described = describe(Own(4))
    name = described["type"]
    assert name.endswith("test_base.Own")
    with pytest.raises(ValueError, match=rf"pass trusted=\['{name}'\]"):
        make(described)
    with pytest.raises(ValueError, match="cannot be imported here"):
        make({"type": "nowhere.at_all.Thing", "params": {}}, trusted=["nowhere.at_all.Thing"])
    with pytest.raises(ValueError, match="is no component of embrec"):
        make({"type": "collections.OrderedDict", "params": {}}, ["collections.OrderedDict"])
    with pytest.raises(ValueError, match="must be numbers, words, None or components"):
        describe(Odd())
    hidden = type("Hidden", (Own,), {})
    with pytest.raises(ValueError, match="Nobody could load a Hidden again"):
        describe(hidden())
    with pytest.raises(ValueError, match="'dropout' parameter of GRUEncoder"):
        make({"type": "GRUEncoder", "params": {"dropout": 7}})


def test_strings_objects_and_mistakes():
    short = {"gru": GRUEncoder}
    assert resolve("encoder", "gru", Encoder, short).get_params() == GRUEncoder().get_params()
    mine = GRUEncoder(np.int32(5), residual=np.True_)
    found = resolve("encoder", mine, Encoder, short)
    assert found is not mine
    assert (type(found.hidden_size), type(found.residual)) == (int, bool)
    with pytest.raises(ValueError, match=r"got 'grru'\. Did you mean 'gru'\?"):
        resolve("encoder", "grru", Encoder, short)
    with pytest.raises(TypeError, match=r"got the class GRUEncoder\. Pass GRUEncoder\(\)"):
        resolve("encoder", GRUEncoder, Encoder, short)
    with pytest.raises(TypeError, match=r"encoder must be 'gru' or an Encoder; got Adam\(\)"):
        resolve("encoder", Adam(), Encoder, short)
    with pytest.raises(ValueError, match="hidden_size"):
        resolve("encoder", GRUEncoder(0), Encoder, short)
    with pytest.raises(ValueError, match="shrinkage"):
        resolve("m", ItemTowers(ids=IdEmbeddings(shrinkage=-1)), components.ItemModel, {})


def test_what_weights_depend_on():
    assert changed_parameters(GRUEncoder(5), GRUEncoder(5, dropout=0.9), "encoder") == {}
    changed = changed_parameters(GRUEncoder(5), GRUEncoder(6, residual=False), "encoder")
    assert changed == {"encoder__hidden_size": (5, 6), "encoder__residual": (True, False)}
    own = ItemTowers(ids=IdEmbeddings(0.1))
    assert changed_parameters(own, ItemTowers(ids=IdEmbeddings(0.2)), "m") == {}
    assert changed_parameters(own, ItemTowers(), "m") == {"m__ids": ("IdEmbeddings()", None)}
    assert changed_parameters(BPRMax(), SampledNegatives(), "x") == {
        "x": ("BPRMax", "SampledNegatives")
    }
