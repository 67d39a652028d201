"""Vectors and candidates that tests draw, and which of them may answer."""

import numpy as np
import scipy.sparse as sp
import torch
from hypothesis import strategies as st

from embrec.data.ragged import Ragged
from embrec.scoring.candidates import Candidates

N, M, D = 7, 12, 3


def ragged(rows):
    values = np.array([v for row in rows for v in row], dtype=np.int32)
    return Ragged.from_lengths(values, np.array([len(row) for row in rows]))


def vectors(seed, n, *, small_integers=False):
    rng = np.random.default_rng(seed)
    # small integers make ties, and products that are exact in any order
    values = rng.integers(-2, 3, (n, D)) if small_integers else rng.normal(size=(n, D))
    return values.astype(np.float32)


def as_kind(array, kind):
    return sp.csr_array(array) if kind == "sparse" else torch.from_numpy(array)


ROW_LISTS = st.lists(
    st.lists(st.integers(0, M - 1), max_size=M, unique=True), min_size=N, max_size=N
)


CANDIDATES = st.fixed_dictionaries(
    {
        "allowed": st.none() | st.lists(st.booleans(), min_size=M, max_size=M),
        "included": st.none() | ROW_LISTS,
        "excluded": st.none() | ROW_LISTS,
    }
)


def build(drawn):
    allowed, included, excluded = drawn["allowed"], drawn["included"], drawn["excluded"]
    candidates = Candidates(
        None if allowed is None else torch.tensor(allowed),
        None if included is None else ragged(included),
        () if excluded is None else (ragged(excluded),),
    )
    may = np.ones((N, M), dtype=bool)
    if allowed is not None:
        may &= np.array(allowed)
    for row in range(N):
        if included is not None:
            may[row] &= np.isin(np.arange(M), included[row])
        if excluded is not None:
            may[row] &= ~np.isin(np.arange(M), excluded[row])
    return candidates, may
