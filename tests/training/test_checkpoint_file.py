"""The file of a checkpoint: exactly what was written, or refused."""

import errno
import json
import os
import struct
from collections import OrderedDict, namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import CHECKSUM, RUN, assert_same, make_state, names, rewritten
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open
from torch import nn

import embrec
from embrec.training import checkpoint_file
from embrec.training.checkpoint_file import (
    CheckpointError,
    CheckpointFile,
    DamagedError,
    write_checkpoint,
)

ABOUT = {"run_id": RUN, "step": "7", "is_best": "1"}


def come_back(state, folder):
    """Write a state and read it again."""
    write_checkpoint(folder / "file", ABOUT, state)
    return CheckpointFile.read(folder / "file").state()


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
    assert_same(come_back(state, tmp_path), state)


@pytest.mark.parametrize("dtype", TORCH_TYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (3, 2)])
def test_each_type_of_tensor_comes_back(dtype, shape, tmp_path):
    state = {"x": torch.ones(shape).to(dtype)}
    assert_same(come_back(state, tmp_path), state)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_tensors_come_back_from_a_gpu_to_the_cpu(tmp_path):
    weights = torch.arange(6.0, dtype=torch.bfloat16, device="cuda").reshape(2, 3)
    expected = {"x": weights.cpu(), "turned": weights.cpu().T}
    assert_same(come_back({"x": weights, "turned": weights.T}, tmp_path), expected)


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
    assert_same(come_back(state, tmp_path), state)


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
    found = come_back(state, tmp_path)
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
    expected = {"ordered": {"b": 1, "a": 2}, "pair": (1, 2.0), "size": (2, 3)}
    assert_same(come_back(state, tmp_path), expected)


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
    write_checkpoint(tmp_path / "file", ABOUT, state)
    advance(network, optimizer, rng, 5)

    found = CheckpointFile.read(tmp_path / "file").state()
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
    path = tmp_path / "file"
    write_checkpoint(path, ABOUT, make_state(7))
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
    with pytest.raises(TypeError, match="A checkpoint cannot hold a .*: only dicts"):
        write_checkpoint(tmp_path / "file", ABOUT, {"deep": [({"x": value},)]})
    assert names(tmp_path) == []


def test_more_plain_values_than_safetensors_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_file, "_MAX_HEADER_BYTES", 5000)
    assert come_back({"text": "x" * 4000}, tmp_path) == {"text": "x" * 4000}
    with pytest.raises(ValueError, match="at most 5000 bytes of plain values, got 5"):
        write_checkpoint(tmp_path / "other", ABOUT, {"text": "x" * 5000})
    assert names(tmp_path) == ["file"]


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


REGIONS = ["length", "header", "last of header", "data", "last of data", "checksum", "last"]


@pytest.fixture
def written(tmp_path):
    """A file, and what is in it."""
    write_checkpoint(tmp_path / "file", ABOUT, make_state(3))
    return tmp_path / "file", (tmp_path / "file").read_bytes()


@pytest.mark.parametrize("region", REGIONS)
def test_cut_short(region, written):
    path, content = written
    path.write_bytes(content[: regions(content)[region]])
    with pytest.raises(DamagedError, match="cut short"):
        CheckpointFile.read(path)


@pytest.mark.parametrize("n_bytes", [0, 1, 8, 39, 40, 41])
def test_cut_to_almost_nothing(n_bytes, written):
    path, content = written
    path.write_bytes(content[:n_bytes])
    message = f"it is cut short, to {n_bytes} bytes" if n_bytes <= 40 else "its checksum is wrong"
    with pytest.raises(DamagedError, match=message):
        CheckpointFile.read(path)


@pytest.mark.parametrize("bit", [0, 7])
@pytest.mark.parametrize("region", REGIONS)
def test_a_flipped_bit(region, bit, written):
    path, content = written
    damaged = bytearray(content)
    damaged[regions(content)[region]] ^= 1 << bit
    path.write_bytes(damaged)
    with pytest.raises(DamagedError, match="its checksum is wrong"):
        CheckpointFile.read(path)


