"""Fits that are killed, and go on as if nothing had happened."""

import json
import os
import shutil
import signal
import time

import numpy as np
import pytest
from checkpoints import rewritten

from embrec import Callback, EmbRecEstimator, TfidfItemFeaturizer
from embrec.components import Adam, EarlyStopping, GRUEncoder, IdEmbeddings, ItemTowers
from embrec.training.checkpoint import CheckpointError

SMALL = {"item_model": ItemTowers(8, 8), "encoder": GRUEncoder(8), "batch_size": 8}
TITLES = TfidfItemFeaturizer(columns=["title"], ngram_range=(1, 1))
#: Everything that has a state of its own: the optimiser's two parts, schedule, samples, dropout.
EVERYTHING = {
    "item_model": ItemTowers(8, 8, ids=IdEmbeddings(), bias=True),
    "negatives": 6,
    "optimizer": Adam(0.02, schedule="cosine", warmup_steps=4, weight_decay=0.1),
}


class Crash(Callback):
    """Raises at a step of an epoch, as a power cut would."""

    def __init__(self, epoch, step):
        self.at = (epoch, step)

    def on_step_end(self, progress):
        if (progress.epoch, progress.step) == self.at:
            raise KeyboardInterrupt


def make(folder=None, **changes):
    defaults = {"max_epochs": 5, "early_stopping": EarlyStopping(patience=2), "random_state": 0}
    return EmbRecEstimator(TITLES, checkpoint_dir=folder, **{**defaults, **SMALL, **changes})


def figures(model):
    """What must not depend on interruptions."""
    timeless = [
        {k: v for k, v in record.items() if k not in ("seconds", "events_per_second")}
        for record in model.training_log_
    ]
    return model.fingerprint_, timeless, model.best_epoch_, model._next_seed


@pytest.fixture
def often(monkeypatch):
    """Checkpoints after every step."""
    monkeypatch.setattr("embrec.training.loop.CHECKPOINT_SECONDS", 0.0)


SETTINGS = {"plain": {}, "everything": EVERYTHING}


@pytest.fixture(scope="module")
def unbroken(shop_log, shop_items):
    """Models of fits that nothing interrupts, by name of their settings."""
    return {
        name: make(**changes).fit(shop_log, items=shop_items) for name, changes in SETTINGS.items()
    }


@pytest.fixture(scope="module")
def over(shop_log, shop_items, tmp_path_factory):
    """The model of a plain fit that has ended, and the folder of its checkpoints."""
    folder = tmp_path_factory.mktemp("over")
    return make(folder).fit(shop_log, items=shop_items), folder


@pytest.fixture
def ended(over, tmp_path):
    """A folder of one's own with the checkpoints of a plain fit that has ended."""
    return shutil.copytree(over[1], tmp_path / "ended")


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("at", [(1, 3), (2, 1), (4, 6)], ids=str)
def test_a_crash_changes_no_number(name, at, unbroken, tmp_path, shop_log, shop_items, often):
    changes, unbroken = SETTINGS[name], unbroken[name]
    broken = make(tmp_path, callbacks=[Crash(*at)], **changes)
    with pytest.raises(KeyboardInterrupt):
        broken.fit(shop_log, items=shop_items)
    assert not hasattr(broken, "network_")
    resumed = make(tmp_path, **changes).fit(shop_log, items=shop_items)
    assert figures(resumed) == figures(unbroken)
    np.testing.assert_array_equal(resumed.index_.vectors, unbroken.index_.vectors)


def test_going_on_starts_where_it_stopped(tmp_path, shop_log, shop_items, often):
    class Count(Callback):
        steps = 0

        def on_step_end(self, progress):
            Count.steps += 1

    broken = make(tmp_path, callbacks=[Crash(2, 5)])
    with pytest.raises(KeyboardInterrupt):
        broken.fit(shop_log, items=shop_items)
    whole = make(callbacks=[Count()], early_stopping=False).fit(shop_log, items=shop_items)
    n_steps, Count.steps = Count.steps // len(whole.training_log_), 0
    resumed = make(tmp_path, callbacks=[Count()]).fit(shop_log, items=shop_items)
    # the step that crashed had no checkpoint yet
    assert Count.steps == n_steps * len(resumed.training_log_) - n_steps - 4


def test_a_run_that_is_over_trains_no_more(over, ended, shop_log, shop_items):
    again = make(ended, callbacks=[Crash(1, 1)]).fit(shop_log, items=shop_items)
    assert figures(again) == figures(over[0])


