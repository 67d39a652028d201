"""Pickles of another version."""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import embrec
from embrec import EmbRecEstimator, PickleVersionWarning, TfidfItemFeaturizer
from embrec._utils import pickles
from embrec.baselines import PopularityRecommender
from embrec.components import GRUEncoder
from embrec.index import ExactIndex

TITLES = pd.DataFrame({"title": ["red pen", "blue pen"]})
MADE = {
    "recommender": PopularityRecommender().fit([["a", "b"], ["a"]]),
    "unfitted": EmbRecEstimator(),
    "featurizer": TfidfItemFeaturizer().fit(TITLES),
    "index": ExactIndex().fit(np.eye(3, dtype=np.float32)),
    "component": GRUEncoder(8),
}


@pytest.fixture(params=MADE)
def made(request):
    return MADE[request.param]


def pickled_by(version, made, monkeypatch, protocol=None):
    with monkeypatch.context() as patch:
        patch.setattr(pickles, "__version__", version)
        return pickle.dumps(made, protocol)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_same_version_says_nothing(made, protocol):
    again = pickle.loads(pickle.dumps(made, protocol))
    assert type(again) is type(made)
    assert vars(again).keys() == vars(made).keys()
    for other in (copy.copy(made), copy.deepcopy(made), clone(made)):
        assert set(vars(other)) <= set(vars(made))


@pytest.mark.parametrize("version", ["0.2.99", "0.3.0", "12.0.1.dev4"])
def test_another_version_is_warned_of(made, version, monkeypatch):
    data = pickled_by(version, made, monkeypatch)
    message = rf"This {type(made).__name__} was pickled by embrec {version} and is opened by"
    with pytest.warns(PickleVersionWarning, match=message) as caught:
        again = pickle.loads(data)
    assert {warning.filename for warning in caught} == {__file__}
    assert vars(again).keys() == vars(made).keys()


def test_an_older_one_is_refused(made, monkeypatch):
    data = pickled_by("0.1.7", made, monkeypatch)
    with pytest.raises(ValueError, match=r"by embrec 0\.1\.7.* Fit it again; or open it with"):
        pickle.loads(data)


def test_one_without_a_version_is_refused(made, monkeypatch):
    with monkeypatch.context() as patch:
        for name in ("__reduce_ex__", "__getstate__"):  # as 0.1 was
            patch.delattr(pickles.Versioned, name)
        data = pickle.dumps(made)
    with pytest.raises(ValueError, match=r"was pickled by embrec 0\.1, and .* reads pickles since"):
        pickle.loads(data)


def test_it_is_said_before_attributes_are_read(monkeypatch):
    """Their classes may be no more."""
    data = pickled_by("0.1.7", TfidfItemFeaturizer().fit(TITLES), monkeypatch, protocol=2)
    broken = data.replace(b"TfidfVectorizer\n", b"Abcdefghijklmno\n")
    assert broken != data
    with pytest.raises(ValueError, match="was pickled by embrec 0.1.7"):
        pickle.loads(broken)


@pytest.mark.parametrize("asked", ["model\nEmbRecNetwork", "transrec\nTransRecSize"])
def test_classes_of_0_1_that_are_gone(asked):
    with pytest.raises(ValueError, match=r"This recommender was pickled by embrec 0\.1"):
        pickle.loads(f"cembrec.network.{asked}\n.".encode())
    module = asked.partition("\n")[0]
    with pytest.raises(AttributeError, match="Missing"):
        pickle.loads(f"cembrec.network.{module}\nMissing\n.".encode())


def test_own_subclasses():
    """Those that write a state of their own, or how they are made."""
    again = pickle.loads(pickle.dumps(OwnState().fit([["a"]])))
    assert again.counts_.tolist() == [1]
    assert "_embrec_version" not in vars(again)
    with pytest.raises(NotFittedError):
        pickle.loads(pickle.dumps(OwnReduce().fit([["a"]]))).recommend([[]])


class OwnState(PopularityRecommender):
    def __getstate__(self):
        return dict(vars(self))


class OwnReduce(PopularityRecommender):
    def __reduce__(self):
        return OwnReduce, ()


def test_joblib(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(pickles, "__version__", "0.9.0")
        joblib.dump(MADE["recommender"], tmp_path / "model.joblib")
    with pytest.warns(PickleVersionWarning, match=r"0\.9\.0"):
        joblib.load(tmp_path / "model.joblib")


def test_a_saved_folder_is_for_all_versions(shop_log, shop_items, tmp_path, monkeypatch):
    """Its format is checked instead."""
    fitted = embrec.baselines.ContentNeighborsRecommender().fit(shop_log, items=shop_items)
    monkeypatch.setattr(pickles, "__version__", "0.1.7")
    fitted.save(tmp_path / "model")
    monkeypatch.undo()
    again = type(fitted).load(tmp_path / "model")
    assert again.recommend([["photo-0"]])[0].tolist() == fitted.recommend([["photo-0"]])[0].tolist()
    assert "_embrec_version" not in vars(again.featurizer_)
