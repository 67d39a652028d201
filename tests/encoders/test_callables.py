"""What tells functions of users apart."""

import re
from functools import partial

import pytest

from embrec.encoders.callables import describe_callable, hash_reads


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


def test_parameters_are_named_in_the_error():
    letters = (letter for letter in "abc")
    with pytest.raises(
        ValueError, match=r"preprocess= of Vision .*: letters, .* a .*generator.*memory="
    ):
        hash_reads({"tokenizer": len, "preprocess": lambda text: next(letters)}, "Vision")
    assert len(hash_reads({"tokenizer": len, "preprocess": closure("a")}, "Vision")) == 2
