"""The file of a checkpoint: safetensors with a checksum after it, whole or not there.

Everything that is no array is JSON in the metadata. A file has its name only once it is complete
and on disk.
"""

import hashlib
import json
import math
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embrec._utils.files import sync
from embrec._version import __version__

#: Raised when what is written changes so that older code cannot read it.
FORMAT = 1

_CHECKSUM_BYTES = 32
_MAX_HEADER_BYTES = 100_000_000  # safetensors reads no longer ones
_LARGEST_PLAIN_INT = 2**63


class CheckpointError(ValueError):
    """A folder of checkpoints cannot be used as it is."""


class DamagedError(Exception):
    """A file is not what was written."""


@dataclass(frozen=True)
class CheckpointFile:
    """A file that holds what was written to it."""

    path: Path
    content: bytes
    header: dict[str, Any]
    n_header_bytes: int

    @classmethod
    def read(cls, path: Path) -> "CheckpointFile":
        """Read and check a file; raise DamagedError if it is not what was written."""
        content = _read_checked(path)
        (n_bytes,) = struct.unpack("<Q", content[:8])
        with _as_written():
            checkpoint = cls(path, content, json.loads(content[8 : 8 + n_bytes]), n_bytes)
            metadata = checkpoint.metadata
            written_in = int(metadata["format"])
            for name in ("embrec_version", "run_id", "step", "is_best", "state"):
                if not isinstance(metadata[name], str):
                    raise TypeError(f"{name} is no text")
            checkpoint.step  # noqa: B018 - it must be a number
        if written_in > FORMAT:
            raise CheckpointError(
                f"{path} was written by embrec {metadata['embrec_version']} in format "
                f"{metadata['format']}; this is embrec {__version__}, which reads formats "
                f"up to {FORMAT}. Upgrade it."
            )
        return checkpoint

    @property
    def metadata(self) -> dict[str, str]:
        """What tells it from others."""
        metadata: dict[str, str] = self.header["__metadata__"]
        return metadata

    @property
    def step(self) -> int:
        """Its place in the order of checkpoints."""
        return int(self.metadata["step"])

    @property
    def is_best(self) -> bool:
        """Whether it was the best when it was written."""
        return self.metadata["is_best"] == "1"

    def state(self) -> Mapping[str, Any]:
        """Return what was written; raise DamagedError if no embrec has written it."""
        unread = len(self.content)

        def get_bytes(name: str) -> Tensor:
            nonlocal unread
            begin, end = (8 + self.n_header_bytes + at for at in self.header[name]["data_offsets"])
            unread -= end - begin  # else a small file could take any memory, the same bytes again
            if not 8 <= begin <= end <= len(self.content) or unread < 0:
                raise ValueError(f"array {name} is not there, or lies over others")
            if begin == end:  # torch finds no buffer in nothing
                return torch.empty(0, dtype=torch.uint8)
            data = bytearray(memoryview(self.content)[begin:end])
            return torch.frombuffer(data, dtype=torch.uint8)

        with _as_written():
            state: Mapping[str, Any] = _decode(json.loads(self.metadata["state"]), get_bytes)
        return state


@contextmanager
def _as_written() -> Iterator[None]:
    """Say of a file with a right checksum that was yet changed, whatever reading it raises."""
    try:
        yield
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
        struct.error,
    ) as error:
        raise DamagedError(
            f"its checksum is right, but embrec has not written it so ({error!r})"
        ) from error


def _new_hash() -> Any:
    return hashlib.blake2b(digest_size=_CHECKSUM_BYTES)


def _read_checked(path: Path) -> bytes:
    n_bytes = path.stat().st_size
    if n_bytes <= 8 + _CHECKSUM_BYTES:
        raise DamagedError(f"it is cut short, to {n_bytes} bytes")
    with path.open("rb") as file:
        content, checksum = file.read(n_bytes - _CHECKSUM_BYTES), file.read()
    found = _new_hash()
    found.update(content)
    if found.digest() != checksum:
        raise DamagedError("its checksum is wrong: it is cut short, or was changed since")
    return content


def write_checkpoint(path: Path, about: Mapping[str, str], state: Mapping[str, Any]) -> None:
    """Write a file, and see it reach the disk; ``about`` goes into its metadata."""
    metadata = {"format": str(FORMAT), "embrec_version": __version__, **about}
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
    sync(path.parent)


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
