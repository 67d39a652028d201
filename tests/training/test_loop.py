"""The training loop."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from embrec.training.early_stopping import EarlyStopping

from embrec.data.ragged import Ragged
from embrec.network import Dropout, EmbRecNetwork, NetworkSize, to_feature_tensors
from embrec.network.packing import pack
from embrec.network.weights import build_network
from embrec.training import (
    Callback,
    DivergedError,
    LossSettings,
    NextItemValidation,
    Objective,
    OptimizerSettings,
    TrainingRun,
    TrainingSequences,
    TrainingSettings,
    train,
)

CPU = torch.device("cpu")
N_ITEMS = 12


def make_problem(dropout=None):
    """Sequences that walk a circle of items, each known by a one-hot feature."""
    torch.manual_seed(0)
    network = EmbRecNetwork(NetworkSize((N_ITEMS,), 8, 8, 8), dropout or Dropout())
    features = to_feature_tensors([np.eye(N_ITEMS, dtype=np.float32)], CPU)
    starts = np.random.default_rng(0).integers(0, N_ITEMS, 60)
    lengths = np.random.default_rng(1).integers(2, 7, 60)
    steps = np.concatenate([s + np.arange(n) for s, n in zip(starts, lengths, strict=True)])
    return network, features, Ragged.from_lengths((steps % N_ITEMS).astype(np.int32), lengths)


def settings(**changes):
    defaults = {"batch_size": 8, "max_epochs": 12, "patience": 3}
    return TrainingSettings(OptimizerSettings(learning_rate=0.03), **{**defaults, **changes})


def run_training(network, features, sequences, how, seed=0, loss=None, **rest):
    rng = np.random.RandomState(seed)
    sequences = TrainingSequences(sequences, 50)
    counts = sequences.count_items(len(features[0]))
    objective = Objective(loss or LossSettings(), features, None, counts)
    return train(network, objective, sequences, how, rng=rng, **rest)


def batch_loss(network, features, batch, **loss):
    counts = np.bincount(batch.targets.numpy(), minlength=N_ITEMS)
    objective = Objective(LossSettings(**loss), features, None, counts)
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
    network, features, sequences = make_problem(Dropout(input=0.1, output=0.1))
    validation = NextItemValidation(sequences, features, k=1)
    how = settings(max_epochs=30, patience=30)
    run = run_training(network, features, sequences, how, validate=validation)
    assert run.log[-1]["loss"] < 0.7 * run.log[0]["loss"]
    assert validation(network)[0] > 0.95


def test_validation_counts_what_is_ranked_before_the_last_item():
    network, features, sequences = make_problem()
    items = network.embed_items(features).detach()
    hits, reciprocals = [], []
    with torch.no_grad():
        for number in range(len(sequences)):
            *history, target = sequences[number].tolist()
            state = network.initial_states(1)
            for row in history:
                state = network.advance(state, items[[row]])
            scores = (network.predict(state) @ items.T)[0]
            rank = int((scores >= scores[target]).sum()) - 1
            hits.append(rank < 3)
            reciprocals.append(1 / (rank + 1))
    found = NextItemValidation(sequences, features, k=3)(network)
    assert found == pytest.approx((np.mean(hits), np.mean(reciprocals)))


def test_the_best_weights_come_back():
    network, features, sequences = make_problem()
    figures = iter([0.1, 0.2, 0.5, 0.4, 0.5, 0.3, 0.9])
    weights = []

    def validate(network):
        weights.append(network.output.weight.detach().clone())
        return next(figures), 0.0

    run = run_training(network, features, sequences, settings(), validate=validate)
    # the third epoch is best; three epochs pass without a better one
    assert run.best_epoch == 3
    assert [record["epoch"] for record in run.log] == [1, 2, 3, 4, 5, 6]
    assert torch.equal(network.output.weight, weights[2])
    assert not torch.equal(network.output.weight, weights[-1])
    assert not network.training


def test_without_validation_all_epochs_run():
    network, features, sequences = make_problem()
    run = run_training(network, features, sequences, settings(max_epochs=4))
    assert len(run.log) == run.best_epoch == 4
    assert "valid_hit_rate" not in run.log[0]


def test_seed_decides_and_the_global_state_is_left_alone():
    def weights(seed):
        network, features, sequences = make_problem(Dropout(output=0.5))
        torch.manual_seed(123)
        before = torch.random.get_rng_state()
        run_training(network, features, sequences, settings(max_epochs=2), seed)
        assert torch.equal(torch.random.get_rng_state(), before)
        return network.output.weight

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_a_loss_that_is_no_number_is_an_error():
    network, features, sequences = make_problem()
    with torch.no_grad():
        network.output.bias[0] = torch.nan
    with pytest.raises(DivergedError, match="became nan. Lower learning_rate"):
        run_training(network, features, sequences, settings())


def test_early_stopping_counts_from_the_last_best():
    network = torch.nn.Linear(1, 1)
    stopping = EarlyStopping(patience=2)
    stops = [stopping.update(f, network, e) for e, f in enumerate([1, 0, 2, 2, 1], start=1)]
    assert stops == [False, False, False, False, True]
    assert stopping.best_epoch == 3


def test_weights_that_are_no_numbers_are_an_error_too():
    """The loss of an epoch is that before its last step."""
    network, features, sequences = make_problem()

    def poison(network):
        with torch.no_grad():
            network.output.bias[0] = torch.inf
        return 1.0, 1.0

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
    predicted = network.predict_steps(items[batch.rows], batch.batch_sizes)
    n_steps, n_all = len(batch.rows), len(sequences.values)
    (F.cross_entropy(predicted @ items.T, batch.targets) * n_steps / n_all).backward()
    for name, parameter in network.named_parameters():
        if name != "initial":
            torch.testing.assert_close(with_first[name], parameter.grad, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(with_first["initial"], network.initial.grad)


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
                    progress.network.output.bias[:] = float("nan")

    kept = Kept()
    with pytest.raises(DivergedError, match="loss became nan"):
        run_training(
            network, features, sequences, settings(), callbacks=[Spoil()], checkpoints=kept
        )
    assert len(kept.states) == 3  # the loss tells of a step's weights one step later
    assert all(torch.isfinite(v).all() for s in kept.states[:2] for v in s.values())


def test_other_devices_keep_their_generators(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    monkeypatch.setattr(torch.cuda, "manual_seed", seeded.append)
    network, features, sequences = make_problem()
    seeded.clear()
    run_training(network, features, sequences, settings(max_epochs=1))
    build_network(network.size, network.dropout, 3)
    assert seeded == []
