"""Runs targets on numbered inputs, each target in a process that is watched from outside."""

import json
import mmap
import os
import random
import resource
import signal
import struct
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

#: What a process may take on top of what it has when a target is ready.
MEMORY = 2**29
#: Seconds after which an input counts as one that hangs.
PATIENCE = 20
#: Faults after which a target is given up, and processes that did not survive.
MANY, MANY_ENDED = 100, 10

TARGETS = {}
_COUNTS = struct.Struct("<4q")  # inputs begun, refused, accepted, left out


class Skipped(Exception):
    """An input that an outside library is known not to survive; a rule says so, not a file."""


def target(*, in_suite=True):
    """Name a function that makes ``try_one(rng)`` in a folder of its own.

    ``try_one`` returns whether its input was accepted, and raises if a promise is broken.
    """

    def add(prepare):
        TARGETS[prepare.__name__] = prepare
        prepare.in_suite = in_suite
        return prepare

    return add


@dataclass
class Outcome:
    """What became of a target."""

    tried: int = 0
    refused: int = 0
    accepted: int = 0
    skipped: int = 0
    faults: list = field(default_factory=list)


def run(name, *, inputs=None, seconds=None, first=0):
    """Try inputs ``first``, ``first + 1``, ... up to a number of them, or for some seconds."""
    outcome, deadline = Outcome(), None if seconds is None else time.monotonic() + seconds
    stop = None if inputs is None else first + inputs
    with tempfile.TemporaryDirectory() as folder:
        for number in range(MANY_ENDED):
            begun = _run_child(name, Path(folder) / str(number), (first, stop, deadline), outcome)
            over = deadline is not None and time.monotonic() > deadline
            if begun is None or over or len(outcome.faults) >= MANY:
                return outcome
            first = begun + 1  # the input that this process did not survive
    return outcome


def _run_child(name, folder, span, outcome):
    """Run a process to its end; return the input that ended it early."""
    folder.mkdir()
    shared = mmap.mmap(-1, _COUNTS.size)
    shared[:] = _COUNTS.pack(span[0] - 1, 0, 0, 0)
    child = os.fork()
    if not child:
        status = 1
        try:
            _try_all(name, folder, span, shared)
            status = 0
        except BaseException:
            (folder / "faults").open("a").write(json.dumps([-1, traceback.format_exc()]) + "\n")
        finally:
            os._exit(status)
    status = _watch(child, shared)
    begun, refused, accepted, skipped = _COUNTS.unpack(shared)
    outcome.tried += begun + 1 - span[0]
    outcome.refused += refused
    outcome.accepted += accepted
    outcome.skipped += skipped
    if (folder / "faults").exists():
        lines = (folder / "faults").read_text().splitlines()
        outcome.faults += [tuple(json.loads(line)) for line in lines]
    if status == 0:
        return None
    if status != 1:
        how = "took too long" if status == -signal.SIGKILL else f"ended the process: {status}"
        outcome.faults.append((begun, how))
    elif outcome.faults and outcome.faults[-1][0] == -1:
        return None  # the target could not even be made
    return begun


def _watch(child, shared):
    """Wait for a process, and kill it if it stays with one input."""
    last, since = None, time.monotonic()
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        now = _COUNTS.unpack(shared)[0]
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > PATIENCE * (10 if now < 0 else 1):
            os.kill(child, signal.SIGKILL)
        time.sleep(0.005)


def _try_all(name, folder, span, shared):
    first, stop, deadline = span
    warnings.simplefilter("ignore")
    work = folder / "work"
    work.mkdir()
    os.chdir(work)
    try_one = TARGETS[name](work)
    _limit_memory()
    counts = [0, 0, 0]
    n_faults = 0
    for number in count(first):
        if number == stop or (deadline is not None and time.monotonic() > deadline):
            return
        shared[:] = _COUNTS.pack(number, *counts)
        try:
            counts[1 if try_one(random.Random(f"{name} {number}")) else 0] += 1
        except Skipped:
            counts[2] += 1
        except BaseException:
            n_faults += 1
            with (folder / "faults").open("a") as file:
                file.write(json.dumps([number, traceback.format_exc()]) + "\n")
            if n_faults >= MANY:
                return
        shared[:] = _COUNTS.pack(number, *counts)


def _limit_memory():
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
