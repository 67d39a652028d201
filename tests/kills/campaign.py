"""Kills processes at random moments of what they do, and looks at what they leave."""

import json
import mmap
import os
import random
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path

#: Processes for each kill that was asked for, at most: some end before their moment.
TRIES = 5
#: Events of Python's that say what is done to files.
FILE_EVENTS = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate"}

TARGETS = {}


def target(kind):
    """Name a kind of work, made in a folder of its own.

    ``work(state, note)`` brings the folder from a state to the next, and may be killed meanwhile;
    it may write down with ``note`` how far it is. ``look(state, notes)`` then returns the state
    that is there, the old one or a newer one, and raises if it is neither or not whole. A state is
    what JSON holds, ``first`` at the beginning. ``left()`` names what is of no state.
    """
    TARGETS[kind.__name__] = kind
    return kind


@dataclass
class Outcome:
    """What became of a target."""

    killed: int = 0
    ended: int = 0
    old: int = 0
    new: int = 0
    fault: str | None = None
    left: list = field(default_factory=list)


class Fault(Exception):
    """What went wrong in a process."""


def run(name, *, kills, seed=0):
    """Kill a number of processes, some after a random time, some before a random change of files.

    Work that nobody disturbs comes before and after them: that tells how long it takes, and that
    nothing is left behind in the end.
    """
    outcome, in_folder = Outcome(), TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        work = in_folder(Path(folder))
        state, *_ = _undisturbed(work, work.first)
        state, n_events, seconds = _undisturbed(work, state)  # warm
        for number in range(TRIES * kills):
            rng = random.Random(f"{name} {seed} {number}")
            moment = {"event": rng.randrange(n_events)}
            if rng.random() < 0.5:
                moment = {"delay": rng.random() * seconds}
            try:
                state = _disturbed(work, state, moment, outcome)
            except Fault as error:
                outcome.fault = f"kill {number} at {moment}: {error}"
                return outcome
            if outcome.killed == kills:
                break
        _undisturbed(work, state)
        outcome.left = in_child(work.left)
    return outcome


def _undisturbed(work, state):
    """Do the work to its end; return the state, and how many file events and seconds it took."""
    started = time.monotonic()
    status, notes, n_events = _run(work, state)
    seconds = time.monotonic() - started
    if status != 0:
        raise Fault(f"work that nobody disturbed ended with {status}: {notes}")
    new = in_child(work.look, state, notes)
    if new == state:
        raise Fault("work that nobody disturbed changed nothing")
    return new, n_events, seconds


def _disturbed(work, state, moment, outcome):
    """Do the work up to a moment, count what came of it, and return the state."""
    status, notes, _ = _run(work, state, **moment)
    if status not in (0, -signal.SIGKILL):
        raise Fault(f"it ended with {status}: {notes}")
    new = in_child(work.look, state, notes)
    if status == 0:
        outcome.ended += 1
        if new == state:
            raise Fault("it was not killed, but changed nothing")
    else:
        outcome.killed += 1
        outcome.new += new != state
        outcome.old += new == state
    return new


def _run(work, state, *, event=None, delay=None):
    """Work in a process that dies before its file event of a number, or after some seconds."""
    shared = mmap.mmap(-1, 8)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        _work(work, state, event, shared, writer)
    os.close(writer)
    deadline = None if delay is None else time.monotonic() + delay
    os.set_blocking(reader, False)
    notes = b""
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        notes += _read(reader)
        if done:
            break
        if deadline is not None and time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.0005)
    os.close(reader)
    lines = [json.loads(line) for line in notes.splitlines()]
    return os.waitstatus_to_exitcode(status), lines, struct.unpack("<q", shared)[0]


def _read(reader):
    data = b""
    try:
        while part := os.read(reader, 2**16):
            data += part
    except BlockingIOError:
        pass
    return data


def _work(work, state, event, shared, writer):
    """Be the process that is killed."""
    n_events = 0

    def count(name, arguments):
        nonlocal n_events
        if name in FILE_EVENTS and _is_within(work.folder, name, arguments):
            if n_events == event:
                os.kill(os.getpid(), signal.SIGKILL)
            n_events += 1
            struct.pack_into("<q", shared, 0, n_events)

    def note(what):
        os.write(writer, json.dumps(what).encode() + b"\n")

    status = 1
    try:
        warnings.simplefilter("ignore")
        sys.addaudithook(count)
        work.work(state, note)
        status = 0
    except BaseException:
        note(traceback.format_exc())
    finally:
        os._exit(status)


def _is_within(folder, name, arguments):
    """Whether an event is about a folder."""
    # a tree that is removed is walked by descriptors of its folders, with bare names
    is_of_a_tree = name in ("os.remove", "os.rmdir") and arguments[-1] >= 0
    return is_of_a_tree or str(arguments[0]).startswith(str(folder))


def in_child(function, *arguments):
    """Call a function in a process of its own, and return what it returns, as JSON does."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        warnings.simplefilter("ignore")
        try:
            answer = [function(*arguments), None]
        except BaseException:
            answer = [None, traceback.format_exc()]
        finally:
            os.close(reader)
            with os.fdopen(writer, "w") as file:
                json.dump(answer, file)
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    result, told = json.loads(text) if text else (None, f"the process ended with {status}")
    if told:
        raise Fault(told)
    return result
