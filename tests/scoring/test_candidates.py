"""Who may answer."""

from dataclasses import replace

import numpy as np
import torch
from drawn_candidates import CANDIDATES, M, N, build, ragged
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec.scoring.candidates import Candidates
from embrec.scoring.ranks import rank_targets
from embrec.scoring.top_k import top_k


def test_candidates_named_twice_count_once():
    queries, items = torch.ones(1, 1), torch.tensor([[3.0], [2.0], [1.0]])
    twice = Candidates(included=ragged([[1, 1, 2]]), excluded=(ragged([[2, 2]]), ragged([[2]])))
    assert top_k(queries, items, 3, twice)[0].tolist() == [[1, -1, -1]]
    assert rank_targets(queries, items, np.array([0]), twice)[1].tolist() == [2]


@settings(deadline=None)
@given(drawn=CANDIDATES, start=st.integers(0, N - 1), forbidden=st.sets(st.integers(0, M - 1)))
def test_scores_of_all_others_are_masked(drawn, start, forbidden):
    candidates, may = build(drawn)
    rows = sorted(forbidden)
    candidates = replace(candidates, forbidden=torch.tensor(rows, dtype=torch.int64))
    may[:, rows] = False
    scores = torch.ones(N - start, M)
    candidates.mask(scores, start)
    assert (scores > -torch.inf).tolist() == may[start:].tolist()
