"""The training loop."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_network import small_network

from embrec.components import Adam, CrossEntropy
from embrec.data.ragged import Ragged
from embrec.network import to_feature_tensors
from embrec.network.packing import pack
from embrec.network.weights import draw
from embrec.training import (
    Callback,
    DivergedError,
    NextItemValidation,
    Objective,
    TrainingRun,
    TrainingSequences,
    TrainingSettings,
    train,
)
from embrec.training.best_epoch import BestEpoch

CPU = torch.device("cpu")
N_ITEMS = 12


def make_problem(**dropout):
    """Sequences that walk a circle of items, each known by a one-hot feature."""
    network = small_network(N_ITEMS, **dropout)
    features = to_feature_tensors([np.eye(N_ITEMS, dtype=np.float32)], CPU)
    starts = np.random.default_rng(0).integers(0, N_ITEMS, 60)
    lengths = np.random.default_rng(1).integers(2, 7, 60)
    steps = np.concatenate([s + np.arange(n) for s, n in zip(starts, lengths, strict=True)])
    return network, features, Ragged.from_lengths((steps % N_ITEMS).astype(np.int32), lengths)


def settings(patience=3, **changes):
    defaults = {"batch_size": 8, "max_epochs": 12, "stopping": BestEpoch(patience)}
    return TrainingSettings(Adam(0.03), **{**defaults, **changes})


def run_training(network, features, sequences, how, seed=0, **rest):
    rng = np.random.RandomState(seed)
    sequences = TrainingSequences(sequences, 50)
    objective = Objective(CrossEntropy()._build(), None, features, None)
    return train(network, objective, sequences, how, rng=rng, **rest)


def batch_loss(network, features, batch):
    objective = Objective(CrossEntropy()._build(), None, features, None)
    return objective(network, batch, np.random.RandomState(0))


def test_batch_loss_is_the_mean_over_all_next_items():
    network, features, sequences = make_problem()
    batch = pack(sequences, with_targets=True, device=CPU)
    losses = []
    items = network.embed_items(features)
    for number in range(len(sequences)):
        state = network.initial_states(1)
        for row in sequences[number].tolist():
            scores = network.predict(state) @ items.T
            losses.append(F.cross_entropy(scores, torch.tensor([row])))
            state = network.advance(state, items[[row]])
    assert len(losses) == len(sequences.values)
    torch.testing.assert_close(batch_loss(network, features, batch), torch.stack(losses).mean())


def test_learns_a_circle_of_items():
    network, features, sequences = make_problem(input_dropout=0.1, dropout=0.1)
    validation = NextItemValidation(sequences, features, monitor="hit_rate@1")
    how = settings(max_epochs=30, patience=30)
    run = run_training(network, features, sequences, how, validate=validation)
    assert run.log[-1]["loss"] < 0.7 * run.log[0]["loss"]
    assert validation(network)["hit_rate@1"] > 0.95


def test_the_best_weights_come_back():
    network, features, sequences = make_problem()
    figures = iter([0.1, 0.2, 0.5, 0.4, 0.5, 0.3, 0.9])
    weights = []

    def validate(network):
        weights.append(network.encoder.output.weight.detach().clone())
        return {"hit_rate": next(figures), "mrr": 0.0}

    run = run_training(network, features, sequences, settings(), validate=validate)
    # the third epoch is best; three epochs pass without a better one
    assert run.best_epoch == 3
    assert [record["epoch"] for record in run.log] == [1, 2, 3, 4, 5, 6]
    assert torch.equal(network.encoder.output.weight, weights[2])
    assert not torch.equal(network.encoder.output.weight, weights[-1])
    assert not network.training


def test_without_validation_all_epochs_run():
    network, features, sequences = make_problem()
    run = run_training(network, features, sequences, settings(max_epochs=4))
    assert len(run.log) == run.best_epoch == 4
    assert "valid_hit_rate" not in run.log[0]


def test_figures_are_logged_by_name_and_the_later_ones_break_ties():
    network, features, sequences = make_problem()
    figures = iter([(0.5, 0.1), (0.5, 0.3), (0.5, 0.2), (0.4, 0.9)])

    def validate(network):
        return dict(zip(("ndcg@3", "mrr"), next(figures), strict=True))

    how = settings(max_epochs=4)
    run = run_training(network, features, sequences, how, validate=validate)
    assert run.best_epoch == 2
    assert [record["valid_mrr"] for record in run.log] == [0.1, 0.3, 0.2, 0.9]
    assert [record["valid_ndcg@3"] for record in run.log] == [0.5, 0.5, 0.5, 0.4]


def test_without_stopping_figures_are_logged_and_the_last_weights_stay():
    network, features, sequences = make_problem()
    figures, last = iter([0.9, 0.2, 0.1, 0.0]), []

    def validate(network):
        last[:] = [network.encoder.output.weight.detach().clone()]
        return {"hit_rate": next(figures), "mrr": 0.0}

    how = settings(max_epochs=4, stopping=None)
    run = run_training(network, features, sequences, how, validate=validate)
    assert len(run.log) == run.best_epoch == 4
    assert [record["valid_hit_rate"] for record in run.log] == [0.9, 0.2, 0.1, 0.0]
    assert torch.equal(network.encoder.output.weight, last[0])


def test_seed_decides_and_the_global_state_is_left_alone():
    def weights(seed):
        network, features, sequences = make_problem(dropout=0.5)
        torch.manual_seed(123)
        before = torch.random.get_rng_state()
        run_training(network, features, sequences, settings(max_epochs=2), seed)
        assert torch.equal(torch.random.get_rng_state(), before)
        return network.encoder.output.weight

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_a_loss_that_is_no_number_is_an_error():
    network, features, sequences = make_problem()
    with torch.no_grad():
        network.encoder.output.bias[0] = torch.nan
    with pytest.raises(DivergedError, match="became nan. Lower learning_rate"):
        run_training(network, features, sequences, settings())


def test_weights_that_are_no_numbers_are_an_error_too():
    """The loss of an epoch is that before its last step."""
    network, features, sequences = make_problem()

    def poison(network):
        with torch.no_grad():
            network.encoder.output.bias[0] = torch.inf
        return {"hit_rate": 1.0, "mrr": 1.0}

    once = settings(max_epochs=1)
    with pytest.raises(DivergedError, match=r"Weights .* infinite or NaN. Lower learning_rate"):
        run_training(network, features, sequences, once, validate=poison)


def test_first_items_train_the_state_before_any_item_alone():
    network, features, sequences = make_problem()
    batch = pack(sequences, with_targets=True, device=CPU)
    batch_loss(network, features, batch).backward()
    with_first = {name: p.grad.clone() for name, p in network.named_parameters()}
    network.zero_grad()
    items = network.embed_items(features)
    predicted = network.predict_steps(items[batch.rows], batch.packing)
    n_steps, n_all = len(batch.rows), len(sequences.values)
    (F.cross_entropy(predicted @ items.T, batch.targets) * n_steps / n_all).backward()
    for name, parameter in network.named_parameters():
        if name != "encoder.initial":
            torch.testing.assert_close(with_first[name], parameter.grad, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(with_first["encoder.initial"], network.encoder.initial.grad)


def test_records_of_later_runs_are_numbered_on():
    earlier = [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.0}]
    run = TrainingRun([{"epoch": 1, "loss": 1.0}], best_epoch=1).after(earlier)
    assert [r["epoch"] for r in run.log] == [1, 2, 3]
    assert run.best_epoch == 3
    assert earlier[1] == {"epoch": 2, "loss": 2.0}


def test_no_sequences_are_nothing_to_train_on():
    empty = Ragged(np.empty(0, np.int32), np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="None of the 0 sequences in X has two items"):
        TrainingSequences(empty, 50)


class Kept:
    """Remembers the states that it is given."""

    def __init__(self):
        self.states = []

    def write(self, step, state, *, is_best=False):
        self.states.append({k: v.clone() for k, v in state["network"].items()})

    def newest(self):
        return None


def test_no_checkpoint_is_of_a_loss_that_diverged(monkeypatch):
    monkeypatch.setattr("embrec.training.loop.CHECKPOINT_SECONDS", 0.0)
    network, features, sequences = make_problem()

    class Spoil(Callback):
        def on_step_end(self, progress):
            if progress.step == 3:
                with torch.no_grad():
                    progress.network.encoder.output.bias[:] = float("nan")

    kept = Kept()
    with pytest.raises(DivergedError, match="loss became nan"):
        run_training(
            network, features, sequences, settings(), callbacks=[Spoil()], checkpoints=kept
        )
    assert len(kept.states) == 3  # the loss tells of a step's weights one step later
    assert all(torch.isfinite(v).all() for s in kept.states[:2] for v in s.values())


@pytest.mark.parametrize("when", ["on_step_end", "on_epoch_end"])
def test_an_exception_of_a_callback_arrives_as_it_is(when):
    def give_up(self, progress):
        raise StopIteration("enough")

    watch = type("Watch", (Callback,), {when: give_up})()
    network, features, sequences = make_problem()
    with pytest.raises(StopIteration, match="enough"):
        run_training(network, features, sequences, settings(max_epochs=1), callbacks=[watch])


def test_other_devices_keep_their_generators(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    monkeypatch.setattr(torch.cuda, "manual_seed", seeded.append)
    network, features, sequences = make_problem()
    seeded.clear()
    run_training(network, features, sequences, settings(max_epochs=1))
    draw(lambda: small_network(N_ITEMS), 3)
    assert seeded == []
