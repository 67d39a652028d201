"""A few kills of each target, and that the campaign finds what it is there to find."""

import os

import pytest

for library in ("fastapi", "httpx", "itsdangerous", "uvicorn"):
    pytest.importorskip(library)
if not hasattr(os, "fork"):
    pytest.skip("kill -9 is of Unix", allow_module_level=True)

from tests.kills import campaign, targets  # noqa: F401 - each names itself
from tests.kills.campaign import TARGETS, Fault, run, target

#: Kills of each target: a few seconds in all.
KILLS = 3


@pytest.fixture(autouse=True)
def forks(recwarn):
    """Processes that fork beside threads, which these never use."""
    return recwarn


@pytest.mark.parametrize("name", TARGETS)
def test_a_killed_process_leaves_the_old_state_or_the_new_one(name):
    outcome = run(name, kills=KILLS)
    assert outcome.fault is None, outcome.fault
    assert outcome.left == []
    assert outcome.killed == outcome.old + outcome.new == KILLS


@pytest.fixture
def a_target(monkeypatch):
    """A function that kills processes of a target of its own."""
    monkeypatch.setattr(campaign, "TARGETS", {})

    def kill(kind):
        target(kind)
        return run(kind.__name__, kills=8)

    return kill


class Counter:
    """Counts in a file that is replaced; the state is the count."""

    first = 0

    def __init__(self, folder):
        self.folder, self.path = folder, folder / "count"
        self.path.write_text("0")

    def write(self, text):
        new = self.folder / "new"
        new.write_text(text)
        os.replace(new, self.path)

    def work(self, state, note):
        self.write(str(state + 1))

    def look(self, state, notes):
        return int(self.path.read_text())

    def left(self):
        return [path.name for path in self.folder.iterdir() if path != self.path]


def test_what_is_replaced_is_found_whole(a_target):
    outcome = a_target(Counter)
    assert outcome.fault is None
    assert outcome.left == []
    assert outcome.killed == outcome.old + outcome.new == 8


def test_a_state_that_is_neither_is_found(a_target):
    class Halfway(Counter):
        def write(self, text):
            self.path.write_text("")
            self.path.write_text(text)

    assert "invalid literal for int() with base 10: ''" in a_target(Halfway).fault


def test_what_is_left_behind_is_found(a_target):
    class Untidy(Counter):
        def write(self, text):
            (self.folder / f"before-{text}").write_text("")
            super().write(text)

    outcome = a_target(Untidy)
    assert outcome.fault is None
    assert len(outcome.left) >= 3  # all that nobody disturbed


def test_work_that_is_lost_is_found(a_target):
    class Idle(Counter):
        def work(self, state, note):
            note("done")

    with pytest.raises(Fault, match="changed nothing"):
        a_target(Idle)


def test_work_that_fails_is_found(a_target):
    class Failing(Counter):
        def work(self, state, note):
            assert state < 2, "no more than twice"
            super().work(state, note)

    outcome = a_target(Failing)
    assert "ended with 1" in outcome.fault
    assert "no more than twice" in outcome.fault
