"""What watches training."""

import numpy as np
import pytest
import torch
from small_network import small_network

from embrec.components import Adam, CrossEntropy
from embrec.data.ragged import Ragged
from embrec.network import to_feature_tensors
from embrec.training import Callback, Objective, TrainingSequences, TrainingSettings, train
from embrec.training.best_epoch import BestEpoch

N_ITEMS = 12


def run(callbacks=(), validate=None, dropout=0.0, **settings):
    network = small_network(N_ITEMS, dropout=dropout, input_dropout=dropout)
    features = to_feature_tensors([np.eye(N_ITEMS, dtype=np.float32)], torch.device("cpu"))
    rows = np.random.default_rng(0).integers(0, N_ITEMS, 100).astype(np.int32)
    sequences = TrainingSequences(Ragged.from_lengths(rows, np.full(20, 5)), 50)
    how = TrainingSettings(Adam(0.01), **{"batch_size": 8, "max_epochs": 3, **settings})
    rng = np.random.RandomState(0)
    objective = Objective(CrossEntropy()._build(), None, features, None)
    return train(
        network, objective, sequences, how, rng=rng, callbacks=callbacks, validate=validate
    ), network


def half_right(network):
    """What validation might say."""
    return {"hit_rate": 0.5, "mrr": 0.1}


class Recorder(Callback):
    """Notes what it is shown, and stops where it is told."""

    def __init__(self, stop_step=None, stop_epoch=None):
        self.steps, self.epochs = [], []
        self.stop_step, self.stop_epoch = stop_step, stop_epoch

    def on_step_end(self, progress):
        self.steps.append((progress.epoch, progress.step, progress.loss))
        return (progress.epoch, progress.step) == self.stop_step

    def on_epoch_end(self, progress):
        self.epochs.append(dict(progress.record))
        return progress.epoch == self.stop_epoch


def test_callbacks_see_every_step_and_epoch():
    recorder = Recorder()
    found, _ = run([recorder], validate=half_right)
    assert [s[:2] for s in recorder.steps] == [(e, s) for e in (1, 2, 3) for s in (1, 2, 3)]
    assert recorder.epochs == found.log
    assert found.log[0]["valid_hit_rate"] == 0.5
    losses = [s[2] for s in recorder.steps[:3]]
    assert min(losses) <= found.log[0]["loss"] <= max(losses)


def test_a_callback_stops_after_an_epoch():
    first, second = Recorder(stop_epoch=2), Recorder()
    found, _ = run([first, second])
    assert len(found.log) == len(second.epochs) == 2


def test_a_callback_stops_within_an_epoch_and_what_was_learned_is_kept():
    recorder = Recorder(stop_step=(2, 1))
    found, network = run([recorder], validate=half_right)
    assert len(found.log) == 2
    assert len(recorder.steps) == 4
    assert not network.training
    assert found.log[1]["loss"] == pytest.approx(recorder.steps[-1][2])


def test_stopped_by_a_callback_the_best_epoch_still_counts():
    figures = iter([0.9, 0.5, 0.4])
    found, _ = run(
        [Recorder(stop_epoch=2)],
        validate=lambda network: {"hit_rate": next(figures), "mrr": 0.0},
        stopping=BestEpoch(5),
    )
    assert len(found.log) == 2
    assert found.best_epoch == 1


def test_an_exception_goes_through():
    class Pruned(Exception):
        pass

    class Pruner(Callback):
        def on_epoch_end(self, progress):
            raise Pruned

    with pytest.raises(Pruned):
        run([Pruner()])


def test_watching_changes_no_number():
    _, watched = run([Recorder()])
    _, alone = run()
    for ours, theirs in zip(watched.parameters(), alone.parameters(), strict=True):
        assert torch.equal(ours, theirs)


class Evaluates(Callback):
    """Looks at the network as users would, which ends its training mode."""

    def on_step_end(self, progress):
        progress.network.eval()


def test_a_callback_that_evaluates_leaves_dropout_on():
    _, watched = run([Evaluates()], dropout=0.5)
    _, alone = run(dropout=0.5)
    for ours, theirs in zip(watched.parameters(), alone.parameters(), strict=True):
        assert torch.equal(ours, theirs)
