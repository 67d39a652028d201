"""A folder of training checkpoints, whole whenever the run that writes them is killed.

A file is safetensors, with everything that is no array as JSON in its metadata, and after it a
checksum of it all. It has its name only once it is complete and on disk.
"""

import hashlib
import json
import math
import operator
import os
import re
import struct
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import embrec

#: Raised when what is written changes so that older code cannot read it.
FORMAT = 1

_NAME = re.compile(r"step-(\d{10,})\.ckpt")
_UNFINISHED = re.compile(_NAME.pattern + r"\.tmp")
_CHECKSUM_BYTES = 32
_MAX_HEADER_BYTES = 100_000_000  # safetensors reads no longer ones
_LARGEST_PLAIN_INT = 2**63


class CheckpointError(ValueError):
    """A folder of checkpoints cannot be used as it is."""


class _Damaged(Exception):
    """A file is not what was written."""


class CheckpointFolder:
    """Keeps the newest checkpoints of a run, and its best one.

    One process at a time may write to a folder. Files in it that are not checkpoints stay as they
    are.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    run_id : str
        Tells runs apart: a fingerprint of settings, data and network.
    keep_last : int, default=2
        Checkpoints to keep, beside the best one.

    Raises
    ------
    OSError
        If it is no folder, or cannot be written to.
    """

    def __init__(self, folder: str | Path, *, run_id: str, keep_last: int = 2) -> None:
        if keep_last < 1:
            raise ValueError(f"keep_last must be at least 1, got {keep_last}.")
        self.folder = Path(folder)
        self.run_id = run_id
        self.keep_last = keep_last
        self._is_best: dict[int, bool] | None = None  # of all good ones; None: not looked yet
        self._warned: set[Path] = set()
        _make_writable_folder(self.folder)
        self._remove_unfinished()

    def write(self, step: int, state: Mapping[str, Any], *, is_best: bool = False) -> Path:
        """Keep a state, and remove what is neither among the last ones nor the best.

        Parameters
        ----------
        step : int
            Its place in the order of checkpoints; one of the same step is replaced.
        state : dict
            Dicts, lists and tuples of tensors, arrays and plain values. It comes back as it was,
            but tensors on the CPU, and subclasses of dict and tuple as these.
        is_best : bool, default=False
            Whether this is the best one from now on.

        Returns
        -------
        Path
            The file, which is on disk and complete.

        Raises
        ------
        CheckpointError
            If the folder belongs to another run, or nothing in it can be read.
        TypeError
            If the state holds something else.
        OSError
            If it cannot be written; earlier checkpoints are as they were.
        """
        step = operator.index(step)
        if step < 0:
            raise ValueError(f"step must be 0 or more, got {step}.")
        known = self._look()
        path = self._path(step)
        _write(path, self._metadata(step, is_best), state)
        known[step] = is_best
        self._remove_older(step, known)
        return path

    def newest(self) -> Mapping[str, Any] | None:
        """Return the state of the newest good checkpoint; None if there are no checkpoints.

        Raises
        ------
        CheckpointError
            If it is of another run or a newer embrec, or if there are checkpoints but no good one.
        """
        found = next(self._good(), None)
        return None if found is None else found.state()

    def best(self) -> Mapping[str, Any] | None:
        """Return the state of the best checkpoint; None if there is none. Raises as `newest`."""
        found = next((checkpoint for checkpoint in self._good() if checkpoint.is_best), None)
        return None if found is None else found.state()

    # ---- what is there

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:010d}.ckpt"

    def _steps(self) -> list[int]:
        """Tell the steps there are checkpoints of, good or not, the newest first."""
        paths = [path for path in self.folder.iterdir() if path.is_file()]
        names = [(path, _NAME.fullmatch(path.name)) for path in paths]
        steps = [(path, int(name[1])) for path, name in names if name]
        return sorted((step for path, step in steps if path == self._path(step)), reverse=True)

    def _look(self) -> dict[int, bool]:
        if self._is_best is None:
            self._is_best = {checkpoint.step: checkpoint.is_best for checkpoint in self._good()}
        return self._is_best

    def _good(self) -> Iterator["_Checkpoint"]:
        """Read good checkpoints, the newest first; warn of others on the way."""
        damaged = []
        steps = self._steps()
        for step in steps:
            path = self._path(step)
            try:
                checkpoint = _Checkpoint.read(path)
                self._check(checkpoint)
            except (_Damaged, OSError) as error:
                self._warn(path, error)
                damaged.append(f"{path.name} ({error})")
            else:
                yield checkpoint
        if steps and len(damaged) == len(steps):
            raise CheckpointError(
                f"No checkpoint in {self.folder} can be read: {', '.join(damaged)}. Remove them "
                "to train from the start, or choose another checkpoint_dir."
            )

    def _warn(self, path: Path, error: Exception) -> None:
        if path not in self._warned:
            self._warned.add(path)
            message = f"Skipped the checkpoint {path}: {error}. Remove it if it stays so."
            warnings.warn(message, UserWarning, stacklevel=4)

    def _check(self, checkpoint: "_Checkpoint") -> None:
        if checkpoint.path != self._path(checkpoint.step):
            raise _Damaged(f"it holds step {checkpoint.step}, not what its name says")
        if checkpoint.metadata["run_id"] != self.run_id:
            raise CheckpointError(
                f"{self.folder} holds checkpoints of another run, of other settings or data: "
                f"{checkpoint.path.name} is of run {checkpoint.metadata['run_id']}, this is run "
                f"{self.run_id}. Choose another checkpoint_dir, remove the folder, or set the "
                "parameters, and pass the data, that it was written with."
            )

    def _metadata(self, step: int, is_best: bool) -> dict[str, str]:
        values = {"format": FORMAT, "embrec_version": embrec.__version__, "run_id": self.run_id}
        values |= {"step": step, "is_best": int(is_best)}
        return {k: str(v) for k, v in values.items()}

    # ---- what goes

    def _remove_older(self, step: int, known: dict[int, bool]) -> None:
        # only what was seen to be good: what could not be read today may be the best one
        last = sorted(other for other in known if other <= step)[-self.keep_last :]
        best = max((other for other, is_best in known.items() if is_best), default=step)
        for other in list(known):
            if other < step and other not in last and other != best:
                self._path(other).unlink(missing_ok=True)
                del known[other]

    def _remove_unfinished(self) -> None:
        for path in self.folder.iterdir():
            if _UNFINISHED.fullmatch(path.name) and path.is_file():
                path.unlink(missing_ok=True)


