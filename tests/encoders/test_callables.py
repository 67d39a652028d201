"""What tells functions of users apart."""

import os
import re
import subprocess
import sys
from functools import partial

import pytest

from embrec.encoders import callables
from embrec.encoders.callables import describe_callable, is_found_by_name


def at_the_top(text):
    return text.split()


def closure(pattern):
    return lambda text: re.findall(pattern, text)


def with_default(pattern):
    def split(text, pattern=pattern):
        return re.findall(pattern, text)

    return split


class Splitter:
    def __init__(self, pattern):
        self.pattern = pattern

    def __call__(self, text):
        return re.findall(self.pattern, text)

    def split(self, text):
        return self(text)


class Unpicklable(Splitter):
    def __init__(self, pattern):
        super().__init__(pattern)
        self.itself = self
        self.rule = closure(pattern)


MAKERS = {
    "partial": lambda pattern: partial(re.findall, pattern),
    "keyword": lambda pattern: partial(re.findall, pattern=pattern),
    "closure": closure,
    "default": with_default,
    "instance": Splitter,
    "method": lambda pattern: Splitter(pattern).split,
    "builtin method": lambda pattern: re.compile(pattern).findall,
    "not to be pickled": Unpicklable,
    "nested": lambda pattern: partial(closure(pattern)),
}


@pytest.mark.parametrize("make", list(MAKERS.values()), ids=list(MAKERS))
def test_values_count(make):
    same, other = describe_callable(make(r"\w+")), describe_callable(make(r"\S+"))
    assert describe_callable(make(r"\w+")) == same
    assert same != other


def test_constants_count():
    assert describe_callable(lambda text: text.split("a")) != describe_callable(
        lambda text: text.split("b")
    )


@pytest.mark.parametrize("function", [at_the_top, len, str.split, None])
def test_what_has_a_name_is_known_by_it(function):
    names = [describe_callable(f) for f in (at_the_top, len, str.split, None)]
    assert names.count(describe_callable(function)) == 1


def test_other_processes_agree():
    """Though they hash strings otherwise."""
    # the module by itself: all of embrec would take seconds to import
    code = f"""if True:
        import re, runpy
        from functools import partial
        d = runpy.run_path({callables.__file__!r})["describe_callable"]
        print(d(partial(re.findall, r"\\w+")), d(lambda text: text.split("a")))
    """
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]
    assert found[0][0] == describe_callable(partial(re.findall, r"\w+"))


def test_found_by_name():
    assert is_found_by_name(at_the_top)
    assert is_found_by_name(Splitter.split)
    assert not is_found_by_name(closure("a"))
