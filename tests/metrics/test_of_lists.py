"""Metrics of what is recommended, against naive references."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embrec.metrics import (
    catalog_coverage,
    gini_index,
    novelty,
)

SHOWN = np.array([["a", "b"], ["a", None], ["c", "a"]], dtype=object)


def test_coverage_and_gini():
    assert catalog_coverage(SHOWN, 6) == 0.5
    counts = np.array([0, 0, 0, 1, 1, 3])
    pairs = np.abs(counts[:, None] - counts[None]).sum()
    assert gini_index(SHOWN, 6) == pytest.approx(pairs / (2 * 6 * counts.sum()))
    assert gini_index([["a", "b"], ["b", "a"]], 2) == pytest.approx(0)


def test_novelty():
    counts = {"a": 5, "b": 0, "c": 1}
    information = {i: -np.log2((n + 1) / (6 + 3)) for i, n in counts.items()}
    expected = np.mean([information[i] for i in ("a", "b", "a", "c", "a")])
    assert novelty(SHOWN, counts) == pytest.approx(expected)
    assert novelty(SHOWN, pd.Series(counts)) == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"lacks 1 recommended ids: \['c'\]"):
        novelty(SHOWN, {"a": 1, "b": 1})


def test_nothing_recommended():
    with pytest.raises(ValueError, match="holds no item"):
        catalog_coverage([[None, None]], 5)


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3), min_size=1))
def test_coverage_and_gini_against_pairs(rows):
    width = max(map(len, rows))
    shown = np.array([row + [None] * (width - len(row)) for row in rows], dtype=object)
    counts = [sum(row.count(item) for row in rows) for item in "abcdef"] + [0]  # g, never shown
    assert catalog_coverage(shown, 7) == pytest.approx(sum(c > 0 for c in counts) / 7)
    differences = sum(abs(a - b) for a in counts for b in counts)
    assert gini_index(shown, 7) == pytest.approx(differences / (2 * 7 * sum(counts)))


def test_more_items_shown_than_there_are():
    for metric in (catalog_coverage, gini_index):
        with pytest.raises(ValueError, match="got 2, but 3 different items are recommended"):
            metric(SHOWN, 2)
