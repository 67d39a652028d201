"""When training stops: what is watched, and for how long."""

import pytest
from torch import nn

from embrec.components import EarlyStopping


@pytest.mark.parametrize("patience", [1, 3])
def test_it_waits_as_many_epochs_as_it_is_told(patience):
    watch, network = EarlyStopping(patience=patience)._build(), nn.Linear(1, 1)
    stops = [watch.update(figure, network, epoch) for epoch, figure in enumerate([2, 3, 1, 1, 1])]
    assert stops == [False, False, patience == 1, patience == 1, True]
    assert watch.best_epoch == 1


def test_each_run_is_watched_anew():
    stopping, network = EarlyStopping(patience=1), nn.Linear(1, 1)
    first = stopping._build()
    assert [first.update(figure, network, 1) for figure in (5, 4)] == [False, True]
    assert not stopping._build().update(4, network, 1)


@pytest.mark.parametrize("monitor", ["hit_rate@1", "ndcg@20", "mrr"])
def test_what_may_be_watched(monitor):
    EarlyStopping(monitor).check()


@pytest.mark.parametrize("monitor", ["hit_rate", "recall@5", "ndcg@0", ""])
def test_what_may_not(monitor):
    with pytest.raises(ValueError, match="monitor must be 'hit_rate@K', 'ndcg@K' or 'mrr'"):
        EarlyStopping(monitor).check()


@pytest.mark.parametrize("patience", [0, 2.5])
def test_patience_is_a_count(patience):
    with pytest.raises(ValueError, match="'patience' parameter of EarlyStopping"):
        EarlyStopping(patience=patience).check()
