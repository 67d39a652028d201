"""What scikit-learn asks of ImageFeaturizer: its battery, and the checks it leaves out."""

import narwhals as nw
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from embrec.featurizers import ImageFeaturizer


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


# the descriptor is the only one without weights
FEATURIZERS = [
    RowPictures(backbone="descriptor", n_decoders=1),
    RowPictures(backbone="descriptor", n_decoders=2, missing_indicator=False, batch_size=3),
]


@parametrize_with_checks(FEATURIZERS)
def test_battery(estimator, check):
    check(estimator)


@pytest.mark.parametrize("featurizer", FEATURIZERS, ids=["alone", "threads"])
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
@pytest.mark.parametrize("check", UNLISTED)
def test_checks_outside_the_battery(check):
    getattr(estimator_checks, check)("RowPictures", clone(FEATURIZERS[0]))
