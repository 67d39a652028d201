"""Negatives: what is drawn, and what is asked for to draw it."""

import numpy as np
import pytest

from embrec.components import AllItems, SampledNegatives

COUNTS = np.array([5, 0, 3, 2])


def count_targets():
    return np.array([1, 0, 3, 0])


def refuse():
    raise AssertionError("the log was gone through for nothing")


def test_all_items_need_no_sampler():
    assert AllItems()._build(COUNTS, refuse) is None


def test_a_log_is_gone_through_only_for_negatives_of_the_batch():
    sampler = SampledNegatives(6, alpha=0.5)._build(COUNTS, refuse)
    drawn = sampler.draw(np.random.RandomState(0)).rows
    assert len(drawn) == 6
    assert not (drawn == 1).any()  # what nobody touched is never drawn
    with pytest.raises(AssertionError, match="for nothing"):
        SampledNegatives(6, in_batch=True)._build(COUNTS, refuse)


def test_how_often_an_item_is_expected_in_a_batch():
    sampler = SampledNegatives(6, alpha=0.0, in_batch=True)._build(COUNTS, count_targets)
    sample = sampler.draw(np.random.RandomState(0), also=np.array([2, 2, 0, 2]))
    drawn = 6 / 4 + 4 * np.array([1, 0, 3, 0]) / 4
    np.testing.assert_allclose(np.exp(sample.log_expected), drawn[sample.rows], rtol=1e-5)


@pytest.mark.parametrize(("logq", "told"), [(None, True), (True, True), (False, False)])
def test_whether_losses_are_told(logq, told):
    assert SampledNegatives(3, logq=logq)._build(COUNTS).logq is told
