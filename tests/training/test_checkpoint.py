"""A folder of checkpoints: whole whatever happens to the process or the disk."""

import errno
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import assert_same, make_state, name, names, open_folder, rewritten

from embrec.training import checkpoint, checkpoint_file
from embrec.training.checkpoint import CheckpointError

# ---- which are kept


def test_an_empty_folder_has_none(tmp_path):
    folder = open_folder(tmp_path / "a" / "b")
    assert folder.newest() is None
    assert folder.best() is None
    assert names(tmp_path / "a" / "b") == []


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("keep_last", [1, 2, 3])
def test_keeps_the_last_ones_and_the_best(restart, keep_last, tmp_path):
    folder = open_folder(tmp_path, keep_last=keep_last)
    steps, best = [], None
    for step in range(1, 15):
        if restart:
            folder = open_folder(tmp_path, keep_last=keep_last)
        is_best = step in (2, 3, 9)
        path = folder.write(step * 10, make_state(step), is_best=is_best)
        steps.append(step)
        best = step if is_best else best
        assert path == tmp_path / name(step * 10)
        kept = set(steps[-keep_last:]) | ({best} - {None})
        assert names(tmp_path) == [name(10 * s) for s in sorted(kept)]
        assert_same(folder.newest(), make_state(step))
        assert_same(folder.best(), make_state(best)) if best else None
    assert best == 9


def test_no_best_without_the_flag(tmp_path):
    folder = open_folder(tmp_path)
    folder.write(1, make_state(1))
    assert folder.best() is None


def test_an_equal_step_is_replaced(tmp_path):
    folder = open_folder(tmp_path)
    folder.write(1, make_state(1), is_best=True)
    folder.write(2, make_state(2), is_best=True)
    folder.write(2, make_state(3))
    assert names(tmp_path) == [name(1), name(2)]
    assert_same(folder.newest(), make_state(3))
    assert_same(folder.best(), make_state(1))
    folder.write(3, make_state(3))
    assert names(tmp_path) == [name(1), name(2), name(3)]


def test_steps_of_any_length_in_order_of_number(tmp_path):
    folder = open_folder(tmp_path)
    for step in (np.int64(9_999_999_999), 10_000_000_000):
        folder.write(step, make_state(1))
    folder.write(20_000_000_000, make_state(2))
    assert names(tmp_path) == ["step-10000000000.ckpt", "step-20000000000.ckpt"]
    assert_same(open_folder(tmp_path).newest(), make_state(2))


def test_later_steps_stay_if_a_run_went_back(tmp_path):
    folder = open_folder(tmp_path)
    for step in (9, 3, 4, 5):
        folder.write(step, make_state(step))
    assert names(tmp_path) == [name(4), name(5), name(9)]


def test_what_is_not_ours_stays(tmp_path):
    foreign = [
        "notes.txt",
        "step-1.ckpt",
        "step-00000000001.ckpt",  # of one digit too many
        "step-0000000001.ckpt.bak",
        "xstep-0000000001.ckpt",
        "step-1.ckpt.tmp",
        ".tmpA0VQ1Y",
        "x.tmp",
    ]
    for other in foreign:
        (tmp_path / other).write_bytes(b"something")
    (tmp_path / name(99)).mkdir()
    (tmp_path / (name(99) + ".tmp")).mkdir()
    folder = open_folder(tmp_path, keep_last=1)
    assert folder.newest() is None
    for step in range(1, 4):
        folder.write(step, make_state(step))
    assert_same(folder.newest(), make_state(3))
    assert set(names(tmp_path)) == {*foreign, name(3), name(99), name(99) + ".tmp"}
    assert all((tmp_path / other).read_bytes() == b"something" for other in foreign)


def test_leftovers_of_killed_runs_go(tmp_path):
    open_folder(tmp_path).write(1, make_state(1))
    (tmp_path / (name(2) + ".tmp")).write_bytes(b"half of a checkp")
    folder = open_folder(tmp_path)
    assert names(tmp_path) == [name(1)]
    assert_same(folder.newest(), make_state(1))


# ---- damage


