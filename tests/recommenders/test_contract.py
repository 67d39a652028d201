"""What a recommender of one's own must bring, and what it then has."""

import numpy as np
import pandas as pd
import pytest

from embrec.data.store import InteractionStore
from embrec.index import ExactIndex
from embrec.persistence.state import SavedState
from embrec.recommenders.base import BaseRecommender
from embrec.recommenders.contract import RecommenderContract
from embrec.serving.catalog import ItemCatalog
from embrec.serving.live import LiveCatalog

#: Vectors of the three items: an axis, the other one, and half way between.
VECTORS = np.array([[1, 0], [0, 2], [0.6, 0.6]], dtype=np.float32)


class LastItem(BaseRecommender):
    """The six methods and no more: what is like the last item."""

    def fit(self, X, y=None, *, items=None, X_val=None):
        ids = np.array(["a", "b", "c"], dtype=object)
        self.catalog_ = LiveCatalog(ItemCatalog(ids, []), ExactIndex().fit(VECTORS))
        return self

    def query_vectors(self, histories):
        vectors = self.index_.vectors
        rows = [histories[i][-1:] for i in range(len(histories))]
        return np.stack([vectors[row].sum(axis=0) for row in rows])

    def item_vectors(self, items):
        return np.full((len(items.ids), 2), 0.1, dtype=np.float32), []

    def training_counts(self, rows):
        return np.zeros(len(rows), dtype=np.int64)

    def get_state(self):
        return SavedState()

    def set_state(self, state):
        pass


@pytest.fixture(scope="module")
def model():
    """Do not change it."""
    return LastItem().fit([])


def test_the_base_cannot_be_made():
    hooks = {"fit", "query_vectors", "item_vectors", "training_counts", "get_state", "set_state"}
    for base in (RecommenderContract, BaseRecommender):
        with pytest.raises(TypeError, match="abstract"):
            base()
        assert base.__abstractmethods__ == hooks


def test_six_methods_are_enough(model, tmp_path):
    ids, scores = model.recommend([["a", "b"], ["c"], []], k=2)
    assert ids.tolist() == [["c", None], ["b", "a"], ["a", "b"]]
    np.testing.assert_allclose(scores[1], [1.2, 0.6], rtol=1e-6)
    assert model.similar_items(["a", "b"], k=2)[0].tolist() == [["c", "b"], ["c", "a"]]
    assert model.rank_targets([["a", "c"]]).ranks.tolist() == [1]  # behind what was seen
    model.save(tmp_path / "model")
    again = LastItem.load(tmp_path / "model").add_items(pd.DataFrame({"item": ["new"]}))
    assert again.recommend([["a"]], k=3)[0].tolist() == [["c", "new", "b"]]


def test_sequences_are_read_from_the_columns_that_were_named(tmp_path):
    log = pd.DataFrame({"who": [7, 3, 7], "what": ["b", "a", "c"], "when": [2, 9, 1]})
    model = LastItem(user_col="who", item_col="what", timestamp_col="when")
    store = InteractionStore.from_tables(
        log, tmp_path / "store", user_col="who", item_col="what", timestamp_col="when"
    )
    for X in (log, store):
        found = model.read_sequences(X)
        assert [found[i].tolist() for i in range(2)] == [["c", "b"], ["a"]]
        assert found.names.tolist() == [7, 3]
    with pytest.raises(TypeError, match="histories: expected a log table"):
        model.read_sequences("a", what="histories")


def test_unknown_items_raise_or_are_skipped(model):
    asked = model.read_sequences([["a", "nobody", "c"], ["nobody"]])
    skipped = model.encode(asked, "skip")
    assert [skipped[i].tolist() for i in range(2)] == [[0, 2], []]
    of_its_own = LastItem(on_unknown="skip").fit([])
    assert of_its_own.encode(asked).values.tolist() == [0, 2]
    for call in (model.encode, lambda asked: of_its_own.encode(asked, "raise")):
        with pytest.raises(ValueError, match="1 item ids in X"):
            call(asked)
    with pytest.raises(ValueError, match="on_unknown must be 'raise' or 'skip'; got 'ignore'"):
        model.encode(asked, "ignore")


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"user_col": 3}, "user_col"), ({"timestamp_col": 3}, "timestamp_col")]
    + [({"item_col": None}, "item_col"), ({"on_unknown": "ignore"}, "on_unknown")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parameters_that_cannot_be(changes, name):
    LastItem(timestamp_col=None)._validate_params()
    with pytest.raises(ValueError, match=f"'{name}' parameter of LastItem"):
        LastItem(**changes)._validate_params()
