"""Metrics of what is recommended, whether it is right or not."""

from typing import Any

import numpy as np
import pandas as pd


def catalog_coverage(recommended: Any, n_items: int) -> float:
    """Share of the catalogue that is recommended to anybody (thesis section 4.3).

    Parameters
    ----------
    recommended : array-like of shape (n, k)
        Ids as ``recommend`` returns them; None is no item.
    n_items : int
        Size of the catalogue.

    Returns
    -------
    float
    """
    return len(_counts(recommended, n_items)) / n_items


def gini_index(recommended: Any, n_items: int) -> float:
    """Inequality of how often items are recommended: 0 all alike, towards 1 always the same few.

    Parameters
    ----------
    recommended : array-like of shape (n, k)
        Ids as ``recommend`` returns them; None is no item.
    n_items : int
        Size of the catalogue: items never recommended count.

    Returns
    -------
    float
    """
    counts = np.zeros(n_items)
    shown = np.sort(_counts(recommended, n_items).values)
    counts[n_items - len(shown) :] = shown
    return (
        float(2 * (np.arange(1, n_items + 1) @ counts) / (n_items * counts.sum()))
        - (n_items + 1) / n_items
    )


def novelty(recommended: Any, item_counts: Any) -> float:
    """Mean self-information, in bits, of what is recommended: rare items are more novel.

    ``-log2((count + 1) / (n_events + n_items))``: add-one smoothing, so that an item nobody has
    touched has a finite figure.

    Parameters
    ----------
    recommended : array-like of shape (n, k)
        Ids as ``recommend`` returns them; None is no item.
    item_counts : pandas.Series or dict
        Interactions per item id, with every item of the catalogue in it.

    Returns
    -------
    float

    References
    ----------
    T. Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems",
    PNAS 2010.
    """
    counts = pd.Series(item_counts, dtype=np.float64)
    shown = _counts(recommended)
    unknown = shown.index.difference(counts.index)
    if len(unknown):
        raise ValueError(f"item_counts lacks {len(unknown)} recommended ids: {list(unknown[:5])}.")
    return float((self_information(counts)[shown.index] * shown).sum() / shown.sum())


def self_information(counts: Any) -> Any:
    """Say how many bits each item tells: ``-log2((count + 1) / (n_events + n_items))``."""
    return -np.log2((counts + 1) / (counts.sum() + len(counts)))


def _counts(recommended: Any, n_items: int | None = None) -> Any:
    counts = pd.Series(np.asarray(recommended).ravel()).value_counts()  # leaves None out
    if counts.empty:
        raise ValueError("recommended holds no item.")
    if n_items is not None and len(counts) > n_items:
        raise ValueError(
            f"n_items is the size of the catalogue; got {n_items}, but {len(counts)} different "
            "items are recommended."
        )
    return counts