def previous_is_used(path, match):
    for _ in range(2):  # writing changes nothing about it
        folder = open_folder(path)
        with pytest.warns(UserWarning, match=rf"Skipped .*{name(3)}: {match}") as caught:
            assert_same(folder.newest(), make_state(2))
        assert caught[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # once is enough
            assert_same(folder.newest(), make_state(2))
            folder.write(1, make_state(1))


@pytest.fixture
def three(tmp_path):
    """A folder of three checkpoints, and the content of the last one."""
    folder = open_folder(tmp_path, keep_last=3)
    for step in (1, 2, 3):
        folder.write(step, make_state(step), is_best=step != 2)
    return tmp_path, (tmp_path / name(3)).read_bytes()


@pytest.mark.parametrize("n_bytes", [0, 40, 41, -1])
def test_cut_short(n_bytes, three):
    path, content = three
    (path / name(3)).write_bytes(content[:n_bytes])
    previous_is_used(path, "it")


def test_a_file_under_another_name(three):
    path, _ = three
    os.replace(path / name(2), path / name(3))
    with pytest.warns(UserWarning, match="it holds step 2, not what its name says"):
        assert_same(open_folder(path).newest(), make_state(1))


def test_a_file_that_cannot_be_read(three, monkeypatch):
    path, _ = three
    read = checkpoint_file._read_checked

    def fail(file):
        if file.name == name(3):
            raise OSError(errno.EIO, "Input/output error")
        return read(file)

    monkeypatch.setattr(checkpoint_file, "_read_checked", fail)
    folder = open_folder(path, keep_last=1)
    with pytest.warns(UserWarning, match="Input/output error"):
        folder.write(4, make_state(4))
    # it may be the best one
    assert names(path) == [name(1), name(3), name(4)]


def test_a_damaged_best_falls_back_to_the_one_before(three):
    path, content = three
    (path / name(3)).write_bytes(content[:-1])
    folder = open_folder(path, keep_last=1)
    with pytest.warns(UserWarning, match="Skipped"):
        assert_same(folder.best(), make_state(1))
    folder.write(4, make_state(4))
    assert names(path) == [name(1), name(3), name(4)]
    assert_same(folder.best(), make_state(1))


def test_damaged_ones_do_not_count_among_the_last(tmp_path):
    folder = open_folder(tmp_path)
    for step in (1, 2):
        folder.write(step, make_state(step))
    (tmp_path / name(3)).write_bytes(b"")
    folder = open_folder(tmp_path)
    with pytest.warns(UserWarning, match="Skipped"):
        folder.write(4, make_state(4))
    assert names(tmp_path) == [name(2), name(3), name(4)]


@pytest.mark.parametrize("ask", ["newest", "best", "write"])
def test_never_starts_afresh_if_all_are_damaged(ask, three):
    path, content = three
    for step in (1, 2, 3):
        (path / name(step)).write_bytes(content[: 100 * step])
    folder = open_folder(path)
    arguments = (4, make_state(4)) if ask == "write" else ()
    with (
        pytest.warns(UserWarning, match="Skipped"),
        pytest.raises(
            CheckpointError, match=rf"(?s)No checkpoint in .*{name(3)}.*{name(1)}.*Remov"
        ),
    ):
        getattr(folder, ask)(*arguments)
    assert names(path) == [name(1), name(2), name(3)]


# ---- other runs, formats and folders


@pytest.mark.parametrize("ask", ["newest", "best", "write"])
def test_another_run(ask, three):
    path, _ = three
    folder = open_folder(path, run_id="beef")
    arguments = (4, make_state(4)) if ask == "write" else ()
    message = r"(?s)of another run.*is of run c0ffee, this is run beef.*another checkpoint_dir, rem"
    with pytest.raises(ValueError, match=message):
        getattr(folder, ask)(*arguments)
    assert names(path) == [name(1), name(2), name(3)]


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError, match="is a file. Choose another checkpoint_dir"):
        open_folder(tmp_path / "file")
    with pytest.raises(NotADirectoryError, match="no checkpoints can be written there"):
        open_folder(tmp_path / "file" / "inside")


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    def fail(**_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(checkpoint.tempfile, "TemporaryFile", fail)
    with pytest.raises(OSError, match="Read-only file system: no checkpoints can be written"):
        open_folder(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="no checkpoints can be written there"):
        open_folder(tmp_path)


def test_senseless_arguments(tmp_path):
    with pytest.raises(ValueError, match="keep_last must be at least 1, got 0"):
        open_folder(tmp_path, keep_last=0)
    with pytest.raises(ValueError, match="step must be 0 or more, got -1"):
        open_folder(tmp_path).write(-1, {})
    with pytest.raises(TypeError):
        open_folder(tmp_path).write(1.5, {})


# ---- crashes


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_the_earlier_ones(call, tmp_path, monkeypatch):
    folder = open_folder(tmp_path, keep_last=1)
    folder.write(1, make_state(1), is_best=True)

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_file.os, call, fail)
        with pytest.raises(OSError, match=rf"was not written, earlier .*{name(2)}") as error:
            folder.write(2, make_state(2), is_best=True)
    assert error.value.errno == errno.ENOSPC
    assert names(tmp_path) == [name(1)]
    assert_same(folder.best(), make_state(1))
    folder.write(2, make_state(2))
    assert names(tmp_path) == [name(1), name(2)]


