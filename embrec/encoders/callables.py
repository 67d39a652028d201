"""What tells a function of the user's from others: vectors depend on it."""

import functools
import sys
from types import CodeType, FunctionType, ModuleType
from typing import Any

import joblib


def describe_callable(function: Any) -> str:
    """Say where a function is defined, and which values it works with.

    Parameters
    ----------
    function : callable or None
        A function at the top of a module is known by its name: its code is taken to stay the same.
        All others - lambdas, closures, partials, methods, objects with ``__call__`` - are known by
        their code and by the values that they hold.

    Returns
    -------
    str
        Equal in all processes, unless a value can neither be pickled nor looked into.
    """
    described: str = joblib.hash(_describe(function, ()))
    return described


def _describe(value: Any, within: tuple[int, ...]) -> Any:
    if id(value) in within:
        return "itself"
    within = (*within, id(value))
    parts = _parts(value)
    if parts is not None:
        return [type(value).__name__, *(_describe(part, within) for part in parts)]
    if isinstance(value, ModuleType):
        return value.__name__
    if isinstance(value, FunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    try:
        return joblib.hash(value)
    except Exception:  # it holds what cannot be pickled, such as a lambda
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        return [name, _describe(vars(value), within) if hasattr(value, "__dict__") else id(value)]


def _parts(value: Any) -> list[Any] | None:
    """Take a value apart, if its parts tell it from others."""
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, FunctionType):
        return None if is_found_by_name(value) else _function_parts(value)
    if isinstance(value, CodeType):
        return [value.co_code, *value.co_names, *value.co_consts]
    if isinstance(value, list | tuple):
        return [*value]
    if isinstance(value, dict):
        return [part for item in value.items() for part in item]
    if hasattr(value, "__self__") and hasattr(value, "__name__"):  # a method, of what it works with
        return [value.__name__, value.__self__]
    return None


def is_found_by_name(function: FunctionType) -> bool:
    """Whether the module of a function has it by its name, so that others can import it."""
    found: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is function


def _function_parts(function: FunctionType) -> list[Any]:
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    return [
        function.__qualname__,
        function.__code__,
        function.__defaults__,
        function.__kwdefaults__,
        *cells,
    ]
