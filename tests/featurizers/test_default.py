"""The featurizer of those who name none."""

import pandas as pd
import pytest

from embrec.featurizers._default import default_featurizer


def test_columns_of_text_are_taken():
    content = pd.DataFrame({"title": ["pen"], "price": [1.5], "new": [True], "brand": ["Acme"]})
    content["kind"] = pd.Categorical(["ink"])
    assert default_featurizer(content).columns == ["title", "brand", "kind"]


def test_no_text():
    with pytest.raises(ValueError, match="No column of items holds text"):
        default_featurizer(pd.DataFrame({"price": [1.5]}))
    with pytest.raises(ValueError, match="no column besides the id"):
        default_featurizer(pd.DataFrame(index=[0]))
