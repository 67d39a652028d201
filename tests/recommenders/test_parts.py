"""Parts together: what is chosen, what contradicts."""

import numpy as np
import pytest
import torch

from embrec import EmbRecEstimator
from embrec.components import (
    BPR,
    AllItems,
    CosineDistance,
    EarlyStopping,
    FixedItems,
    GRUEncoder,
    ItemTowers,
    ItemVectors,
    ParallelEncoder,
    SampledNegatives,
)
from embrec.recommenders.parts import (
    AUTO_MAX_ITEMS,
    AUTO_N,
    check_scores,
    resolve_parts,
    score_settings,
)

DEFAULTS = {
    "item_model": None,
    "encoder": "gru",
    "loss": "cross_entropy",
    "negatives": "auto",
    "optimizer": "adam",
    "early_stopping": True,
}


def parts(**changes):
    return resolve_parts(**{**DEFAULTS, **changes})


def test_none_is_what_the_loss_needs():
    assert type(parts().item_model) is ItemTowers
    assert type(parts(loss="cosine").item_model) is FixedItems


def test_auto_is_all_items_until_there_are_many():
    assert type(parts().of_size(AUTO_MAX_ITEMS).negatives) is AllItems
    assert parts().of_size(AUTO_MAX_ITEMS + 1).negatives.n == AUTO_N
    assert type(parts(loss="cosine").of_size(10**7).negatives) is AllItems
    assert type(parts(negatives="all").of_size(10**7).negatives) is AllItems
    assert parts(negatives=np.str_("auto")).negatives is None
    assert type(parts(negatives=np.str_("all")).negatives) is AllItems
    assert parts(early_stopping=np.False_).early_stopping is None
    for number in (7, np.int64(7)):
        assert parts(negatives=number).negatives.get_params() == SampledNegatives(7).get_params()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "cosine", "negatives": 5}, r"CosineDistance\(\) has no negatives; got"),
        ({"loss": "cosine", "item_model": ItemTowers()}, "learns nothing of the items; got"),
        ({"item_model": FixedItems()}, r"Choose loss='cosine', or another item model"),
        ({"loss": "bpr", "negatives": SampledNegatives(5, logq=True)}, "Leave logq at None"),
        ({"loss": "bpr", "negatives": SampledNegatives(5, logq=False)}, "Leave logq at None"),
    ],
)
def test_no_setting_is_silently_without_effect(changes, message):
    with pytest.raises(ValueError, match=message):
        parts(**changes)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"loss": "cross_entropi"}, ValueError, "Did you mean 'cross_entropy'"),
        ({"negatives": "al"}, ValueError, "Did you mean 'all'"),
        ({"negatives": 0}, ValueError, "'n' parameter of SampledNegatives"),
        ({"negatives": True}, TypeError, "negatives must be"),
        ({"negatives": 2.5}, TypeError, "negatives must be"),
        ({"negatives": np.float64(3.7)}, TypeError, "negatives must be"),
        ({"negatives": np.True_}, TypeError, "negatives must be"),
        ({"early_stopping": 3}, TypeError, "True, False or an EarlyStopping; got 3"),
        ({"early_stopping": EarlyStopping}, TypeError, r"Pass EarlyStopping\(\)"),
        ({"negatives": "50"}, ValueError, "'auto', 'all', a number or a Negatives; got '50'"),
        ({"item_model": "towers"}, ValueError, "must be None or an ItemModel; got 'towers'"),
        ({"early_stopping": EarlyStopping("hits")}, ValueError, "monitor must be"),
        ({"optimizer": None}, TypeError, "optimizer must be 'adam', 'adagrad' or"),
    ],
)
def test_mistakes_are_named(changes, error, message):
    with pytest.raises(error, match=message):
        parts(**changes)


class Own(GRUEncoder):
    """Somebody else's."""


def test_whose_parts_they_are_is_asked_of_all_within():
    assert parts(encoder=ParallelEncoder([("a", GRUEncoder())])).are_own
    for encoder in (Own(), ParallelEncoder([("a", GRUEncoder()), ("b", Own())])):
        assert not parts(encoder=encoder).are_own


def test_an_estimator_reads_content():
    model = EmbRecEstimator(item_model=ItemVectors(8))
    with pytest.raises(ValueError, match=r"ItemVectors.* reads no content"):
        model._parts()


def test_scores_that_a_loss_does_not_make_cannot_be_set():
    cpu = torch.device("cpu")
    check_scores(CosineDistance(), "auto", "auto")
    check_scores(BPR(), "float32", 2)
    assert score_settings("float32", 2, cpu) == {"memory": 2 * 2**20, "precision": None}
    for precision, memory in (("float32", "auto"), ("auto", 4)):
        with pytest.raises(ValueError, match="precision and score_memory say nothing to it"):
            check_scores(CosineDistance(), precision, memory)
    assert score_settings("bfloat16", "auto", cpu)["precision"] is torch.bfloat16
