"""What scikit-learn asks of transformers: its battery, and the checks it leaves out."""

import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

pytest.importorskip("gensim", reason="needs the extra 'words'")
pytest.importorskip("sentence_transformers", reason="needs the extra 'text'")

from tiny_models import tiny_bert_folder

from embrec.featurizers import (
    CategoryPathFeaturizer,
    TextEncoderItemFeaturizer,
    TfidfItemFeaturizer,
    WordVectorItemFeaturizer,
)

ANY_WORD = r"(?u)\b\w+\b"
SMALL = {"vector_size": 4, "min_count": 1, "epochs": 1, "random_state": 0}
FEATURIZERS = {
    "categories": CategoryPathFeaturizer(separator="."),
    "dense categories": CategoryPathFeaturizer(separator=".", sparse_output=False),
    "hashed tf-idf": TfidfItemFeaturizer(token_pattern=ANY_WORD, n_hash_features=32),
    "word vectors": WordVectorItemFeaturizer(**SMALL, norm="l2"),
    "unweighted word vectors": WordVectorItemFeaturizer(**SMALL, weighting="mean"),
    "text encoder": TextEncoderItemFeaturizer(model=tiny_bert_folder()),
}


def battery():
    for name, featurizer in FEATURIZERS.items():
        for estimator, check in estimator_checks_generator(featurizer):
            yield pytest.param(estimator, check, id=f"{name}-{check.func.__name__}")


@pytest.mark.parametrize(("estimator", "check"), list(battery()))
def test_battery(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", FEATURIZERS)
def test_the_battery_is_not_skipped(name):
    # an estimator whose tags say "no 2-D arrays" passes a battery of one check
    names = [
        check.func.__name__ for _, check in estimator_checks_generator(clone(FEATURIZERS[name]))
    ]
    assert len(names) >= 44
    assert "check_transformer_general" in names


def test_a_battery_is_counted():
    results = check_estimator(clone(FEATURIZERS["categories"]), on_skip=None)
    assert sum(result["status"] == "passed" for result in results) >= 44


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
