"""Term counts of several columns, each with a weight of its own."""

from collections.abc import Mapping, Sequence
from itertools import chain
from numbers import Integral, Real
from typing import Any

import narwhals as nw
import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer

from embrec.featurizers._text_columns import TextItems, check_present, count_words, limit_words
from embrec.featurizers._vectorizer import (
    fit_vectorizer,
    no_term_left,
    transform_in_parts,
    usable_parameters,
)

#: What concerns the weights of terms rather than their counts.
_WEIGHING = ("norm", "use_idf", "smooth_idf")
#: What chooses terms.
_CHOOSING = {"max_features": None, "min_df": 1, "max_df": 1.0}


def check_weights(
    weights: Mapping[str, float], items: TextItems, columns: Sequence[str] | None
) -> tuple[list[str], list[float]]:
    """Check ``column_weights``, and give every column a weight.

    Parameters
    ----------
    weights : mapping of str to float
    items : narwhals.DataFrame or 2-D ndarray
    columns : list of str or None
        None means all columns of the table.

    Returns
    -------
    names, weights : list of str, list of float
        1 where `weights` names none.

    Raises
    ------
    ValueError
        If a weight is not a positive number or is one of no column, or the columns have no names.
    """
    if not isinstance(items, nw.DataFrame):
        raise ValueError(
            f"column_weights={dict(weights)} names columns, but X is an array of shape "
            f"{items.shape}, which has no column names. Pass a table."
        )
    names = list(items.columns if columns is None else columns)
    check_present(items, names)
    foreign = [name for name in weights if name not in names]
    if foreign:
        raise ValueError(
            f"column_weights names {foreign}, which are not among the columns of text: {names}."
        )
    wrong = {name: weight for name, weight in weights.items() if not _is_positive(weight)}
    if wrong:
        raise ValueError(f"column_weights must be positive numbers; got {wrong}.")
    return names, [float(weights.get(name, 1.0)) for name in names]


def _is_positive(weight: Any) -> bool:
    return isinstance(weight, Real) and 0 < float(weight) < np.inf


def limit_fields(fields: Sequence[Sequence[str]], max_words: int | None) -> list[list[str]]:
    """Cut the fields of each item so that all of them together keep to a number of words.

    Parameters
    ----------
    fields : list of lists of n_items str
        The first ones go first.
    max_words : int or None

    Returns
    -------
    list of lists of n_items str
    """
    if max_words is None:
        return [list(field) for field in fields]
    left = np.full(len(fields[0]), max_words)
    limited = []
    for field in fields:
        limited.append(
            [
                limit_words([text], n)[0] if n > 0 else ""
                for text, n in zip(field, left.tolist(), strict=True)
            ]
        )
        left -= count_words(limited[-1])
    return limited


def fit_fields(
    parameters: Mapping[str, Any],
    fields: Sequence[Sequence[str]],
    weights: Sequence[float],
    n_hash_features: int | None,
    *,
    max_words: int | None,
) -> tuple[Any, TfidfTransformer, "sp.csr_matrix"]:
    """Learn terms and their weights from weighted fields.

    Parameters
    ----------
    parameters : mapping
        A value for each of `VECTORIZER_PARAMETERS`.
    fields : list of lists of n_items str
    weights : list of float
        One per field.
    n_hash_features : int or None
        Number of columns, if terms are to be hashed rather than kept.
    max_words : int or None
        How many words of a tokenizer count, in each field.

    Returns
    -------
    vectorizer : CountVectorizer or HashingVectorizer
    idf : TfidfTransformer
    matrix : CSR matrix of shape (n_items, n_terms), float32

    Raises
    ------
    ValueError
        If no term is left, or parameters do not go together.
    """
    counting = usable_parameters(parameters, max_words)
    idf = TfidfTransformer(**{name: counting.pop(name) for name in _WEIGHING})
    sublinear = counting.pop("sublinear_tf")
    if n_hash_features is None:
        vectorizer = _fit_vocabulary(counting, fields, weights)
    else:
        vectorizer = _hashing_vectorizer(counting, n_hash_features)
    counts = count_terms(vectorizer, fields, weights, sublinear=sublinear)
    return vectorizer, idf, idf.fit_transform(counts)


