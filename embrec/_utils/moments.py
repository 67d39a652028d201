"""Readers that see one moment of an object whose attributes are replaced meanwhile."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Any])


def replace_attributes(instance: Any, **attributes: Any) -> None:
    """Set attributes in one assignment, so that readers see all of them or none."""
    instance.__dict__ = {**vars(instance), **attributes}


def as_of_now(instance: T) -> T:
    """Return a stand-in that keeps what the attributes are, though they be replaced.

    What is set one by one is set in both.
    """
    held = object.__new__(type(instance))
    held.__dict__ = vars(instance)
    return held


def of_one_moment(method: Method) -> Method:
    """Let a method read the attributes as they are when it is called."""

    @wraps(method)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(as_of_now(self), *args, **kwargs)

    return cast(Method, called)
