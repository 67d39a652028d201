"""Losses as components: what training calls, by hand on one step."""

import math

import pytest
import torch

from embrec.components import BPR, BPRMax, CosineDistance, CrossEntropy, Loss, SmoothNDCG

#: One prediction and three items, whose scores are 2, 1 and -1; the first comes next.
PREDICTED = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
ITEMS = torch.tensor([[2.0, 0.0], [1.0, 3.0], [-1.0, 1.0]], dtype=torch.float64)
TARGETS = torch.tensor([0])


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def softmax_of_negatives():
    total = math.e + math.exp(-1)
    return math.e / total, math.exp(-1) / total


def bpr_max(reg):
    one, other = softmax_of_negatives()
    return -math.log(one * sigmoid(1) + other * sigmoid(3)) + reg * (one + other)


def smooth_ndcg(weight):
    ndcg = 1 / math.log2(2 + sigmoid(-1) + sigmoid(-3))
    return 1 - ndcg + weight * BY_HAND["cross_entropy"][1]


BY_HAND = {
    "cross_entropy": (CrossEntropy(), math.log(math.exp(2) + math.e + math.exp(-1)) - 2),
    "bpr": (BPR(), -(math.log(sigmoid(1)) + math.log(sigmoid(3))) / 2),
    "bpr_max": (BPRMax(), bpr_max(1.0)),
    "bpr_max of another weight": (BPRMax(0.25), bpr_max(0.25)),
    "cosine": (CosineDistance(), 0.0),
}
BY_HAND["smooth_ndcg"] = SmoothNDCG(), smooth_ndcg(0.1)
BY_HAND["smooth_ndcg alone"] = SmoothNDCG(0), smooth_ndcg(0)
each = pytest.mark.parametrize(("loss", "expected"), BY_HAND.values(), ids=BY_HAND)


@each
@pytest.mark.parametrize("options", [{}, {"memory": 1, "precision": torch.float64}], ids=str)
def test_what_is_built_is_the_loss_by_hand(loss, expected, options):
    found = loss._build(**options)(PREDICTED, ITEMS, TARGETS, None)
    assert found.item() == pytest.approx(expected, abs=1e-12)


@each
def test_only_one_that_says_so_makes_use_of_how_often_negatives_are_drawn(loss, expected):
    negatives, log_expected = torch.tensor([1, 2]), torch.tensor([0.7, -0.3]).double()
    built = loss._build()
    plain = built(PREDICTED, ITEMS, TARGETS, negatives).item()
    corrected = built(PREDICTED, ITEMS, TARGETS, negatives, log_expected=log_expected).item()
    assert (plain != corrected) is loss.corrects_sampling


@each
def test_only_one_that_says_so_reads_negatives(loss, expected):
    values = {
        loss._build()(PREDICTED, ITEMS, TARGETS, torch.tensor(rows)).item()
        for rows in ([1, 2], [1, 1])
    }
    assert (len(values) > 1) is loss.uses_negatives


@pytest.mark.parametrize("name", ["cross_entropy", "bpr", "bpr_max", "smooth_ndcg"])
def test_precision_reaches_the_scores(name):
    loss, exact = BY_HAND[name]
    predicted = PREDICTED * (1 + 2**-12)  # more digits than bfloat16 has
    found = loss._build(precision=torch.bfloat16)(predicted, ITEMS, TARGETS, None).item()
    assert found == pytest.approx(exact, abs=0.02)
    assert found != loss._build()(predicted, ITEMS, TARGETS, None).item()


def test_a_negative_weight_is_refused():
    BPRMax(0.0).check()
    with pytest.raises(ValueError, match="'reg' parameter of BPRMax"):
        BPRMax(-0.1).check()
    with pytest.raises(ValueError, match="'cross_entropy' parameter of SmoothNDCG"):
        SmoothNDCG(-0.1).check()


def test_a_loss_of_ones_own_needs_build_alone():
    with pytest.raises(TypeError, match="abstract"):
        Loss()

    class Own(Loss):
        def _build(self, *, memory=None, precision=None):
            return max

    own = Own()
    assert (own.uses_negatives, own.corrects_sampling, own.learns_items) == (True, False, True)