def _make_writable_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(
            f"Checkpoints need a folder, but {folder} is a file. Choose another checkpoint_dir."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # permissions alone do not tell
            pass
    except OSError as error:
        reason = f"{error.strerror}: no checkpoints can be written there; choose another folder"
        raise OSError(error.errno, reason, str(folder)) from error


# ---- files


@dataclass(frozen=True)
class _Checkpoint:
    """A file that holds what was written to it."""

    path: Path
    content: bytes
    header: dict[str, Any]
    n_header_bytes: int

    @classmethod
    def read(cls, path: Path) -> "_Checkpoint":
        content = _read_checked(path)
        (n_bytes,) = struct.unpack("<Q", content[:8])
        checkpoint = cls(path, content, json.loads(content[8 : 8 + n_bytes]), n_bytes)
        metadata = checkpoint.metadata
        if int(metadata["format"]) > FORMAT:
            raise CheckpointError(
                f"{path} was written by embrec {metadata['embrec_version']} in format "
                f"{metadata['format']}; this is embrec {embrec.__version__}, which reads formats "
                f"up to {FORMAT}. Upgrade it."
            )
        return checkpoint

    @property
    def metadata(self) -> dict[str, str]:
        metadata: dict[str, str] = self.header["__metadata__"]
        return metadata

    @property
    def step(self) -> int:
        return int(self.metadata["step"])

    @property
    def is_best(self) -> bool:
        return self.metadata["is_best"] == "1"

    def state(self) -> Mapping[str, Any]:
        state: Mapping[str, Any] = _decode(json.loads(self.metadata["state"]), self._get_bytes)
        return state

    def _get_bytes(self, name: str) -> Tensor:
        begin, end = (8 + self.n_header_bytes + at for at in self.header[name]["data_offsets"])
        if begin == end:  # torch finds no buffer in nothing
            return torch.empty(0, dtype=torch.uint8)
        return torch.frombuffer(bytearray(memoryview(self.content)[begin:end]), dtype=torch.uint8)


def _new_hash() -> Any:
    return hashlib.blake2b(digest_size=_CHECKSUM_BYTES)


def _read_checked(path: Path) -> bytes:
    n_bytes = path.stat().st_size
    if n_bytes <= 8 + _CHECKSUM_BYTES:
        raise _Damaged(f"it is cut short, to {n_bytes} bytes")
    with path.open("rb") as file:
        content, checksum = file.read(n_bytes - _CHECKSUM_BYTES), file.read()
    found = _new_hash()
    found.update(content)
    if found.digest() != checksum:
        raise _Damaged("its checksum is wrong: it is cut short, or was changed since")
    return content


def _write(path: Path, metadata: dict[str, str], state: Mapping[str, Any]) -> None:
    encoder = _Encoder()
    metadata = {**metadata, "state": json.dumps(encoder(state), allow_nan=False)}
    unfinished = path.with_name(path.name + ".tmp")
    try:
        with unfinished.open("wb") as file:
            checksum = _new_hash()
            for part in _safetensors(metadata, encoder.tensors):
                file.write(part)
                checksum.update(part)
            file.write(checksum.digest())
            file.flush()
            os.fsync(file.fileno())  # else the name could reach the disk before the content
        os.replace(unfinished, path)
    except OSError as error:
        reason = f"{error.strerror}: the checkpoint was not written, earlier ones are untouched"
        raise OSError(error.errno, reason, str(path)) from error
    finally:
        unfinished.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _safetensors(metadata: dict[str, str], tensors: list[Tensor]) -> Iterator[bytes | memoryview]:
    """Make the parts of a safetensors file, one array in memory at a time.

    Not by safetensors' own writer: its temporary file would outlive a killed run, under a name of
    its choice that nobody could know for ours.
    """
    entries: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for number, tensor in enumerate(tensors):
        begin, end = end, end + tensor.numel() * tensor.element_size()
        entries[str(number)] = {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}
    text = json.dumps(entries).encode()
    if len(text) > _MAX_HEADER_BYTES:
        raise ValueError(
            f"A checkpoint holds at most {_MAX_HEADER_BYTES} bytes of plain values, got "
            f"{len(text)}. Put long lists into arrays."
        )
    yield struct.pack("<Q", len(text)) + text
    for tensor in tensors:
        flat = tensor.detach().cpu().resolve_conj().resolve_neg().reshape(-1).contiguous()
        yield flat.view(torch.uint8).numpy().data


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # has no way to
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ---- values as JSON and arrays


class _Encoder:
    """Makes JSON of a value, and collects the arrays in it.

    Arrays are kept as their bytes: which types safetensors knows depends on its version.
    """

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []

    def __call__(self, value: Any) -> Any:
        if value is None or type(value) in (bool, int, float, str):
            return _encode_plain(value)
        if isinstance(value, Mapping):
            return {"dict": [[self(k), self(v)] for k, v in value.items()]}
        if isinstance(value, tuple):
            return {"tuple": [self(v) for v in value]}
        if isinstance(value, list):
            return [self(v) for v in value]
        if isinstance(value, Tensor) and value.layout == torch.strided:
            return {"tensor": self._encode_tensor(value)}
        if type(value) is np.ndarray or isinstance(value, np.generic):
            kind = "array" if type(value) is np.ndarray else "scalar"
            return {kind: self._encode_array(np.asarray(value))}
        raise _unsupported(type(value).__name__)

    def _encode_tensor(self, tensor: Tensor) -> list[Any]:
        self.tensors.append(tensor)
        dtype = str(tensor.dtype).removeprefix("torch.")
        return [str(len(self.tensors) - 1), dtype, list(tensor.shape)]

    def _encode_array(self, array: np.ndarray) -> list[Any]:
        if array.dtype.kind not in "biufcmMSU":
            raise _unsupported(f"numpy array of {array.dtype}")
        flat = np.require(array, requirements=["C", "W"]).reshape(-1).view(np.uint8)
        self.tensors.append(torch.from_numpy(flat))
        return [str(len(self.tensors) - 1), array.dtype.str, list(array.shape)]


def _unsupported(what: str) -> TypeError:
    return TypeError(
        f"A checkpoint cannot hold a {what}: only dicts, lists and tuples of dense tensors, numpy "
        "arrays and scalars, int, float, str, bool and None."
    )


def _encode_plain(value: Any) -> Any:
    """Spell out what JSON or its reader would refuse: NaN, infinity, very long integers."""
    if type(value) is float and not math.isfinite(value):
        return {"float": struct.pack(">d", value).hex()}
    if type(value) is int and abs(value) >= _LARGEST_PLAIN_INT:
        return {"int": hex(value)}
    return value


def _decode(tree: Any, get_bytes: Callable[[str], Tensor]) -> Any:
    if isinstance(tree, list):
        return [_decode(v, get_bytes) for v in tree]
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    match kind:
        case "dict":
            return {_decode(k, get_bytes): _decode(v, get_bytes) for k, v in content}
        case "tuple":
            return tuple(_decode(content, get_bytes))
        case "float":
            return struct.unpack(">d", bytes.fromhex(content))[0]
        case "int":
            return int(content, 16)
    name, dtype, shape = content
    if kind == "tensor":
        return get_bytes(name).view(getattr(torch, dtype)).reshape(shape)
    array = get_bytes(name).numpy().view(dtype).reshape(shape)
    return array if kind == "array" else array[()]