def test_older_ones_go_only_after_the_new_one_is_there(tmp_path, monkeypatch):
    """Stop a write before each of its steps in the file system: there is always a good one."""
    folder = open_folder(tmp_path, keep_last=1)
    folder.write(1, make_state(1), is_best=True)
    for step, stop_at in zip(itertools.count(2), range(5), strict=False):
        n_calls = itertools.count()

        def stop(call, n_calls=n_calls, stop_at=stop_at):
            def run(*args, **kwargs):
                if next(n_calls) == stop_at:
                    raise KeyboardInterrupt
                return call(*args, **kwargs)

            return run

        with monkeypatch.context() as patch:
            patch.setattr(checkpoint_file.os, "fsync", stop(os.fsync))
            patch.setattr(checkpoint_file.os, "replace", stop(os.replace))
            patch.setattr(Path, "unlink", stop(Path.unlink))
            with pytest.raises(KeyboardInterrupt):
                folder.write(step, make_state(step), is_best=True)
        folder = open_folder(tmp_path, keep_last=1)
        newest = folder.newest()
        assert newest["step"] >= step - 1
        assert_same(newest, make_state(newest["step"]))
        assert_same(folder.best(), newest)
        folder.write(step, make_state(step), is_best=True)


# forks a writer whenever asked to: importing torch for each would take longer than all else
WRITER = """
import os, sys
import numpy as np, torch
from embrec.training.checkpoint import CheckpointFolder

def make_state(step):
    rng = np.random.default_rng(step)
    return {"step": step, "big": torch.from_numpy(rng.random(200_000)), "rng": (step, {step: "x"})}

def write(path):
    folder = CheckpointFolder(path, run_id="c0ffee")
    newest = folder.newest()
    step = 0 if newest is None else newest["step"]
    while True:
        step += 1
        folder.write(step, make_state(step), is_best=step % 5 == 0)
        os.write(1, f"{step}\\n".encode())

torch.set_num_threads(1)
os.write(1, b"ready\\n")
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            write(sys.argv[1])
        except BaseException as error:
            os.write(1, f"{error!r}\\n".encode())
            os._exit(1)
    os.write(1, f"pid {child}\\n".encode())
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""


def killed_writers(path, moments):
    """Kill a writer after each of some times; yield the last step it knew to be written."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
        bufsize=1,
    ) as writers:
        assert writers.stdout.readline() == "ready\n"
        for moment in moments:
            writers.stdin.write("go\n")
            # the child may be first to speak
            lines = list(iter_until(writers.stdout, "pid "))
            time.sleep(moment)
            os.kill(int(lines[-1].removeprefix("pid ")), signal.SIGKILL)
            lines += iter_until(writers.stdout, "dead")
            steps = [line for line in lines if not re.match("pid|dead", line)]
            assert all(line.strip().isdecimal() for line in steps), steps
            yield max(map(int, steps), default=None)
        writers.stdin.close()


def iter_until(lines, start):
    for line in lines:
        yield line
        if line.startswith(start):
            return


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_any_moment(tmp_path):
    rng = random.Random(0)
    moments = [rng.uniform(0.0, 0.25) for _ in range(8)]
    last = 0
    for told in killed_writers(tmp_path, moments):
        last = max(last, told or 0)
        leftovers = [file for file in names(tmp_path) if file.endswith(".tmp")]
        assert len(leftovers) <= 1
        folder = open_folder(tmp_path)
        newest = folder.newest()
        if newest is None:
            assert last == 0
            continue
        step = newest["step"]
        assert step in (last, last + 1)  # what was told is there, and at most one more
        last = step
        expected = torch.from_numpy(np.random.default_rng(step).random(200_000))
        assert_same(newest, {"step": step, "big": expected, "rng": (step, {step: "x"})})
        best = folder.best()
        assert (None if best is None else best["step"]) == (step // 5 * 5 or None)
    assert last > 5
    folder.write(last + 1, make_state(1))
    best = min(last // 5 * 5, last)
    assert names(tmp_path) == [name(step) for step in sorted({best, last, last + 1})]


def test_a_state_that_was_changed_on_purpose_is_not_gone_on_with(tmp_path):
    path = open_folder(tmp_path).write(1, make_state(1))
    rewritten(path, lambda header: header["__metadata__"].update(state="{"))
    with pytest.raises(
        CheckpointError, match=r"step-0000000001\.ckpt cannot be used: its checksum"
    ):
        open_folder(tmp_path).newest()
