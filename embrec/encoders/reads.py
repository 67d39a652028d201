"""Which functions have a name that says what they do, and what the others read."""

import dis
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import CodeType, FunctionType, ModuleType
from typing import Any

_INSTALLED = ("site-packages", "dist-packages")
_BY_NAME = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_GLOBALS"}


def is_found_by_name(value: Any) -> bool:
    """Whether the module of a function or class has it by its name, so that others can import it.

    Parameters
    ----------
    value : function or class
    """
    found: Any = sys.modules.get(value.__module__)
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is value


def is_library(module: Any) -> bool:
    """Whether a module is one of Python, of an installed package or of embrec.

    Parameters
    ----------
    module : str or None
        Its name.
    """
    if not isinstance(module, str) or module == "__main__":
        return False
    top = module.partition(".")[0]
    if top == "embrec" or top in sys.stdlib_module_names:
        return True
    loaded = sys.modules.get(module) or sys.modules.get(top)
    places = [getattr(loaded, "__file__", None) or "", *getattr(loaded, "__path__", [])]
    return any(name in place for name in _INSTALLED for place in places)


@dataclass(frozen=True)
class CodeReads:
    """What code looks up outside of itself.

    Parameters
    ----------
    of_globals : tuple of str
        Names that are looked up among the globals, then among the builtins.
    modules : tuple of (str, int)
        What ``import`` in a function names, and how many folders up.
    names : frozenset of str
        All names, those of attributes too.
    """

    of_globals: tuple[str, ...] = ()
    modules: tuple[tuple[str, int], ...] = ()
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, code: CodeType) -> "CodeReads":
        """Look through code, and what is defined in it."""
        of_globals: dict[str, None] = {}
        modules: dict[tuple[str, int], None] = {}
        names: set[str] = set()
        for part in _with_inner(code):
            names.update(part.co_names)
            steps = [i for i in dis.get_instructions(part) if i.opname != "EXTENDED_ARG"]
            for i, step in enumerate(steps):
                if step.opname in _BY_NAME:
                    of_globals[step.argval] = None
                elif step.opname == "IMPORT_NAME":
                    # the level and what is taken from the module go before
                    modules[step.argval, steps[i - 2].argval] = None
        return cls(tuple(of_globals), tuple(modules), frozenset(names))


def _with_inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _with_inner(value)


def imported(function: FunctionType, name: str, level: int) -> list[ModuleType]:
    """Import as ``import`` in a function does.

    Parameters
    ----------
    function : function
    name : str
    level : int
        How many folders up.

    Returns
    -------
    list of modules
        That of the name and the one at its top; none if there is no such module.
    """
    package = function.__globals__.get("__package__") or ""
    if level:
        name = ".".join([*package.split(".")[: len(package.split(".")) - level + 1], name])
    name = name.rstrip(".")
    try:
        found = import_module(name)
    except ImportError:
        return []
    top = sys.modules[name.partition(".")[0]]
    return [found] if found is top else [found, top]
