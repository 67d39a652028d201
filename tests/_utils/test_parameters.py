"""Names that are no parameters, and what is said of them."""

import pytest
from sklearn.base import clone

from embrec import EmbRecEstimator
from embrec.baselines import GRU4RecRecommender
from embrec.components import Adam, EarlyStopping, GRUEncoder, ItemTowers


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        (EmbRecEstimator, "max_epoch", r"no parameter 'max_epoch'\. Did you mean 'max_epochs'\?"),
        (EmbRecEstimator, "hidden_size", r"Write encoder=GRUEncoder\(hidden_size=\.\.\.\) instead"),
        (EmbRecEstimator, "n_negatives", r"Write negatives=\.\.\. instead"),
        (
            GRU4RecRecommender,
            "learning_rate",
            r"optimizer=Adagrad\(learning_rate=\.\.\., mom",
        ),
        (GRUEncoder, "hiden_size", r"Did you mean 'hidden_size'\?"),
        (GRUEncoder, "zzz", r"Its parameters are dropout, hidden_size, "),
    ],
)
def test_a_name_that_is_none(kind, name, message):
    with pytest.raises(TypeError, match=message):
        kind(**{name: 1})
    with pytest.raises(ValueError, match=message):
        kind().set_params(**{name: 1})


def test_all_names_that_are_none_are_answered_at_once():
    with pytest.raises(TypeError, match=r"'hidden_size' since(.|\n)*'patience' since"):
        EmbRecEstimator(hidden_size=8, patience=3)


@pytest.mark.parametrize(
    ("owner", "message"),
    [
        (
            EmbRecEstimator(index="exat"),
            r"'index' parameter of EmbRecEstimator .*got 'exat'.* mean 'exact'\?",
        ),
        (
            Adam(schedule="cosin"),
            r"'schedule' parameter of Adam must be one of \['constant', 'cosine', .*cosi",
        ),
        (EarlyStopping("ndgc@10"), r"got 'ndgc@10'. Did you mean 'ndcg@10'\?"),
    ],
)
def test_a_word_that_is_none(owner, message):
    with pytest.raises(ValueError, match=message):
        getattr(owner, "check", owner._validate_params)()


def test_every_former_parameter_is_gone():
    for kind in (EmbRecEstimator, GRU4RecRecommender):
        assert not set(kind._former_parameters) & set(kind().get_params())


def test_a_string_has_no_parameters():
    message = r"encoder is 'gru', which has no parameters .* such as encoder=GRUEncoder\(\)"
    with pytest.raises(ValueError, match=message):
        EmbRecEstimator().set_params(encoder__hidden_size=5)
    with pytest.raises(ValueError, match=r"ids is None, .* such as ids=IdEmbeddings\(\)"):
        ItemTowers().set_params(ids__dropout=0.1)
    with pytest.raises(ValueError, match=r"such as loss=BPRMax\(\)"):
        EmbRecEstimator(loss="bpr_max").set_params(loss__reg=0.1)
    with pytest.raises(ValueError, match=r"such as optimizer=Adagrad\(\)"):
        EmbRecEstimator(optimizer="adagrad").set_params(optimizer__momentum=0.1)
    with pytest.raises(ValueError, match=r"such as negatives=SampledNegatives\(\)"):
        GRU4RecRecommender().set_params(negatives__n=5)
    model = EmbRecEstimator().set_params(encoder=GRUEncoder(), encoder__hidden_size=5)
    assert model.encoder.hidden_size == 5
    assert clone(model).get_params()["encoder__hidden_size"] == 5


@pytest.mark.parametrize("value", [True, False])
def test_a_truth_is_no_number(value):
    with pytest.raises(TypeError, match="max_epochs of EmbRecEstimator must not be"):
        EmbRecEstimator(max_epochs=value)._validate_params()
    with pytest.raises(TypeError, match="hidden_size of GRUEncoder must not be"):
        GRUEncoder(value).check()
    with pytest.raises(TypeError, match=r"ids of ItemTowers must not be .* Pass IdEmbeddings\(\)"):
        ItemTowers(ids=value).check()
    GRUEncoder(residual=value).check()
    EmbRecEstimator(warm_start=value, verbose=value, early_stopping=value)._validate_params()


def test_positional_and_pickled_ones_are_left_alone():
    assert GRUEncoder(7).hidden_size == 7
