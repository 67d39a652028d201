"""Locks that a forked process does not inherit."""

import gc
import os
import threading
import weakref

import pytest

from embrec._utils.forks import renew_after_fork

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here"),
    # pytest's own threads are none of the child's business
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]


class Holder:
    def __init__(self):
        self._renew_locks()
        renew_after_fork(self)

    def _renew_locks(self):
        self.lock = threading.Lock()


def in_a_child(check):
    """Whether a check is true in a forked process."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if check() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_child_does_not_wait_for_threads_of_its_parent():
    holders = [Holder(), Holder()]
    plain = threading.Lock()
    plain.acquire()
    for holder in holders:
        holder.lock.acquire()
    assert in_a_child(lambda: all(holder.lock.acquire(blocking=False) for holder in holders))
    assert not in_a_child(lambda: plain.acquire(blocking=False))  # which was not asked for
    assert all(holder.lock.locked() for holder in holders)  # the parent's are as they were


def test_holders_may_be_given_twice_and_are_not_kept():
    holder = Holder()
    renew_after_fork(holder)
    gone = weakref.ref(holder)
    del holder
    gc.collect()
    assert gone() is None
    assert in_a_child(lambda: True)
