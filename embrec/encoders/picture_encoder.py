"""Pictures to vectors: threads decode ahead of what computes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import joblib
import numpy as np

from embrec.encoders.picture_keys import Picture
from embrec.encoders.pictures import PictureError, decode

#: How many batches are decoded, or being decoded, before they are asked for.
N_AHEAD = 2
#: More threads than this seldom find work: one network computes.
MAX_DECODERS = 8


class PictureEncoder:
    """Decodes pictures in threads, and computes their vectors batch by batch.

    Parameters
    ----------
    prepare : callable
        RGB PIL image to what `compute` takes; called in threads.
    compute : callable
        List of prepared pictures to (n, d) float32.
    n_computed : int
        d.
    fingerprint : str
        Hash of all that vectors depend on.
    max_pixels : int
        Pictures with more are not decoded.
    edge : int or None
        To how many pixels `prepare` scales a picture.
    n_decoders : int or None
        How many threads decode; 1 is none beside the caller's. None is one per CPU, at most 8.

    Attributes
    ----------
    n_features : int
        d + 1: the last feature is 1 for a picture that could not be decoded, and the others are
        then 0.
    """

    def __init__(
        self,
        prepare: Callable[[Any], Any],
        compute: Callable[[list[Any]], np.ndarray],
        *,
        n_computed: int,
        fingerprint: str,
        max_pixels: int,
        edge: int | None = None,
        n_decoders: int | None = None,
    ) -> None:
        self._prepare = prepare
        self._compute = compute
        self._max_pixels = max_pixels
        self._edge = edge
        self._n_decoders = n_decoders or min(MAX_DECODERS, joblib.cpu_count())
        self.n_features = n_computed + 1
        self.fingerprint = fingerprint

    def cost(self, content: Picture) -> int:
        """Return 0: pictures are encoded in their order."""
        return 0

    def encode(self, batches: Iterable[Sequence[Picture]]) -> Iterator[np.ndarray]:
        """Yield the vectors of each batch: (n, n_features) float32."""
        return map(self._vectors, self._prepared(batches))

    def _prepared(self, batches: Iterable[Sequence[Picture]]) -> Iterator[list[Any]]:
        if self._n_decoders == 1:
            for batch in batches:
                yield [self._read(picture) for picture in batch]
            return
        pool = ThreadPoolExecutor(self._n_decoders, thread_name_prefix="embrec-decode")
        waiting: deque[list[Any]] = deque()
        try:
            for batch in batches:
                waiting.append([pool.submit(self._read, picture) for picture in batch])
                if len(waiting) > N_AHEAD:
                    yield [future.result() for future in waiting.popleft()]
            while waiting:
                yield [future.result() for future in waiting.popleft()]
        finally:
            pool.shutdown(cancel_futures=True)

    def _read(self, picture: Picture) -> Any:
        """Decode and prepare a picture; None if it cannot be decoded."""
        try:
            image = decode(
                picture.source,
                max_pixels=self._max_pixels,
                edge=self._edge,
                stamp=picture.stamp,
            )
        except PictureError:
            return None
        return self._prepare(image)

    def _vectors(self, prepared: list[Any]) -> np.ndarray:
        vectors = np.zeros((len(prepared), self.n_features), dtype=np.float32)
        sound = np.array([one is not None for one in prepared], dtype=bool)
        vectors[~sound, -1] = 1
        if sound.any():
            vectors[sound, :-1] = self._compute([one for one in prepared if one is not None])
        return vectors
