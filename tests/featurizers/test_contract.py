"""What scikit-learn asks of transformers: its battery, and the checks it leaves out."""

from unittest import SkipTest

import narwhals as nw
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import estimator_checks_generator
from torch import nn

for library, extra in {
    "gensim": "words",
    "sentence_transformers": "text",
    "h5py": "elmo",
    "skimage": "image",
}.items():
    pytest.importorskip(library, reason=f"needs the extra {extra!r}")

from tiny_models import tiny_bert_folder, tiny_elmo_files

from embrec.encoders.preprocessing import ImageNetPreprocess
from embrec.featurizers import (
    CategoryPathFeaturizer,
    ElmoItemFeaturizer,
    ImageFeaturizer,
    NumberFeaturizer,
    TextEncoderItemFeaturizer,
    TfidfItemFeaturizer,
    WordVectorItemFeaturizer,
)


class RowPictures(ImageFeaturizer):
    # the battery knows rows of numbers and strings, and no pictures: each row becomes a picture of
    # grey stripes; and it looks for feature_names_in_ in the docstring
    __doc__ = ImageFeaturizer.__doc__

    def _pick_cells(self, items):
        rows = items.rows() if isinstance(items, nw.DataFrame) else np.atleast_2d(items.T).T
        return [np.array([[_shade(value) for value in row]], dtype=np.uint8) for row in rows]


def _shade(value):
    try:
        return int(abs(float(value)) * 40) % 256
    except (TypeError, ValueError):
        return sum(str(value).encode()) % 256


# numbers of one digit are words too
ANY_WORD = {"token_pattern": r"(?u)\b\w+\b"}
SMALL = {"vector_size": 4, "min_count": 1, "epochs": 1, "random_state": 0}
FEATURIZERS = {
    "tf-idf": TfidfItemFeaturizer(**ANY_WORD),
    "dense tf-idf": TfidfItemFeaturizer(**ANY_WORD, sparse_output=False),
    "tf-idf of characters": TfidfItemFeaturizer(analyzer="char", sublinear_tf=True, max_words=None),
    "hashed tf-idf": TfidfItemFeaturizer(**ANY_WORD, n_hash_features=32),
    "categories": CategoryPathFeaturizer(separator="."),
    "numbers": NumberFeaturizer(),
    "dense categories": CategoryPathFeaturizer(separator=".", sparse_output=False),
    "word vectors": WordVectorItemFeaturizer(**SMALL, norm="l2"),
    "unweighted word vectors": WordVectorItemFeaturizer(**SMALL, weighting="mean"),
    "text encoder": TextEncoderItemFeaturizer(model=tiny_bert_folder()),
    "ELMo": ElmoItemFeaturizer(**tiny_elmo_files()),
    # without weights
    "pictures": RowPictures(backbone="descriptor", n_decoders=1),
    "pictures in threads": RowPictures(
        backbone=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        preprocess=ImageNetPreprocess(4, 4),
        device="cpu",
        n_decoders=2,
        missing_indicator=False,
        batch_size=3,
    ),
}
ONE_DIGIT = {
    "check_estimators_dtypes": "fits on integers of one digit, and scikit-learn's default "
    "token_pattern knows no words of one character"
}


def battery():
    for name, featurizer in FEATURIZERS.items():
        for estimator, check in estimator_checks_generator(featurizer):
            yield pytest.param(estimator, check, id=f"{name}-{check.func.__name__}")
    checks = estimator_checks_generator(
        TfidfItemFeaturizer(), expected_failed_checks=ONE_DIGIT, mark="xfail"
    )
    for number, one in enumerate(checks):
        marks = getattr(one, "marks", ())
        estimator, check = getattr(one, "values", one)
        name = f"default tf-idf-{check.func.__name__}-{number}"
        yield pytest.param(estimator, check, id=name, marks=marks)


@pytest.mark.parametrize(("estimator", "check"), list(battery()))
def test_battery(estimator, check):
    try:
        check(estimator)
    except SkipTest:
        assert check.func.__name__ == "check_array_api_input"
        raise


@pytest.mark.parametrize("name", FEATURIZERS)
def test_the_battery_is_whole(name):
    # an estimator whose tags say "no 2-D arrays" passes a battery of one check
    assert len(list(estimator_checks_generator(FEATURIZERS[name]))) >= 45


UNLISTED = [
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_dataframe_column_names_consistency",
    "check_inplace_ensure_writeable",
    "check_n_features_in_after_fitting",
    "check_get_feature_names_out_error",
    "check_fit_check_is_fitted",
]


# the set_output checks fit on a table and transform an array, or the other way round, of which
# scikit-learn itself warns
@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
@pytest.mark.filterwarnings("ignore:X has feature names, but:UserWarning")
@pytest.mark.parametrize("name", FEATURIZERS)
@pytest.mark.parametrize("check", UNLISTED)
def test_checks_outside_the_battery(check, name):
    featurizer = clone(FEATURIZERS[name])
    getattr(estimator_checks, check)(type(featurizer).__name__, featurizer)
