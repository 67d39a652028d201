"""The live item catalogue: ids and content features, row for row."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from secrets import token_hex
from typing import Any

import numpy as np
import scipy.sparse as sp

from embrec._utils.forks import renew_after_fork
from embrec.data.ids import IdIndex
from embrec.data.items import Features
from embrec.data.memmaps import StackedRows, is_stored

#: Features are copied together when this many times those that count are held.
MAX_STORED = 2


class ItemCatalog:
    """Ids and content features of all items, by row. Rows are only ever added.

    Parameters
    ----------
    ids : ndarray of shape (n_items,)
        Unique ids.
    blocks : list of ndarray or CSR of shape (n_items, n_features), float32
        One matrix per content source.
    """

    def __init__(self, ids: np.ndarray, blocks: Sequence[Features]) -> None:
        self.ids = IdIndex(ids)
        #: tells this catalogue and its copies from all others
        self.identity = token_hex(8)
        self._renew_locks()
        renew_after_fork(self)
        self._chunks: list[list[Features]] = [[block] for block in blocks]
        # the rows that each chunk holds, later ones in place of earlier ones
        self._rows = [np.arange(len(ids))]
        self._n_chunks = 1

    def _renew_locks(self) -> None:
        self._turn = threading.RLock()
        self._trainer: int | None = None
        self._lock = threading.RLock()

    @contextmanager
    def turn(self, *, training: bool = False) -> Iterator[None]:
        """Keep others from beginning to change the catalogue, maybe for long.

        Parameters
        ----------
        training : bool, default=False
            Whether there will be another catalogue in the end, in which changes of this one would
            be lost.

        Raises
        ------
        RuntimeError
            If this thread trains already: a callback would change what is replaced.
        """
        with self._turn:
            if self._trainer == threading.get_ident():
                raise RuntimeError(
                    "The catalogue cannot be changed by a callback of the training that replaces "
                    "it: the change would be lost. Change it afterwards."
                )
            self._trainer = threading.get_ident() if training else None
            try:
                yield
            finally:
                self._trainer = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep others from seeing ids and features of which other parts are not written yet."""
        with self._lock:
            yield

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def blocks(self) -> list[Features]:
        """One feature matrix per content source, rows as in ``ids``."""
        with self._lock:
            self._compact()
            return [chunks[0] for chunks in self._chunks]

    def _compact(self) -> None:
        if len(self._rows) == 1:
            return
        rows = np.concatenate(self._rows)
        position = np.empty(len(self.ids), dtype=np.int64)
        position[rows] = np.arange(len(rows))  # the last one counts
        self._chunks = [[_stack(chunks, position)] for chunks in self._chunks]
        self._rows = [np.arange(len(self.ids))]

    def write(self, ids: np.ndarray, blocks: Sequence[Features]) -> np.ndarray:
        """Store items, new ones in new rows and known ones in place of their old content.

        The cost depends on how many are stored here, not on how many there are (amortised, if the
        same ones are stored time and again).

        Parameters
        ----------
        ids : ndarray of shape (n,)
            Unique ids.
        blocks : list of ndarray or CSR of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n,), int64
            Their rows.
        """
        with self._lock:
            rows = self.stage(ids, blocks)
            self.ids.extend(ids[rows >= len(self.ids)])
        return rows

    def stage(self, ids: np.ndarray, blocks: Sequence[Features]) -> np.ndarray:
        """Do all that `write` does but for letting new ids be found, which ``ids.extend`` does.

        What can fail comes before what others see. `unstage` takes it back.
        """
        with self._lock:
            rows = self.ids.rows(ids)
            new = rows < 0
            rows[new] = len(self.ids) + np.arange(np.count_nonzero(new))
            self._n_chunks = len(self._rows)
            if sum(map(len, self._rows)) + len(ids) > MAX_STORED * (len(self.ids) + new.sum()):
                self._compact()
                self._n_chunks = 1
            self.ids.reserve(ids[new])
            if self._chunks:
                for chunks, block in zip(self._chunks, blocks, strict=True):
                    chunks.append(block)
                self._rows.append(rows)
        return rows

    def unstage(self) -> None:
        """Take back what was staged last, all of it or what there is."""
        with self._lock:
            for chunks in (*self._chunks, self._rows):
                del chunks[self._n_chunks :]

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            return {"ids": self.ids.ids, "blocks": self.blocks, "identity": self.identity}

    def __setstate__(self, state: dict[str, Any]) -> None:
        ItemCatalog.__init__(self, state["ids"], state["blocks"])
        self.identity = state.get("identity", self.identity)


def _stack(chunks: Sequence[Features], position: np.ndarray) -> Features:
    if sp.issparse(chunks[0]):
        return sp.vstack(chunks, format="csr", dtype=np.float32)[position]
    if any(map(is_stored, chunks)):
        return StackedRows(chunks, position)  # what lies on disk stays there
    return np.concatenate(chunks)[position]
