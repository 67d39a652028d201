"""Feature blocks: one checked float32 matrix per content source, each for a tower of its own."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.parallel import Parallel, delayed

from embrec.data.tables import MissingColumnError, check_table, is_table
from embrec.featurizers._block_checks import as_block

#: Feature matrix of shape (n_items, n_features), float32.
Block: TypeAlias = "np.ndarray | sp.csr_array"

#: Name, transformer and weight of one content source.
Branch: TypeAlias = tuple[str, Any, float | None]

_SINGLE = "features"


def fit_feature_blocks(featurizer: Any, items: Any) -> tuple[Any, list[Block]]:
    """Fit a clone of a featurizer and compute the feature blocks of the items.

    Parameters
    ----------
    featurizer : transformer
        It is not changed. A :class:`~sklearn.pipeline.FeatureUnion` gives one block per branch, in
        order, without those that are ``"drop"`` (EmbRec thesis, section 3.4.3: each source has
        layers of its own); its ``transformer_weights`` and ``n_jobs`` hold. Any other transformer
        gives one block; so does a branch that is a FeatureUnion itself.
    items : table or whatever the featurizer takes
        One row per item.

    Returns
    -------
    fitted : transformer
        The fitted clone. Its ``transform`` gives the blocks side by side.
    blocks : list of csr_array or ndarray of shape (n_items, n_features), float32
        Sparse output is sparse here too, in canonical form (see `as_block`).

    Raises
    ------
    TypeError
        If `featurizer` is no transformer.
    ValueError
        If the union has no branch, or two of one name, or weights for branches that it lacks; or
        if an output is no matrix of finite numbers with one row per item.
    """
    _check_transformer(featurizer, "featurizer")
    with config_context(transform_output="default"):
        fitted = clone(featurizer)
        branches = _check_branches(fitted)
        results = Parallel(n_jobs=getattr(fitted, "n_jobs", None) if _is_union(fitted) else None)(
            delayed(_fit_branch)(branch, items) for branch in branches
        )
    transformers = [transformer for transformer, _ in results]
    if not _is_union(fitted):
        return transformers[0], [results[0][1]]
    remaining = iter(transformers)
    fitted.transformer_list = [
        (name, transformer if _is_dropped(transformer) else next(remaining))
        for name, transformer in fitted.transformer_list
    ]
    return fitted, [block for _, block in results]


def transform_feature_blocks(
    fitted: Any, items: Any, *, n_features: Sequence[int] | None = None
) -> list[Block]:
    """Compute the feature blocks of items with a fitted featurizer.

    Parameters
    ----------
    fitted : transformer
        What `fit_feature_blocks` returned.
    items : table or whatever the featurizer takes
        One row per item.
    n_features : sequence of int or None, default=None
        How many columns each block must have; None means any.

    Returns
    -------
    list of csr_array or ndarray of shape (n_items, n_features), float32

    Raises
    ------
    NotFittedError
        If the featurizer is not fitted.
    ValueError
        If an output is no matrix of finite numbers with one row per item, or its number of columns
        is not as expected.
    """
    with config_context(transform_output="default"):
        blocks: list[Block] = Parallel(n_jobs=fitted.n_jobs if _is_union(fitted) else None)(
            delayed(_transform_branch)(branch, items) for branch in _branches(fitted)
        )
    if n_features is not None:
        for (name, _, _), block, expected in zip(
            _branches(fitted), blocks, n_features, strict=True
        ):
            if block.shape[1] != expected:
                raise ValueError(
                    f"Feature block {name!r} has {block.shape[1]} columns; it had {expected} when "
                    "it was fitted. Its transform must always give the same columns."
                )
    return blocks


def feature_block_names(fitted: Any) -> list[str]:
    """Return the names of the blocks that a featurizer gives.

    Parameters
    ----------
    fitted : transformer
        A featurizer, fitted or not.

    Returns
    -------
    list of str
        The branches of a union that are not dropped; ``["features"]`` for anything else.
    """
    return [name for name, _, _ in _branches(fitted)]


def _is_union(featurizer: Any) -> bool:
    return isinstance(featurizer, FeatureUnion)


def _is_dropped(transformer: Any) -> bool:
    return isinstance(transformer, str) and transformer == "drop"


def _branches(featurizer: Any) -> Iterator[Branch]:
    if not _is_union(featurizer):
        yield _SINGLE, featurizer, None
        return
    weights = featurizer.transformer_weights or {}
    for name, transformer in featurizer.transformer_list:
        if _is_dropped(transformer):
            continue
        if isinstance(transformer, str) and transformer == "passthrough":
            # what the union itself does
            transformer = FunctionTransformer(feature_names_out="one-to-one")
        yield name, transformer, weights.get(name)


def _check_branches(featurizer: Any) -> list[Branch]:
    branches = list(_branches(featurizer))
    if not _is_union(featurizer):
        return branches
    if not branches:
        raise ValueError(
            "The FeatureUnion has no branch that is not 'drop'; expected at least one transformer."
        )
    names = [name for name, _ in featurizer.transformer_list]
    for name, transformer, _ in branches:
        if names.count(name) > 1 or "__" in name:
            raise ValueError(
                f"The branches of a FeatureUnion need distinct names without '__'; got {names}."
            )
        _check_transformer(transformer, f"The branch {name!r} of the FeatureUnion")
    unknown = sorted(set(featurizer.transformer_weights or {}) - set(names))
    if unknown:
        raise ValueError(
            f"transformer_weights names {unknown}, but the FeatureUnion has branches {names}."
        )
    return branches


def _check_transformer(candidate: Any, what: str) -> None:
    if isinstance(candidate, type):
        raise TypeError(
            f"{what} is the class {candidate.__name__}; pass an instance: {candidate.__name__}()."
        )
    if not (hasattr(candidate, "fit") and hasattr(candidate, "transform")):
        raise TypeError(
            f"{what} must be a scikit-learn transformer, with fit and transform; "
            f"got {type(candidate).__name__}."
        )


def _fit_branch(branch: Branch, items: Any) -> tuple[Any, Block]:
    name, transformer, weight = branch
    try:
        if hasattr(transformer, "fit_transform"):
            output = transformer.fit_transform(items)
        else:
            output = transformer.fit(items).transform(items)
    except Exception as error:
        error.add_note(f"This was raised while fitting feature block {name!r}.")
        raise
    return transformer, _weigh(as_block(output, name, len(items)), weight)


def _transform_branch(branch: Branch, items: Any) -> Block:
    name, transformer, weight = branch
    try:
        output = transformer.transform(items)
    except Exception as error:
        error.add_note(f"This was raised while computing feature block {name!r}.")
        _say_what_is_missing(transformer, items, error)
        raise
    return _weigh(as_block(output, name, len(items)), weight)


def _say_what_is_missing(transformer: Any, items: Any, error: Exception) -> None:
    """Raise an error that names the columns which are missing, if some are."""
    if not is_table(items):
        return
    present = check_table(items, what="items").columns
    missing = [c for c in getattr(transformer, "feature_names_in_", ()) if c not in present]
    if missing:
        raise MissingColumnError(
            f"{error}\nItems come whole, with every column that the featurizer reads, also if only "
            f"one changes. In fit the catalogue had the columns {missing[:30]} too, which these "
            "items lack."
        ) from error


def _weigh(block: Block, weight: float | None) -> Block:
    return block if weight is None else block * np.float32(weight)
