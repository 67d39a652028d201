"""What scikit-learn asks of TfidfItemFeaturizer: its battery, and the checks it leaves out."""

import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from embrec.featurizers import TfidfItemFeaturizer

# numbers of one digit are words too
ANY_WORD = r"(?u)\b\w+\b"
FEATURIZERS = [
    TfidfItemFeaturizer(token_pattern=ANY_WORD),
    TfidfItemFeaturizer(token_pattern=ANY_WORD, sparse_output=False),
    TfidfItemFeaturizer(analyzer="char", sublinear_tf=True, max_words=None),
]
ONE_DIGIT = {
    "check_estimators_dtypes": "fits on integers of one digit, and scikit-learn's default "
    "token_pattern knows no words of one character"
}


@parametrize_with_checks(FEATURIZERS)
def test_battery(estimator, check):
    check(estimator)


@parametrize_with_checks(
    [TfidfItemFeaturizer()], expected_failed_checks=lambda estimator: ONE_DIGIT
)
def test_battery_with_default_parameters(estimator, check):
    check(estimator)


@pytest.mark.parametrize("featurizer", FEATURIZERS, ids=["sparse", "dense", "char"])
def test_the_battery_is_not_skipped(featurizer):
    # an estimator whose tags say "no 2-D arrays" passes a battery of one check
    results = check_estimator(clone(featurizer), on_skip=None)
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    n_passed = sum(result["status"] == "passed" for result in results)
    assert skipped <= {"check_array_api_input"}
    assert n_passed >= 44
    assert n_passed + len(skipped) == len(results)


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
@pytest.mark.parametrize("sparse_output", [True, False])
@pytest.mark.parametrize("check", UNLISTED)
def test_checks_outside_the_battery(check, sparse_output):
    featurizer = TfidfItemFeaturizer(token_pattern=ANY_WORD, sparse_output=sparse_output)
    getattr(estimator_checks, check)("TfidfItemFeaturizer", featurizer)
