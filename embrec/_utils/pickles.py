"""Pickles say which embrec made them, before anything else in them is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

from embrec._utils.warn import warn
from embrec._version import __version__

#: The oldest minor version whose pickles this one reads. Raise it when attributes change.
READ_SINCE = (0, 2)
_VERSION = "_embrec_version"
#: Whether a saved folder is read: that has a format of its own, which is checked.
_in_folder = ContextVar("_in_folder", default=False)


class PickleVersionWarning(UserWarning):
    """A pickle was made by another version of embrec, and may not be what it was there."""


class Versioned:
    """Mixin: a pickle of another embrec is refused or warned of when it is opened.

    What pickle does of itself would be too late: it reads all attributes first, and fails if their
    classes are no more.
    """

    def __reduce_ex__(self, protocol: Any) -> Any:
        if type(self).__reduce__ is not object.__reduce__:  # one of a subclass's own
            return super().__reduce_ex__(protocol)
        return _open, (type(self), __version__), self.__getstate__()

    def __getstate__(self) -> Any:
        state: Any = super().__getstate__()
        return dict(state, **{_VERSION: __version__})

    def __setstate__(self, state: dict[str, Any]) -> None:
        opened = self.__dict__.pop(_VERSION, None)
        version = state.get(_VERSION, opened)
        if version is None and not _in_folder.get():
            _refuse(type(self).__name__, "0.1")
        parent: Any = super()
        parent.__setstate__({name: state[name] for name in state if name != _VERSION})


@contextmanager
def of_saved_folder() -> Iterator[None]:
    """Read states of estimators from a saved folder, of whatever version."""
    token = _in_folder.set(True)
    try:
        yield
    finally:
        _in_folder.reset(token)


def refuse_old_name(module: str, name: str, gone: str) -> NoReturn:
    """Answer in a module's ``__getattr__`` to pickles of 0.1 that ask for a class that is gone."""
    if name == gone:
        _refuse("recommender", "0.1")
    raise AttributeError(f"module {module!r} has no attribute {name!r}")


def _open(cls: Any, version: str) -> Any:
    """Make an empty object for pickle; what was made by another version is told."""
    if tuple(map(int, version.split(".")[:2])) < READ_SINCE:
        _refuse(cls.__name__, version)
    if version != __version__:
        warn(
            f"This {cls.__name__} was pickled by embrec {version} and is opened by {__version__}, "
            "where it may fail or answer otherwise. What is to outlast a version goes into a "
            "folder: save(path) there, load(path) here.",
            PickleVersionWarning,
        )
    made = cls.__new__(cls)
    made.__dict__[_VERSION] = version
    return made


def _refuse(what: str, version: str) -> NoReturn:
    raise ValueError(
        f"This {what} was pickled by embrec {version}, and {__version__} reads pickles since "
        f"{'.'.join(map(str, READ_SINCE))} alone. Fit it again; or open it with embrec {version}. "
        "For models that outlast a version use save(path) and load(path), not pickle."
    )
