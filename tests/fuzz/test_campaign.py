"""A short run of the campaign, and that it finds what it is there to find."""

import os
import signal
import time

import pytest

for library in ("fastapi", "itsdangerous", "httpx", "gensim", "h5py", "pyarrow"):
    pytest.importorskip(library)

from tests.fuzz import campaign, targets  # noqa: F401 - each names itself
from tests.fuzz.campaign import TARGETS, run, target

#: Inputs of each target: a few seconds in all.
INPUTS = 20


@pytest.fixture(autouse=True)
def forks(recwarn):
    """Processes that fork beside threads, which these never use."""
    return recwarn


@pytest.mark.parametrize("name", [name for name in TARGETS if TARGETS[name].in_suite])
def test_changed_input_is_refused_as_documented_or_read(name):
    outcome = run(name, inputs=INPUTS)
    assert not outcome.faults, "\n".join(told for _, told in outcome.faults)
    assert outcome.tried == outcome.refused + outcome.accepted + outcome.skipped == INPUTS


@pytest.fixture
def a_target(monkeypatch):
    """A function that tries a few inputs of a target of its own."""
    monkeypatch.setattr(campaign, "TARGETS", {})
    monkeypatch.setattr(campaign, "PATIENCE", 0.3)

    def try_all(prepare):
        target()(prepare)
        return run(prepare.__name__, inputs=4)

    return try_all


def test_what_a_campaign_finds(a_target):
    def faulty(folder):
        numbers = iter(range(9))

        def try_one(rng):
            number = next(numbers)
            assert number != 1, "an error that nobody expected"
            return bool(bytearray(number * 2**30))  # more than it may take

        return try_one

    outcome = a_target(faulty)
    assert [number for number, _ in outcome.faults] == [1, 2, 3]
    assert "nobody expected" in outcome.faults[0][1]
    assert "MemoryError" in outcome.faults[1][1]
    assert (outcome.tried, outcome.refused, outcome.accepted) == (4, 1, 0)


def test_inputs_that_hang_or_crash(a_target):
    def deadly(folder):
        def try_one(rng):
            if rng.random() < 0.5:
                time.sleep(9)
            os.kill(os.getpid(), signal.SIGTERM)

        return try_one

    outcome = a_target(deadly)
    assert [number for number, _ in outcome.faults] == [0, 1, 2, 3]
    assert {told for _, told in outcome.faults} <= {"took too long", "ended the process: -15"}


def test_inputs_are_the_same_each_time(a_target, tmp_path):
    def drawn(folder):
        def try_one(rng):
            with (tmp_path / "drawn").open("a") as file:
                file.write(f"{rng.random()}\n")
            return True

        return try_one

    a_target(drawn)
    a_target(drawn)
    numbers = (tmp_path / "drawn").read_text().split()
    assert numbers[:4] == numbers[4:]
    assert len(set(numbers)) == 4
