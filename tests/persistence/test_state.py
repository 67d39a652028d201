"""What a recommender gives to be saved."""

import numpy as np
from sklearn.preprocessing import StandardScaler

from embrec.baselines import PopularityRecommender
from embrec.components import GRUEncoder
from embrec.persistence.state import SavedState


class Rich(PopularityRecommender):
    """One that has learned something of every kind."""

    def get_state(self):
        state = super().get_state()
        scaler = StandardScaler().fit([[1.0], [3.0]])
        return SavedState(
            {"epochs": [1, {"loss": 0.5}]}, state.arrays, {"scaler": scaler}, {"e": GRUEncoder(7)}
        )

    def set_state(self, state):
        super().set_state(state)
        self.state_ = state


def test_every_kind_comes_back(tmp_path):
    model = Rich().fit([["a", "b"], ["b"]])
    model.save(tmp_path / "model")
    found = Rich.load(tmp_path / "model").state_
    assert found.values == {"epochs": [1, {"loss": 0.5}]}
    assert list(found.arrays) == ["counts"]
    np.testing.assert_array_equal(found.arrays["counts"], [1, 2])
    assert found.objects["scaler"].mean_.tolist() == [2.0]
    assert found.parts["e"].get_params() == GRUEncoder(7).get_params()


def test_only_what_there_is_need_be_said(tmp_path):
    model = PopularityRecommender().fit([["a", "b"], ["b"]])
    state = model.get_state()
    assert (state.values, state.objects, state.parts) == ({}, {}, {})
    state.values["mine"] = 1
    assert model.get_state().values == {}
