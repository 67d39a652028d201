"""What all item featurizers tell scikit-learn."""

from typing import Any

import narwhals as nw
import numpy as np
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin

from embrec._utils.compat import validate_data
from embrec._utils.pickles import Versioned
from embrec.featurizers._text_columns import TextItems


class ItemFeaturizer(TransformerMixin, Versioned, BaseEstimator):
    """Base class: reads columns of anything, missing values too, and gives float32."""

    columns: Any

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _check_items(self, items: TextItems, *, reset: bool) -> None:
        """Remember the columns, or compare them to those of ``fit``."""
        if not reset and (self.columns is not None or is_ready_made(items)):
            return  # columns are picked by name; ready-made contents have none
        validate_data(self, _to_native(items), reset=reset, skip_check_array=True)

    def _check_input_features(self, input_features: Any) -> None:
        """Compare ``get_feature_names_out``'s argument to the columns of ``fit``."""
        if input_features is None:
            return
        given = np.asarray(input_features, dtype=object)
        seen = getattr(self, "feature_names_in_", given)
        if not np.array_equal(seen, given):
            raise ValueError(
                f"input_features is not equal to feature_names_in_: got {given.tolist()}, "
                f"expected {seen.tolist()}."
            )
        if len(given) != self.n_features_in_:
            raise ValueError(
                "input_features should have length equal to number of features "
                f"({self.n_features_in_}), got {len(given)}"
            )


class SparseItemFeaturizer(ItemFeaturizer):
    """Base class: output is sparse, unless a parameter asks otherwise, as in OneHotEncoder."""

    sparse_output: bool

    def _check_output(self) -> None:
        # scikit-learn finds out after the work is done, and cannot know of sparse_output
        own = getattr(self, "_sklearn_output_config", {})
        container = own.get("transform", sklearn.get_config()["transform_output"])
        if container != "default" and self.sparse_output:
            raise ValueError(
                f"{container.capitalize()} output does not support sparse data. Build "
                f"{type(self).__name__} with sparse_output=False, or ask for "
                "set_output(transform='default')."
            )

    def _finish(self, matrix: Any) -> Any:
        # no public method may call another one: each wraps its answer for set_output
        matrix.sort_indices()
        return matrix if self.sparse_output else matrix.toarray()


def is_ready_made(items: TextItems) -> bool:
    """Whether there is one content per item, and no columns."""
    return isinstance(items, np.ndarray) and items.ndim == 1


def _to_native(items: TextItems) -> Any:
    if isinstance(items, nw.DataFrame):
        return items.to_native()
    return items[:, np.newaxis] if items.ndim == 1 else items
