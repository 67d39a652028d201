"""Encoders with names: which reads what, and names that do not fit."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.components import (
    EnsembleEncoder,
    GRUEncoder,
    ItemTowers,
    ParallelEncoder,
    SelfAttentionEncoder,
)
from embrec.network.attention import SelfAttentionModule
from embrec.network.gru import GRUModule
from embrec.network.parallel import EnsembleModule, ParallelModule

WORDS = TfidfItemFeaturizer(columns=["title"])
UNION = FeatureUnion([("text", WORDS), ("image", WORDS)])
SMALL = {"item_model": ItemTowers(4, 5), "max_epochs": 1, "random_state": 0}


def pair(**changes):
    parts = {"image": SelfAttentionEncoder(), "text": GRUEncoder(5)} | changes
    return ParallelEncoder([*parts.items()])


def widths(module):
    return [part.initial_state(1).shape[1] for part in module.parts]


# ---- what is built


def test_parts_go_to_their_sources_by_name():
    module = pair()._build_for(8, ["text", "image"])
    assert type(module) is ParallelModule
    assert [type(part) for part in module.parts] == [GRUModule, SelfAttentionModule]
    assert module.parts[0].output.out_features == 4
    other = pair()._build_for(8, ["image", "text"])
    assert [type(part) for part in other.parts] == [SelfAttentionModule, GRUModule]


def test_by_default_there_is_a_gru_per_source():
    module = ParallelEncoder()._build_for(9, ["a", "b", "c"])
    assert [type(part) for part in module.parts] == [GRUModule] * 3
    assert widths(module) == [128 + 3] * 3
    assert widths(ParallelEncoder()._build(9)) == [128 + 9]
    assert widths(ParallelEncoder([("features", GRUEncoder(5))])._build(9)) == [5 + 9]


def test_an_ensemble_reads_the_whole_in_an_order_of_its_own():
    parts = [("z", GRUEncoder(5)), ("b", GRUEncoder(7)), ("c", pair())]
    module = EnsembleEncoder(parts)._build_for(8, ["text", "image"])
    assert type(module) is EnsembleModule
    reordered = EnsembleEncoder(parts[::-1])._build_for(8, ["text", "image"])
    assert widths(module) == widths(reordered)
    assert widths(module)[::2] == [7 + 8, 5 + 8]
    assert type(module.parts[1]) is ParallelModule
    defaults = EnsembleEncoder()._build(8)
    assert [type(part) for part in defaults.parts] == [SelfAttentionModule, GRUModule]


# ---- what cannot be


@pytest.mark.parametrize("kind", [ParallelEncoder, EnsembleEncoder])
@pytest.mark.parametrize(
    ("encoders", "error", "message"),
    [
        ([], ValueError, "must be a list of (name, encoder); got an empty one"),
        ([GRUEncoder()], TypeError, "got GRUEncoder() in it"),
        ([("text", "gru")], TypeError, "such as ('text', GRUEncoder()); got ('text', 'gru')"),
        ([(1, GRUEncoder())], TypeError, "got (1, GRUEncoder()) in it"),
        ([("a", ItemTowers())], TypeError, "got ('a', ItemTowers()) in it"),
        ([("a", GRUEncoder())] * 2, ValueError, "distinct names without '__'"),
        ([("a__b", GRUEncoder())], ValueError, "got ['a__b']"),
        ([("encoders", GRUEncoder())], ValueError, "none may be called 'encoders'"),
        ([("a", GRUEncoder(0))], ValueError, "'hidden_size' parameter of GRUEncoder"),
    ],
    ids=str,
)
def test_what_is_no_list_of_encoders(kind, encoders, error, message):
    with pytest.raises(error) as raised:
        kind(encoders).check()
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "sources", [["text"], ["text", "picture"], ["text", "image", "price"], ["features"]]
)
@pytest.mark.parametrize("around", [lambda e: e, lambda e: EnsembleEncoder([("it", e)])])
def test_names_that_are_not_those_of_the_sources(sources, around):
    encoder = around(pair())
    message = r"the sources are \[.*\], and there are encoders for \['image', 'text'\].*make_union"
    with pytest.raises(ValueError, match=message):
        encoder.check_sources(sources)
    with pytest.raises(ValueError, match=message):
        encoder._build_for(12, sources)
    encoder.check_sources(["text", "image"])
    ParallelEncoder().check_sources(sources)


def test_parts_of_an_embedding_are_equal():
    with pytest.raises(ValueError, match="embeddings of 7 numbers for 2 sources"):
        pair()._build_for(7, ["text", "image"])


def test_names_are_checked_before_features_are_computed(shop_log, shop_items):
    class Slow(TfidfItemFeaturizer):
        def fit_transform(self, X, y=None):
            raise AssertionError("too late")

    slow = FeatureUnion([("title", Slow(columns=["title"])), ("text", WORDS)])
    for featurizer, names in ((slow, "title"), (Slow(columns=["title"]), "features")):
        with pytest.raises(ValueError, match=rf"the sources are \['{names}'"):
            EmbRecEstimator(featurizer, encoder=pair(), **SMALL).fit(shop_log, items=shop_items)


# ---- in an estimator


@pytest.fixture(scope="module")
def fitted(shop_log, shop_items):
    """Do not change it."""
    return EmbRecEstimator(UNION, encoder=pair(), **SMALL).fit(shop_log, items=shop_items)


@pytest.mark.parametrize("encoder", ["parallel", ParallelEncoder()], ids=str)
def test_the_word_is_one_gru_per_branch(encoder, shop_log, shop_items):
    model = EmbRecEstimator(UNION, encoder=encoder, **SMALL).fit(shop_log, items=shop_items)
    assert widths(model.network_.encoder) == [128 + 4] * 2
    dropped = clone_with(UNION, image="drop")
    model = EmbRecEstimator(dropped, encoder=encoder, **SMALL).fit(shop_log, items=shop_items)
    assert widths(model.network_.encoder) == [128 + 4]


def clone_with(union, **branches):
    return FeatureUnion([(name, branches.get(name, one)) for name, one in union.transformer_list])


def test_a_score_is_the_sum_of_what_the_sources_say(fitted):
    history = ["photo-0", "desk-1"]
    rows = fitted.catalog_.ids.rows(np.array(history, dtype=object))
    vectors = torch.tensor(fitted.index_.vectors)
    scores = torch.zeros(len(vectors))
    with torch.no_grad():
        for part, own in zip(fitted.network_.encoder.parts, vectors.split(4, 1), strict=True):
            state = part.initial_state(1)
            for row in rows:
                state = part.advance(state, own[[row]])
            scores += fitted.network_.items.scale * (own @ part.read(state)[0])
    _, found = fitted.recommend([history], k=5, exclude_seen=False)
    best = scores.sort(descending=True)
    np.testing.assert_allclose(found[0], best.values[:5], rtol=1e-4, atol=1e-5)


def test_named_parameters_are_tuned(shop_log, shop_items):
    search = GridSearchCV(
        EmbRecEstimator(UNION, encoder=pair(), **SMALL),
        {"encoder__text__hidden_size": [3, 4], "encoder__image": [GRUEncoder(2)]},
        cv=2,
        error_score="raise",
    ).fit(shop_log, items=shop_items)
    text, image = search.best_estimator_.network_.encoder.parts
    assert text.hidden_size == search.best_params_["encoder__text__hidden_size"]
    assert image.hidden_size == 2
    assert "image" in search.best_estimator_._repr_html_()


def test_training_goes_on_whatever_the_order_but_not_with_other_parts(shop_log, shop_items):
    model = EmbRecEstimator(UNION, encoder=pair(), warm_start=True, **SMALL)
    model.fit(shop_log, items=shop_items)
    model.set_params(encoder=ParallelEncoder(pair(text=GRUEncoder(5, dropout=0.1)).encoders[::-1]))
    model.partial_fit(shop_log)
    model.fit(shop_log, items=shop_items)
    assert model.network_.encoder.parts[0].dropout == 0.1
    before = model.fingerprint_
    model.set_params(encoder__text__hidden_size=6)
    for go_on in (
        lambda: model.partial_fit(shop_log),
        lambda: model.fit(shop_log, items=shop_items),
    ):
        with pytest.raises(ValueError, match="encoder__text__hidden_size was 5, is 6"):
            go_on()
    assert model.fingerprint_ == before


def test_names_survive_saving(fitted, shop_log, tmp_path):
    fitted.save(tmp_path / "model")
    again = EmbRecEstimator.load(tmp_path / "model")
    assert [name for name, _ in again.encoder.encoders] == ["image", "text"]
    assert [type(part) for part in again.network_.encoder.parts] == [GRUModule, SelfAttentionModule]
    assert again._size == fitted._size
    assert again._size.sources == ("text", "image")
    history = [["photo-0", "desk-1"], []]
    np.testing.assert_array_equal(again.recommend(history)[1], fitted.recommend(history)[1])
    again.add_items(pd.DataFrame({"item": ["new"], "title": ["camera"], "price": [1.0]}))
    again.partial_fit(shop_log)
