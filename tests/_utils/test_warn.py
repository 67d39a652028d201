"""Warnings point at the user's line."""

import inspect
import warnings

import pytest

from embrec._utils.warn import warn


def chain(*modules):
    """Return a function of the first module that calls one of the next, and so on; the last warns.

    A warning that points into one of them has the module's name for a file.
    """
    call = warn
    for name in reversed(modules):
        names = {"__name__": name, "call": call, "arguments": ["look here"] * (call is warn)}
        exec(compile("def outer():\n    call(*arguments)\n", name, "exec"), names)
        call = names["outer"]
    return call


BETWEEN = ["embrec.index.base", "sklearn.pipeline", "joblib.parallel", "torch.nn", "contextlib"]


@pytest.mark.parametrize("between", BETWEEN)
def test_libraries_between_are_passed_over(between):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chain("embrec.api", between, "embrec.deep")()
        line = inspect.currentframe().f_lineno - 1
    assert [(w.filename, w.lineno) for w in caught] == [(__file__, line)]


@pytest.mark.parametrize("user", ["embrecommend", "mine.embrec", "numpy", "__main__"])
def test_the_nearest_module_of_another_name_is_the_users(user):
    with pytest.warns(UserWarning, match="^look here$") as caught:
        chain("sklearn.pipeline", user, "joblib", "embrec.deep")()
    assert [w.filename for w in caught] == [user]


def test_the_category_is_the_one_asked_for():
    with pytest.warns(FutureWarning, match="gone"):
        warn("gone", FutureWarning)
