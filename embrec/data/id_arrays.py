"""Ids as arrays that a file can hold."""

from itertools import pairwise

import numpy as np


def pack_ids(ids: np.ndarray) -> dict[str, np.ndarray]:
    """Integers as they are; strings as UTF-8 bytes and where each one ends."""
    if ids.dtype != object:
        return {"ids": ids}
    encoded = [id_.encode(errors="surrogatepass") for id_ in ids.tolist()]
    ends = np.cumsum(np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded)))
    return {"ids:utf8": np.frombuffer(b"".join(encoded), dtype=np.uint8), "ids:ends": ends}


def unpack_ids(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Take back what `pack_ids` made: int64 or object (str)."""
    if "ids" in arrays:
        return arrays["ids"]
    text, ends = arrays["ids:utf8"].tobytes(), arrays["ids:ends"].tolist()
    ids = np.empty(len(ends), dtype=object)
    ids[:] = [text[a:b].decode(errors="surrogatepass") for a, b in pairwise([0, *ends])]
    return ids