def test_zeros_and_more_at_the_end(written):
    # what file systems leave after a power cut
    path, content = written
    for damaged in (bytes(len(content)), content + b"\n"):
        path.write_bytes(damaged)
        with pytest.raises(DamagedError, match="its checksum is wrong"):
            CheckpointFile.read(path)


def test_a_newer_format(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_file, "FORMAT", 2)
    monkeypatch.setattr(checkpoint_file, "__version__", "9.9")
    write_checkpoint(tmp_path / "file", ABOUT, make_state(1))
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=r"embrec 9\.9 in format 2; .* up to 1\. Upgrade it"):
        CheckpointFile.read(tmp_path / "file")


# ---- on disk


def test_what_tells_it_from_others_is_read_without_the_state(written):
    path, _ = written
    found = CheckpointFile.read(path)
    assert (found.step, found.is_best, found.metadata["run_id"]) == (7, True, RUN)
    write_checkpoint(path, {**ABOUT, "step": "12", "is_best": "0"}, {})
    found = CheckpointFile.read(path)
    assert (found.step, found.is_best, found.state()) == (12, False, {})


def test_on_disk_before_it_has_its_name(written, monkeypatch):
    path, _ = written
    calls = []
    sync, replace = os.fsync, os.replace

    def record_sync(descriptor):
        calls.append(("sync", os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size))
        sync(descriptor)

    def record_replace(source, target):
        calls.append(("replace", os.stat(source).st_ino, Path(target)))
        replace(source, target)

    monkeypatch.setattr(checkpoint_file.os, "fsync", record_sync)
    monkeypatch.setattr(checkpoint_file.os, "replace", record_replace)
    write_checkpoint(path, ABOUT, make_state(2))
    file, directory = path.stat(), path.parent.stat()
    assert calls == [
        ("sync", file.st_ino, file.st_size),
        ("replace", file.st_ino, path),
        ("sync", directory.st_ino, directory.st_size),
    ]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_what_was_there(call, written, monkeypatch):
    path, content = written

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint_file.os, call, fail)
    with pytest.raises(OSError, match="No space left on device: the checkpoint was not written"):
        write_checkpoint(path, ABOUT, make_state(4))
    assert names(path.parent) == ["file"]
    assert path.read_bytes() == content


# ---- changed on purpose: the checksum is right


HEADERS = {
    "a list": lambda header: [1],
    "no metadata": lambda header: {"x": 1},
    "no number": lambda header: header["__metadata__"].update(step="first"),
    "no run": lambda header: header["__metadata__"].update(run_id=None),
}


@pytest.mark.parametrize("change", HEADERS)
def test_a_header_that_embrec_never_wrote(change, written):
    rewritten(written[0], HEADERS[change])
    with pytest.raises(DamagedError, match="checksum is right, but embrec has not written it so"):
        CheckpointFile.read(written[0])


STATES = {
    "no json": "{",
    "deep": "[" * 100_000,
    "no array": '{"tensor": ["7", "uint8", [1]]}',
    "no type": '{"tensor": ["0", "load", [48]]}',
    "another shape": '{"tensor": ["0", "float32", [5, 3]]}',
    "a huge shape": '{"array": ["0", "<f4", [1099511627776]]}',
    "two kinds": '{"int": "1", "float": "0"}',
    "the same array again and again": json.dumps([{"tensor": ["0", "uint8", [48]]}] * 1000),
}


@pytest.mark.parametrize("state", STATES)
def test_a_state_that_embrec_never_wrote(state, written):
    """Refused in one way, before it takes more memory than the file has bytes."""
    rewritten(written[0], lambda header: header["__metadata__"].update(state=STATES[state]))
    checkpoint = CheckpointFile.read(written[0])
    with pytest.raises(DamagedError, match="checksum is right, but embrec has not written it so"):
        checkpoint.state()


def test_an_array_outside_of_the_file(written):
    rewritten(written[0], lambda header: header["0"].update(data_offsets=[0, 2**40]))
    with pytest.raises(DamagedError, match="array 0 is not there, or lies over others"):
        CheckpointFile.read(written[0]).state()