def test_the_last_checkpoints_and_the_best_are_kept(tmp_path, shop_log, shop_items, monkeypatch):
    # at the ends of epochs alone, however slow the machine is
    monkeypatch.setattr("embrec.training.loop.CHECKPOINT_SECONDS", float("inf"))
    model = make(tmp_path, early_stopping=EarlyStopping(patience=3), max_epochs=8)
    model.fit(shop_log, items=shop_items)
    n_epochs = len(model.training_log_)
    n_files = len(list(tmp_path.iterdir()))
    assert n_files == 2 + (model.best_epoch_ < n_epochs - 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": Adam(0.5)},
        {"optimizer": "adagrad"},
        {"random_state": 1},
        {"encoder": GRUEncoder(9)},
        {"encoder": GRUEncoder(8, dropout=0.1)},
        {"early_stopping": EarlyStopping("mrr", patience=2)},
        {"negatives": 3},
        {"max_epochs": 6},
    ],
    ids=str,
)
def test_another_run_is_not_gone_on_with(changes, ended, shop_log, shop_items):
    with pytest.raises(CheckpointError, match="another run, of other settings or data"):
        make(ended, **changes).fit(shop_log, items=shop_items)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    unbroken, tmp_path, shop_log, shop_items, often
):
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, callbacks=[Crash(3, 4)]).fit(shop_log, items=shop_items)
    newest = max(tmp_path.iterdir())
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="Skipped the checkpoint .*checksum is wrong"):
        resumed = make(tmp_path).fit(shop_log, items=shop_items)
    assert figures(resumed) == figures(unbroken["plain"])


@pytest.mark.parametrize("name", ["network", "torch_rng", "records", "step", "loss_sum"])
def test_a_state_that_was_changed_on_purpose(name, ended, shop_log, shop_items):
    """The checksum is right, and yet it is no state: one error for all of them."""

    def change(header):
        state = json.loads(header["__metadata__"]["state"])
        for entry in state["dict"]:
            entry[1] = "x" if entry[0] == name else entry[1]
        header["__metadata__"]["state"] = json.dumps(state)

    for path in ended.iterdir():
        rewritten(path, change)
    before = {path: path.read_bytes() for path in ended.iterdir()}
    model = make(ended)
    with pytest.raises(CheckpointError, match="holds no state of this run, so it was changed: "):
        model.fit(shop_log, items=shop_items)
    assert not hasattr(model, "network_")
    assert {path: path.read_bytes() for path in ended.iterdir()} == before


@pytest.mark.parametrize("state", [None, np.random.RandomState(0)], ids=["none", "generator"])
def test_a_seed_is_needed(state, tmp_path, shop_log, shop_items):
    with pytest.raises(ValueError, match="needs random_state to be an int"):
        make(tmp_path / "new", random_state=state).fit(shop_log, items=shop_items)
    assert not (tmp_path / "new").exists()


def test_no_path_is_not_this_folder(tmp_path, shop_log, shop_items, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="checkpoint_dir must be the path of a folder, or None"):
        make("").fit(shop_log, items=shop_items)
    assert list(tmp_path.iterdir()) == []


def test_partial_fit_leaves_checkpoints_alone(tmp_path, shop_log, shop_items):
    model = make(tmp_path, max_epochs=1).fit(shop_log, items=shop_items)
    before = sorted(tmp_path.iterdir())
    model.partial_fit(shop_log)
    assert sorted(tmp_path.iterdir()) == before


SCRIPT = """
import json, sys
import torch
from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.components import Adam, EarlyStopping, GRUEncoder, IdEmbeddings, ItemTowers
from embrec.datasets import make_shop
from embrec.training import loop

torch.set_num_threads(1)
loop.CHECKPOINT_SECONDS = 0.02
shop = make_shop(n_users=200, n_items=200, random_state=0)
model = EmbRecEstimator(
    TfidfItemFeaturizer(columns=["title"]), random_state=0, max_epochs=6,
    early_stopping=EarlyStopping(patience=2), checkpoint_dir=sys.argv[1] or None,
    **PARAMETERS,
).fit(shop.interactions, items=shop.items)
seconds = sum(record["seconds"] for record in model.training_log_)
print(json.dumps([model.fingerprint_, model.best_epoch_, len(model.training_log_), seconds]))
"""


def outcome(process):
    done = process.wait()
    assert done.code == 0, done.err
    return json.loads(done.out)


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is of Unix")
def test_a_process_killed_at_random_moments_ends_with_the_same_numbers(processes, tmp_path):
    # parts are written as they are made
    script = SCRIPT.replace("PARAMETERS", repr({**SMALL, **EVERYTHING}))
    processes.load("torch._dynamo")
    *expected, seconds = outcome(processes.start(script, tmp_path / "unbroken", ""))
    run = tmp_path / "run"
    delays, n_kills = np.random.default_rng().uniform(0, seconds / 5, size=3), 0
    for i, delay in enumerate(delays):
        before = _newest(run)
        process = processes.start(script, tmp_path / str(i), run)
        # making the data takes as long as training: count from the first sign of progress
        while process.poll() is None and _newest(run) == before:
            time.sleep(0.005)
        time.sleep(delay)
        if process.poll() is None:
            process.send(signal.SIGKILL)
            n_kills += 1
        process.wait()
    assert n_kills >= 2  # else training is too short for this test
    assert outcome(processes.start(script, tmp_path / "last", run))[:3] == expected, delays


def _newest(folder):
    names = [path.name for path in folder.glob("step-*.ckpt")] if folder.exists() else []
    return max(names, default="")
