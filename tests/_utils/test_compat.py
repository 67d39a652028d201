"""What embrec expects of the private names of scikit-learn."""

from numbers import Integral

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from embrec._utils.compat import HasMethods, Interval, StrOptions, fit_context, validate_data


class Part(BaseEstimator):
    _parameter_constraints = {
        "n": [Interval(Integral, 1, 3, closed="left"), None],
        "word": [StrOptions({"one", "other"})],
        "of": [HasMethods(["fit", "transform"]), None],
    }

    def __init__(self, n=1, word="one", of=None):
        self.n, self.word, self.of = n, word, of

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X):
        """Fit the part inside, if there is one."""
        if self.of is not None:
            self.of.fit(X)
        return self

    def transform(self, X):
        return X


@pytest.mark.parametrize("n", [1, 2, np.int64(2), None], ids=str)
def test_values_within_the_constraints_are_taken(n):
    assert Part(n, "other", Part()).fit([[1]]).n is n


BAD = {
    "too small": ({"n": 0}, r"'n' parameter of Part must be an int in the range \[1, 3\)"),
    "the open end": ({"n": 3}, "Got 3 instead"),
    "no integer": ({"n": 1.0}, "Got 1.0 instead"),
    "another word": ({"word": "third"}, "must be a str among .*Got 'third' instead"),
    "no methods": ({"of": object()}, "an object implementing 'fit' and 'transform'"),
    "in a part": ({"of": Part(word="no")}, "'word' parameter of Part must be a str"),
}


@pytest.mark.parametrize("case", BAD)
def test_values_outside_are_named_before_anything_is_fitted(case):
    parameters, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        Part(**parameters).fit([[1]])


def test_data_are_checked_and_their_columns_remembered():
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    part = Part()
    np.testing.assert_array_equal(validate_data(part, table), table.to_numpy())
    assert part.n_features_in_ == 2
    assert part.feature_names_in_.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="feature names should match"):
        validate_data(part, table[["b", "a"]], reset=False)
