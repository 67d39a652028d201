"""Which functions have a name, and what others look up."""

import json
import os.path
import sys
from types import ModuleType

import numpy as np
import pytest

from embrec.encoders import reads
from embrec.encoders.reads import CodeReads, imported, is_found_by_name, is_library

SIZE = 3


def at_the_top(text):
    return text[:SIZE]


def with_inner(text):
    import json.decoder as found

    return [len(part) for part in map(lambda part: part + SUFFIX, text)] + [found.JSON]  # noqa: F821


class Splitter:
    def split(self, text):
        return text


def test_found_by_name():
    assert is_found_by_name(at_the_top)
    assert is_found_by_name(Splitter.split)
    assert is_found_by_name(Splitter)
    assert not is_found_by_name(lambda text: text)


@pytest.mark.parametrize(
    "module", ["json", "builtins", "os.path", "numpy.linalg", "embrec.encoders"]
)
def test_libraries(module):
    assert is_library(module)


@pytest.mark.parametrize("module", ["__main__", __name__, "nowhere", None])
def test_what_is_no_library(module):
    assert not is_library(module)


def test_installed_packages_are_libraries(monkeypatch):
    package = ModuleType("bought")
    package.__path__ = [f"/venv/lib/{reads._INSTALLED[1]}/bought"]
    monkeypatch.setitem(sys.modules, "bought", package)
    assert is_library("bought.part")
    package.__path__ = ["/home/me/bought"]
    assert not is_library("bought.part")


def test_what_code_looks_up():
    found = CodeReads.of(with_inner.__code__)
    assert set(found.of_globals) == {"len", "map", "SUFFIX"}
    assert found.modules == (("json.decoder", 0),)
    assert {"JSON", "decoder"} <= found.names
    assert CodeReads.of(at_the_top.__code__).of_globals == ("SIZE",)


def test_names_beyond_the_256th_are_found():
    """Whose places in the code take two steps."""
    lines = [f"    x{i}()" for i in range(300)] + ["    from . import last"]
    space = {}
    exec("\n".join(["def long():", *lines]), space)
    found = CodeReads.of(space["long"].__code__)
    assert len(found.of_globals) == 300
    assert found.modules == (("", 1),)


def test_imports_in_functions():
    assert imported(at_the_top, "os.path", 0) == [os.path, os]
    assert imported(at_the_top, "json", 0) == [json]
    assert imported(at_the_top, "no_such_module_anywhere", 0) == []
    inner = np.linalg.norm.__wrapped__  # of the package numpy.linalg
    assert imported(inner, "", 1) == [np.linalg, np]
    assert imported(inner, "lib", 2) == [np.lib, np]
