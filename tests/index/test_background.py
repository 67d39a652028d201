"""Builds in the background."""

import threading

import pytest
from threads import wait

from embrec.index import background
from embrec.index.background import BackgroundBuilder, EndingError, check_ending


class Index:
    def __init__(self, fail=False):
        self.n_due, self.n_built, self.fail = 0, 0, fail

    def _n_due(self):
        return self.n_due

    def _rebuild(self):
        self.n_built += 1
        if self.fail:
            raise MemoryError("no memory left")
        self.n_due = 0


def test_nothing_is_built_before_it_is_due():
    index, builder = Index(), BackgroundBuilder()
    builder.start(index)
    builder.wait()
    assert index.n_built == 0
    index.n_due = 3
    builder.start(index)
    builder.wait()
    assert (index.n_built, builder.take_failure()) == (1, None)


def test_after_a_failure_not_before_there_is_twice_as_much():
    index, builder = Index(fail=True), BackgroundBuilder()
    for n_due, n_built in ((3, 1), (5, 1), (6, 2)):
        index.n_due = n_due
        builder.start(index)
        builder.wait()
        assert index.n_built == n_built
    assert isinstance(builder.take_failure(), MemoryError)
    assert builder.take_failure() is None


def test_builds_wait_for_their_turn():
    index, builder = Index(), BackgroundBuilder()
    index.n_due = 1
    started = threading.Event()
    index._n_due = lambda: started.set() or index.n_due
    with builder.turn():
        builder.start(index)
        wait(started)
        assert index.n_built == 0
    builder.wait()
    assert index.n_built == 1


def test_builds_are_given_up_when_the_process_ends(monkeypatch):
    check_ending()
    ending = threading.Event()
    ending.set()
    monkeypatch.setattr(background, "_ending", ending)
    with pytest.raises(EndingError):
        check_ending()
