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
    EnsembleEncoder,
    GRUEncoder,
    IdEmbeddings,
    ItemBias,
    ItemTowers,
    ParallelEncoder,
    SampledNegatives,
    SelfAttentionEncoder,
)
from embrec.components.base import (
    changed_parameters,
    describe,
    listed,
    make,
    resolve,
    with_all_within,
)

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
    with pytest.raises(ValueError, match="numbers, words, None, components or lists of"):
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


# ---- lists of named components


def pair(**changes):
    parts = {"text": GRUEncoder(4), "image": SelfAttentionEncoder()} | changes
    return ParallelEncoder([*parts.items()])


def test_what_is_a_list_of_components():
    one, other = GRUEncoder(4), GRUEncoder(5)
    assert listed([("a", one), ["b", other]]) == {"a": one, "b": other}
    for none in (None, "gru", [], {"a": one}, [one], [("a", one, 2)], [("a", "gru")], [(1, one)]):
        assert listed(none) == {}


def test_parts_of_a_list_are_parameters_by_name():
    encoder = pair()
    params = encoder.get_params()
    assert params["text"] is encoder.encoders[0][1]
    assert params["image__window"] == 50
    assert {*encoder.get_params(deep=False)} == {"encoders"}
    assert encoder.set_params(text__hidden_size=9, image__window=3) is encoder
    assert (encoder.encoders[0][1].hidden_size, encoder.encoders[1][1].window) == (9, 3)
    copy = clone(encoder)
    assert copy.get_params()["text__hidden_size"] == 9
    assert copy.encoders[0][1] is not encoder.encoders[0][1]


def test_a_part_is_replaced_by_name_before_it_is_changed_and_after_the_list_is():
    given = [("a", GRUEncoder(1)), ("b", GRUEncoder(2))]
    replaced = GRUEncoder(7)
    encoder = pair().set_params(b__dropout=0.1, a=replaced, encoders=given, a__n_layers=2)
    assert encoder.encoders[0] == ("a", replaced)
    assert (replaced.hidden_size, replaced.n_layers) == (7, 2)
    assert encoder.encoders[1][1].dropout == 0.1
    assert given[0][1] is not replaced  # the list that was passed stays as it is
    assert pair().set_params(encoders=given, a__dropout=0.2).encoders is given


def test_parts_within_parts_are_reached():
    encoder = pair(text=EnsembleEncoder([("gru", GRUEncoder(3))]))
    assert encoder.set_params(text__gru__hidden_size=8).get_params()["text__gru__hidden_size"] == 8
    assert [type(part).__name__ for part in with_all_within(encoder)] == [
        "ParallelEncoder",
        "EnsembleEncoder",
        "GRUEncoder",
        "SelfAttentionEncoder",
    ]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"txt__window": 3}, ValueError, r"no parameter 'txt'\. Did you mean 'text'\?"),
        ({"txt": GRUEncoder()}, ValueError, "Its parameters are encoders, text, image"),
        ({"text__width": 3}, ValueError, "GRUEncoder has no parameter 'width'"),
        ({"text": "attention"}, TypeError, r"text must have parameters, such as .*got 'attention'"),
        ({"encoders": None, "text": GRUEncoder()}, ValueError, "no parameter 'text'"),
    ],
    ids=str,
)
def test_names_that_no_part_has(changes, error, message):
    encoder = pair()
    with pytest.raises(error, match=message):
        encoder.set_params(**changes)
    assert encoder.get_params()["text__hidden_size"] == 4


def test_lists_survive_json_and_need_trust_within():
    again = make(json.loads(json.dumps(describe(pair()))))
    assert isinstance(again.encoders[0], tuple)
    assert again.get_params()["text__hidden_size"] == 4
    assert list(dict(again.encoders)) == ["text", "image"]
    described = describe(pair(text=Own(3)))
    name = f"{Own.__module__}.Own"
    with pytest.raises(ValueError, match=rf"pass trusted=\['{name}'\]"):
        make(described)
    assert make(described, trusted=[name]).get_params()["text__width"] == 3
    with pytest.raises(ValueError, match="width of Odd is"):
        describe(pair(text=Odd()))


def test_numbers_and_ranges_of_listed_parts_are_those_of_any():
    found = resolve("encoder", pair(text=GRUEncoder(np.int64(4))), Encoder, {})
    assert type(found.encoders[0][1].hidden_size) is int
    with pytest.raises(ValueError, match="'hidden_size' parameter of GRUEncoder"):
        resolve("encoder", pair(image=GRUEncoder(0)), Encoder, {})


def test_what_weights_depend_on_within_lists():
    same = pair(text=GRUEncoder(4, dropout=0.9))
    assert changed_parameters(pair(), same, "encoder") == {}
    reversed_ = ParallelEncoder(pair().encoders[::-1])
    assert changed_parameters(pair(), reversed_, "encoder") == {}
    other = pair(text=GRUEncoder(5), image=GRUEncoder(6))
    assert changed_parameters(pair(), other, "encoder") == {
        "encoder__text__hidden_size": (4, 5),
        "encoder__image": ("SelfAttentionEncoder", "GRUEncoder"),
    }
    for less, shown in (
        (ParallelEncoder([("text", GRUEncoder(4))]), ["text"]),
        (ParallelEncoder(), None),
    ):
        expected = {"encoder__encoders": (["text", "image"], shown)}
        assert changed_parameters(pair(), less, "encoder") == expected
        expected = {"encoder__encoders": (shown, ["text", "image"])}
        assert changed_parameters(less, pair(), "encoder") == expected
