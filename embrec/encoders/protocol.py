"""What an encoder is."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Encoder(Protocol):
    """A frozen model: the vector of a content depends on this content alone.

    Several threads may use one at a time.
    """

    @property
    def n_features(self) -> int:
        """Length of its vectors."""

    @property
    def fingerprint(self) -> str:
        """Hash of all that its vectors depend on, weights included."""

    def cost(self, content: Any) -> int:
        """Say about how much work a content is; those of equal cost go into one batch."""

    def encode(self, batches: Iterable[Sequence[Any]]) -> Iterator[np.ndarray]:
        """Yield the vectors of each batch: (n, n_features) float32."""


@runtime_checkable
class EncoderSpec(Protocol):
    """How to come by an encoder. Small, picklable and hashable: it travels to other processes."""

    def load(self) -> Encoder:
        """Read the weights."""


class EncodingError(ValueError):
    """A content that an encoder cannot read."""
