"""Training checkpoints: exact, and whole whatever happens to the process or the disk."""

import errno
import itertools
import os
import random
import re
import signal
import struct
import subprocess
import sys
import time
import warnings
from collections import OrderedDict, namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open
from torch import nn

import embrec
from embrec.training import checkpoint, checkpoint_file
from embrec.training.checkpoint import CheckpointError, CheckpointFolder

RUN = "c0ffee"
CHECKSUM = 32

TORCH_TYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.uint16,
    torch.uint32,
    torch.bool,
    torch.complex64,
    torch.complex128,
    torch.float8_e4m3fn,
]


def open_folder(path, **changes):
    return CheckpointFolder(path, **{"run_id": RUN, "keep_last": 2, **changes})


def names(path):
    return sorted(os.listdir(path))


def name(step):
    return f"step-{step:010d}.ckpt"


def make_state(step):
    rng = np.random.default_rng(step)
    weights = torch.from_numpy(rng.standard_normal((4, 3)).astype(np.float32))
    return {"step": step, "weights": weights, "codes": rng.integers(0, 9, 5)}


def raw(tensor):
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def assert_same(found, expected):
    """Demand the same types, shapes and bits, all the way down."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        # keys are compared as values are: True is not 1, nor 1.0
        assert_same(list(found.keys()), list(expected.keys()))
        assert_same(list(found.values()), list(expected.values()))
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert_same(a, b)
    elif isinstance(expected, torch.Tensor):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.device.type == "cpu"
        assert raw(found) == raw(expected)
    elif isinstance(expected, np.ndarray | np.generic):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.tobytes() == expected.tobytes()
    elif isinstance(expected, float):
        assert struct.pack("<d", found) == struct.pack("<d", expected)
    else:
        assert found == expected


# ---- exactly what was written


@st.composite
def tensors(draw):
    dtype = draw(st.sampled_from(TORCH_TYPES))
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    n_bytes = int(np.prod(shape)) * torch.empty((), dtype=dtype).element_size()
    data = draw(st.binary(min_size=n_bytes, max_size=n_bytes))
    if dtype == torch.bool:
        data = bytes(b & 1 for b in data)
    flat = torch.tensor(list(data), dtype=torch.uint8)
    return flat.view(dtype).reshape(shape)


ARRAYS = hnp.arrays(
    hnp.boolean_dtypes()
    | hnp.integer_dtypes()
    | hnp.unsigned_integer_dtypes()
    | hnp.floating_dtypes(endianness="?")
    | hnp.complex_number_dtypes()
    | hnp.datetime64_dtypes()
    | hnp.unicode_string_dtypes(max_len=4)
    | hnp.byte_string_dtypes(max_len=4),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
TEXT = st.text(st.characters(exclude_categories=()))
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
KEYS = PLAIN | st.tuples(st.integers(), TEXT)
LEAVES = PLAIN | tensors() | ARRAYS | st.floats().map(np.float64)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


@hypothesis_settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(state=st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_state_comes_back_exactly(state, tmp_path):
    folder = open_folder(tmp_path)
    folder.write(1, state)
    assert_same(open_folder(tmp_path).newest(), state)


@pytest.mark.parametrize("dtype", TORCH_TYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (3, 2)])
def test_each_type_of_tensor_comes_back(dtype, shape, tmp_path):
    state = {"x": torch.ones(shape).to(dtype)}
    open_folder(tmp_path).write(0, state)
    assert_same(open_folder(tmp_path).newest(), state)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_tensors_come_back_from_a_gpu_to_the_cpu(tmp_path):
    weights = torch.arange(6.0, dtype=torch.bfloat16, device="cuda").reshape(2, 3)
    open_folder(tmp_path).write(0, {"x": weights, "turned": weights.T})
    expected = {"x": weights.cpu(), "turned": weights.cpu().T}
    assert_same(open_folder(tmp_path).newest(), expected)


def test_plain_values_that_json_has_no_words_for(tmp_path):
    state = {
        1: "an int key",
        "1": "a str key",
        (2, None): "a tuple key",
        "huge": -(7**9000),  # longer than Python would turn to decimals
        "limits": [2**63 - 1, 2**63, -(2**63), -(2**63) - 1],
        "floats": (float("nan"), float("inf"), -float("inf"), -0.0, 5e-324, 0.1),
        "odd nan": struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000123))[0],
        "text": '"\\u0000\x00 \ud800 ÿ 🙂',
        "looks like ours": {"tensor": ["0", "float32", []], "int": "0x1"},
        "empty": [{}, [], (), ""],
    }
    open_folder(tmp_path).write(0, state)
    assert_same(open_folder(tmp_path).newest(), state)


def test_views_shared_and_readonly_memory(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    array = np.arange(12).reshape(3, 4)
    array.flags.writeable = False
    state = {
        "base": base,
        "same": base,
        "transposed": base.T,
        "row": base[1],
        "every other": base[:, ::2],
        "expanded": torch.ones(1).expand(5),
        "conjugate": torch.tensor([1 + 2j]).conj(),
        "parameter": nn.Parameter(torch.ones(2)),
        "array": array,
        "reversed": array[::-1, ::-2],
        "columns": np.asfortranarray(array),
    }
    open_folder(tmp_path).write(0, state)
    found = open_folder(tmp_path).newest()
    assert found["conjugate"].item() == 1 - 2j
    for key, expected in state.items():
        if isinstance(expected, torch.Tensor):
            assert torch.equal(found[key], expected), key
        else:
            np.testing.assert_array_equal(found[key], expected)
    found["base"][0, 0] = 99.0  # each has memory of its own, and can be written to
    assert found["same"][0, 0] == 0.0
    found["array"][0, 0] = 99


def test_subclasses_come_back_as_what_they_extend(tmp_path):
    pair = namedtuple("pair", "a b")
    state = {"ordered": OrderedDict(b=1, a=2), "pair": pair(1, 2.0), "size": torch.ones(2, 3).shape}
    open_folder(tmp_path).write(0, state)
    expected = {"ordered": {"b": 1, "a": 2}, "pair": (1, 2.0), "size": (2, 3)}
    assert_same(open_folder(tmp_path).newest(), expected)


def test_training_goes_on_as_if_never_interrupted(tmp_path):
    def start():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 1))
        return network, torch.optim.Adam(network.parameters(), lr=0.01, amsgrad=True)

    def advance(network, optimizer, rng, n_steps):
        for _ in range(n_steps):
            batch = torch.from_numpy(rng.standard_normal((5, 4)).astype(np.float32))
            optimizer.zero_grad()
            network(batch).square().mean().backward()
            optimizer.step()

    network, optimizer = start()
    rng = np.random.RandomState(3)
    rng.standard_normal(1)  # leaves a cached gaussian in the state
    advance(network, optimizer, rng, 5)
    state = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": rng.get_state(),
        "torch_rng": torch.get_rng_state(),
    }
    open_folder(tmp_path).write(5, state)
    advance(network, optimizer, rng, 5)

    found = open_folder(tmp_path).newest()
    assert set(found["optimizer"]["state"]) == {0, 1, 2, 3}
    assert found["rng"][0] == "MT19937"
    again, its_optimizer = start()
    its_rng = np.random.RandomState(0)
    again.load_state_dict(found["network"])
    its_optimizer.load_state_dict(found["optimizer"])
    its_rng.set_state(found["rng"])
    torch.set_rng_state(found["torch_rng"])
    advance(again, its_optimizer, its_rng, 5)
    for a, b in zip(again.parameters(), network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_no_pickle_and_readable_without_embrec(tmp_path):
    path = open_folder(tmp_path).write(7, make_state(7), is_best=True)
    plain = tmp_path / "plain.safetensors"
    plain.write_bytes(path.read_bytes()[:-CHECKSUM])
    with safe_open(plain, framework="numpy") as file:
        metadata = file.metadata()
        assert file.get_tensor("0").tobytes() == make_state(7)["weights"].numpy().tobytes()
    assert metadata.pop("state").startswith('{"dict": [["step", 7]')
    assert metadata == {
        "format": "1",
        "embrec_version": embrec.__version__,
        "run_id": RUN,
        "step": "7",
        "is_best": "1",
    }


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        b"bytes",
        1j,
        object(),
        np.array([object()]),
        np.zeros(2, dtype=[("a", "i4")]),
        np.ma.masked_array([1, 2], [True, False]),
        torch.eye(2).to_sparse(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_refused_and_nothing_is_written(value, tmp_path):
    folder = open_folder(tmp_path)
    folder.write(1, make_state(1))
    with pytest.raises(TypeError, match="A checkpoint cannot hold a .*: only dicts"):
        folder.write(2, {"deep": [({"x": value},)]})
    assert names(tmp_path) == [name(1)]


def test_more_plain_values_than_safetensors_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_file, "_MAX_HEADER_BYTES", 5000)
    folder = open_folder(tmp_path)
    folder.write(1, {"text": "x" * 4000})
    with pytest.raises(ValueError, match="at most 5000 bytes of plain values, got 5"):
        folder.write(2, {"text": "x" * 5000})
    assert names(tmp_path) == [name(1)]


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


def regions(content):
    """Where a file can be damaged: a byte of each part."""
    (n_header,) = struct.unpack("<Q", content[:8])
    return {
        "length": 2,
        "header": 8 + n_header // 2,
        "last of header": 8 + n_header - 1,
        "data": (8 + n_header + len(content) - CHECKSUM) // 2,
        "last of data": len(content) - CHECKSUM - 1,
        "checksum": len(content) - CHECKSUM,
        "last": len(content) - 1,
    }


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


REGIONS = ["length", "header", "last of header", "data", "last of data", "checksum", "last"]


@pytest.mark.parametrize("region", REGIONS)
def test_cut_short(region, three):
    path, content = three
    (path / name(3)).write_bytes(content[: regions(content)[region]])
    previous_is_used(path, "it")


@pytest.mark.parametrize("n_bytes", [0, 1, 8, 39, 40, 41])
def test_cut_to_almost_nothing(n_bytes, three):
    path, content = three
    (path / name(3)).write_bytes(content[:n_bytes])
    previous_is_used(path, f"it is cut short, to {n_bytes} bytes" if n_bytes <= 40 else "its")


@pytest.mark.parametrize("bit", [0, 7])
@pytest.mark.parametrize("region", REGIONS)
def test_a_flipped_bit(region, bit, three):
    path, content = three
    position = regions(content)[region]
    damaged = bytearray(content)
    damaged[position] ^= 1 << bit
    (path / name(3)).write_bytes(damaged)
    previous_is_used(path, "its checksum is wrong")


def test_zeros_and_more_at_the_end(three):
    # what file systems leave after a power cut
    path, content = three
    (path / name(3)).write_bytes(bytes(len(content)))
    previous_is_used(path, "its checksum is wrong")
    (path / name(3)).write_bytes(content + b"\n")
    previous_is_used(path, "its checksum is wrong")


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


def test_a_newer_format(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_file, "FORMAT", 2)
    monkeypatch.setattr(checkpoint_file, "__version__", "9.9")
    open_folder(tmp_path).write(1, make_state(1))
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"embrec 9\.9 in format 2; .* up to 1\. Upgrade it"):
        open_folder(tmp_path).newest()


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


def test_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
    calls = []
    sync, replace = os.fsync, os.replace

    def record_sync(descriptor):
        calls.append(("sync", os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size))
        sync(descriptor)

    def record_replace(source, target):
        calls.append(("replace", os.stat(source).st_ino, Path(target)))
        replace(source, target)

    folder = open_folder(tmp_path)
    folder.write(1, make_state(1))
    monkeypatch.setattr(checkpoint_file.os, "fsync", record_sync)
    monkeypatch.setattr(checkpoint_file.os, "replace", record_replace)
    path = folder.write(2, make_state(2))
    file, directory = path.stat(), tmp_path.stat()
    assert calls == [
        ("sync", file.st_ino, file.st_size),
        ("replace", file.st_ino, path),
        ("sync", directory.st_ino, directory.st_size),
    ]


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
