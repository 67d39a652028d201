"""Sessions as bytes: what a cache or a cookie keeps of a visitor between two requests."""

import json
import struct
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

_MAGIC = b"embrec-session-1"
#: Magic, fingerprint of the model, checksum of what follows, bytes of state and of history.
_HEADER = struct.Struct("<16s16sIII")
#: No network keeps a larger number; with one, scores would not be finite.
_LARGEST = 1e18
_NO_SESSION = "These bytes were not made by to_bytes, though their checksum is right:"


@dataclass(frozen=True)
class SerializedSession:
    """What a session's bytes hold.

    Parameters
    ----------
    model : str
        Fingerprint of the model whose state it is, in hexadecimal digits.
    state : ndarray of shape (state_size,), float32
    history : list of ids
        Oldest first.
    time : float or None
        When the last event was, in seconds, if that was said.
    """

    model: str
    state: np.ndarray
    history: list[Any]
    time: float | None = None

    def to_bytes(self) -> bytes:
        """Pack it: a header with a checksum, the state as little-endian float32, ids as JSON."""
        state = self.state.astype("<f4").tobytes()
        kept = self.history if self.time is None else {"ids": self.history, "time": self.time}
        history = json.dumps(kept, separators=(",", ":"), ensure_ascii=False)
        names = history.encode(errors="surrogatepass")
        model, checksum = bytes.fromhex(self.model), crc32(state + names)
        return _HEADER.pack(_MAGIC, model, checksum, len(state), len(names)) + state + names

    @classmethod
    def from_bytes(cls, data: Any) -> "SerializedSession":
        """Take apart what `to_bytes` packed.

        Raises
        ------
        TypeError
            If it is not bytes.
        ValueError
            If it is not a session, or damaged.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"Expected the bytes of Session.to_bytes; got {type(data).__name__}.")
        raw = bytes(data)
        if len(raw) < _HEADER.size or not raw.startswith(_MAGIC):
            raise ValueError(
                f"These {len(raw)} bytes are not a session of this version of embrec: they do not "
                f"begin with {_MAGIC!r}. Start another session."
            )
        _, model, checksum, n_state, n_history = _HEADER.unpack_from(raw)
        if len(raw) != _HEADER.size + n_state + n_history:
            raise ValueError(
                f"The session data is damaged: expected {_HEADER.size + n_state + n_history} "
                f"bytes, got {len(raw)}. Start another session."
            )
        if crc32(raw[_HEADER.size :]) != checksum:
            raise ValueError(
                "The session data is damaged: its checksum is wrong. Start another session."
            )
        state = np.frombuffer(raw[_HEADER.size : _HEADER.size + n_state], dtype=np.uint8)
        if n_state % 4 or not (np.abs(state.view("<f4")) <= _LARGEST).all():  # NaN is not
            raise ValueError(
                f"{_NO_SESSION} its state is no array of finite float32, none beyond {_LARGEST:g}."
            )
        history, time = _read_history(raw[_HEADER.size + n_state :])
        return cls(model.hex(), state.view("<f4").astype(np.float32), history, time)


def _read_history(names: bytes) -> tuple[list[Any], float | None]:
    try:
        history: Any = json.loads(names.decode(errors="surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{_NO_SESSION} its history is no JSON ({error}).") from error
    time: Any = None
    if isinstance(history, dict) and history.keys() == {"ids", "time"}:
        history, time = history["ids"], history["time"]
        if not isinstance(time, float) or not np.isfinite(time):
            raise ValueError(f"{_NO_SESSION} its time is no number.")
    kinds = {type(item) for item in history} if isinstance(history, list) else {type(history)}
    if not isinstance(history, list) or kinds not in ({str}, {int}, set()):
        raise ValueError(f"{_NO_SESSION} its history is no list of ids.")
    return history, time