def count_terms(
    vectorizer: Any,
    fields: Sequence[Sequence[str]],
    weights: Sequence[float],
    *,
    sublinear: bool,
    n_jobs: int | None = None,
) -> "sp.csr_matrix":
    """Add up the weighted counts of the fields.

    Parameters
    ----------
    vectorizer : CountVectorizer or HashingVectorizer
    fields : list of lists of n_items str
    weights : list of float
    sublinear : bool
        Whether n occurrences in one field count as ``1 + log(n)``.
    n_jobs : int or None, default=None

    Returns
    -------
    CSR matrix of shape (n_items, n_terms), float32
    """
    total = 0
    for texts, weight in zip(fields, weights, strict=True):
        counts = transform_in_parts(vectorizer, texts, n_jobs)
        if sublinear:
            counts.data = 1 + np.log(counts.data)
        total = total + counts * np.float32(weight)
    return sp.csr_matrix(total)


def _fit_vocabulary(
    counting: Mapping[str, Any], fields: Sequence[Sequence[str]], weights: Sequence[float]
) -> CountVectorizer:
    """Choose terms by the items that hold them, in whichever field."""
    options = dict(counting) | {"dtype": np.float32}
    if options["vocabulary"] is not None:
        return CountVectorizer(**options).fit(fields[0])
    choosing = {name: options.pop(name) for name in _CHOOSING}
    texts = list(chain.from_iterable(fields))
    counter = CountVectorizer(**options)
    counts = fit_vectorizer(counter, texts)
    n_items = len(fields[0])
    total = sum(
        counts[i * n_items : (i + 1) * n_items] * weight for i, weight in enumerate(weights)
    )
    kept = _choose_terms(sp.csr_matrix(total), **choosing)
    if not len(kept):
        raise no_term_left(texts, "min_df and max_df leave none")
    # read anew by a vectorizer that knows only these
    terms = counter.get_feature_names_out()[kept].tolist()
    return CountVectorizer(**options | {"vocabulary": terms}).fit(fields[0])


def _choose_terms(
    counts: "sp.csr_matrix", max_features: int | None, min_df: float, max_df: float
) -> np.ndarray:
    n_items = counts.shape[0]
    document_frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    low, high = _as_count(min_df, n_items), _as_count(max_df, n_items)
    if high < low:
        raise ValueError(f"max_df corresponds to fewer items ({high}) than min_df ({low}).")
    kept = np.flatnonzero((document_frequency >= low) & (document_frequency <= high))
    if max_features is None or len(kept) <= max_features:
        return kept
    total = np.asarray(counts.sum(axis=0)).ravel()[kept]
    return np.sort(kept[np.argsort(-total, kind="stable")[:max_features]])


def _as_count(limit: Any, n_items: int) -> float:
    return float(limit) if isinstance(limit, Integral) else limit * n_items


def _hashing_vectorizer(counting: Mapping[str, Any], n_features: int) -> HashingVectorizer:
    changed = {
        name: counting[name]
        for name, default in {"min_df": 1, "max_df": 1.0, "vocabulary": None}.items()
        if counting[name] != default
    }
    if changed:
        raise ValueError(
            f"n_hash_features={n_features} keeps no vocabulary, so that {changed} cannot apply; "
            "leave them at their defaults, or n_hash_features at None."
        )
    options = {k: v for k, v in counting.items() if k not in {*_CHOOSING, "vocabulary"}}
    # counts without signs and unscaled: the idf weights come next
    return HashingVectorizer(
        **options, n_features=n_features, alternate_sign=False, norm=None, dtype=np.float32
    )
