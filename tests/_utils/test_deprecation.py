"""Deprecation warnings: what they say, and at whose line they point."""

import inspect
import warnings

import pytest

from embrec._utils.deprecation import renamed_parameters, warn_deprecated


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


@renamed_parameters({"n": "k", "seen": "exclude_seen"}, since="0.3", removed_in="0.5")
def recommend(history, k=10, *, exclude_seen=True):
    """Recommend."""
    return history, k, exclude_seen


def test_new_names_do_not_warn():
    assert recommend([1], k=3) == ([1], 3, True)
    assert recommend([1], 3, exclude_seen=False) == ([1], 3, False)


def test_old_names_are_taken_with_a_warning():
    message = r"^n= of recommend\(\) is deprecated since embrec 0\.3 .* Write k= instead\.$"
    with pytest.warns(FutureWarning, match=message):
        assert recommend([1], n=3) == ([1], 3, True)
    with pytest.warns(FutureWarning) as caught:
        assert recommend([1], n=3, seen=False) == ([1], 3, False)
    assert len(caught) == 2
    assert {w.filename for w in caught} == {__file__}


def test_both_names_are_an_error():
    with pytest.raises(TypeError, match=r"^recommend\(\) got both n= and k=, its new name\.$"):
        recommend([1], n=3, k=3)


def test_a_renamed_function_keeps_its_signature():
    assert recommend.__name__ == "recommend"
    assert recommend.__doc__ == "Recommend."
    assert list(inspect.signature(recommend).parameters) == ["history", "k", "exclude_seen"]
