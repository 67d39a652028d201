"""Builds in the background: one at a time, told of if they fail, and over before the process is."""

import atexit
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

#: Seconds that a process waits at its end for builds to notice.
GRACE = 10.0

_ending = threading.Event()
_workers: "weakref.WeakSet[threading.Thread]" = weakref.WeakSet()


class Buildable(Protocol):
    """What is built."""

    def _rebuild(self) -> None:
        """Build, and show it as a whole."""

    def _n_due(self) -> int:
        """How many changes wait for a build; 0 if they are too few for one."""


class BackgroundBuilder:
    """Runs the builds of one index."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._state = threading.Lock()  # guards what follows
        self._worker: threading.Thread | None = None
        self._failure: Exception | None = None
        self._n_when_failed = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keep builds from ending meanwhile."""
        with self._turn:
            yield

    def build(self, index: Buildable) -> None:
        """Build now, after a build that is going on."""
        with self._turn:
            index._rebuild()
        with self._state:
            self._failure, self._n_when_failed = None, 0

    def start(self, index: Buildable) -> None:
        """Build in the background if that is due; never raises.

        After a failure not before there are twice as many changes.
        """
        with self._state:
            is_busy = self._worker is not None and self._worker.is_alive()
            if is_busy or not self._is_due(index):
                return
            worker = threading.Thread(
                target=self._work, args=(index,), name="embrec-index", daemon=True
            )
            try:
                worker.start()
            except RuntimeError as error:  # no more threads, or the process ends
                self._fail(index, error)
                return
            self._worker = worker
            _workers.add(worker)

    def _is_due(self, index: Buildable) -> bool:
        n = index._n_due()
        return n > 0 and n >= 2 * self._n_when_failed

    def _work(self, index: Buildable) -> None:
        while True:
            try:
                self.build(index)
            except Exception as error:  # the old index goes on
                with self._state:
                    self._fail(index, error)
                    self._worker = None
                return
            with self._state:
                if not self._is_due(index):
                    self._worker = None
                    return

    def _fail(self, index: Buildable, error: Exception) -> None:
        self._failure, self._n_when_failed = error, max(1, index._n_due())

    def wait(self) -> None:
        """Wait until nothing is being built in the background."""
        with self._state:
            worker = self._worker
        if worker is not None:
            worker.join()

    def take_failure(self) -> Exception | None:
        """Return what went wrong since it was last asked."""
        with self._state:
            failure, self._failure = self._failure, None
        return failure


class EndingError(Exception):
    """A build was given up because the process ends."""


def check_ending() -> None:
    """Raise if the process ends, which threads of a library must not outlive.

    Raises
    ------
    EndingError
    """
    if _ending.is_set():
        raise EndingError("The process ends.")


def _end() -> None:
    _ending.set()
    deadline = time.monotonic() + GRACE
    for worker in list(_workers):
        worker.join(max(0.0, deadline - time.monotonic()))


atexit.register(_end)
