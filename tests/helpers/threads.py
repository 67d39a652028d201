"""Threads of tests: every one has to end."""

import threading
import time
from contextlib import contextmanager

#: Seconds after which a thread counts as hung, on however busy a machine.
LIMIT = 120.0


def start(target, *args):
    """Start a thread, which does not keep a failed run of tests from ending."""
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


def join(*threads):
    """Wait for threads, and fail if one does not end."""
    deadline = time.monotonic() + LIMIT
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    hung = [thread.name for thread in threads if thread.is_alive()]
    assert not hung, f"threads that do not end: {hung}"


def wait(event):
    """Wait for an event, and fail if it does not come."""
    assert event.wait(LIMIT), "what was waited for did not come"


@contextmanager
def meanwhile(*works):
    """Run functions of a stop event in threads of their own; raise what they raised."""
    stop, errors = threading.Event(), []

    def guarded(work):
        try:
            work(stop)
        except BaseException as error:
            errors.append(error)
        finally:
            stop.set()

    threads = [start(guarded, work) for work in works]
    try:
        yield stop
    finally:
        stop.set()
        join(*threads)
    if errors:
        raise errors[0]


def run_together(*works):
    """Run functions of a stop event, which is set when the first of them ends."""
    with meanwhile(*works) as stop:
        wait(stop)
