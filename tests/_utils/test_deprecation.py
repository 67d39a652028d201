"""Deprecation warnings: what they say, and at whose line they point."""

import inspect
import warnings

import pytest

from embrec._utils.deprecation import warn_deprecated


@pytest.fixture
def embrec_function():
    """Return a function that warns and lies, as far as anybody can see, in a module of embrec."""
    names = {"__name__": "embrec.some.module", "warn_deprecated": warn_deprecated}
    source = """
def old_way():
    inner()

def inner():
    warn_deprecated('loss="bpr"', "0.3", "0.5", "loss=BPR()")
"""
    exec(source, names)
    return names["old_way"]


def test_it_says_what_to_write_instead(embrec_function):
    message = (
        r'^loss="bpr" is deprecated since embrec 0\.3 and will be removed in 0\.5\. '
        r"Write loss=BPR\(\) instead\.$"
    )
    with pytest.warns(FutureWarning, match=message):
        embrec_function()


def test_it_points_at_the_line_that_called_embrec(embrec_function):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        embrec_function()
        line = inspect.currentframe().f_lineno - 1
    assert [(w.filename, w.lineno) for w in caught] == [(__file__, line)]
