"""Errors of means: what other samples of the same kind might have said."""

import numpy as np

#: Numbers that are drawn at a time.
DRAWN = 2**22


def bootstrap_interval(
    values: np.ndarray,
    confidence: float,
    n_resamples: int,
    seed: int,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile bootstrap intervals of means.

    Parameters
    ----------
    values : ndarray of shape (n, m)
    confidence : float
    n_resamples : int
    seed : int
    groups : ndarray of shape (n,), optional
        What each row belongs to: groups are drawn, with all their rows. Rows of one visitor are
        alike, and would promise more than they know if each were drawn for itself.

    Returns
    -------
    low, high : ndarray of shape (m,)

    References
    ----------
    B. Efron, R. Tibshirani, "An introduction to the bootstrap", 1993, chapter 13.
    """
    check_confidence(confidence)
    sums, sizes = _by_group(values, groups)
    n = len(sums)
    rng = np.random.default_rng(seed)
    means = np.empty((n_resamples, values.shape[1]))
    step = max(1, DRAWN // n)
    for start in range(0, n_resamples, step):
        block = means[start : start + step]
        drawn = rng.integers(0, n, (len(block), n))
        counts = np.stack([np.bincount(row, minlength=n) for row in drawn])
        block[:] = counts @ sums / (counts @ sizes)[:, None]
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return low, high


def check_confidence(confidence: float) -> float:
    """Return a share between 0 and 1, or raise ValueError."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1; got {confidence!r}.")
    return confidence


def _by_group(values: np.ndarray, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Add up the rows of each group, and count them: (n_groups, m) and (n_groups,)."""
    if groups is None:
        return values, np.ones(len(values))
    _, codes = np.unique(groups, return_inverse=True)
    columns = [np.bincount(codes, weights=column) for column in values.T]
    return np.stack(columns, axis=1), np.bincount(codes).astype(np.float64)


def sign_test(
    differences: np.ndarray, n_resamples: int, seed: int, groups: np.ndarray | None = None
) -> np.ndarray:
    """Test whether means are 0, by turning signs at random.

    Parameters
    ----------
    differences : ndarray of shape (n, m)
    n_resamples : int
    seed : int
    groups : ndarray of shape (n,), optional
        What each row belongs to: the signs of a group are turned together.

    Returns
    -------
    ndarray of shape (m,)
        Two-sided p-values.

    References
    ----------
    M. Smucker, J. Allan, B. Carterette, "A comparison of statistical significance tests for
    information retrieval evaluation", CIKM 2007.
    """
    rng = np.random.default_rng(seed)
    differences, _ = _by_group(differences, groups)
    n, m = differences.shape
    observed = np.abs(differences.sum(axis=0))
    n_as_large = np.zeros(m)
    step = max(1, DRAWN // n)
    for start in range(0, n_resamples, step):
        signs = rng.integers(0, 2, (min(step, n_resamples - start), n), dtype=np.int8) * 2 - 1
        sums = np.abs(signs.astype(np.float64) @ differences)
        n_as_large += (sums >= observed * (1 - 1e-12)).sum(axis=0)
    return (1 + n_as_large) / (1 + n_resamples)
