"""What components share: parameters that are checked, strings that are short for them, and JSON."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import NoneType
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone

from embrec._utils.parameters import Parametrized, did_you_mean, listed

#: embrec's own components by name: what a saved file may ask for.
_KNOWN: dict[str, type["Component"]] = {}


class Component(Parametrized):
    """A part that users name and tune: parameters, and how to build what does the work.

    It is a small scikit-learn estimator: ``get_params``, ``set_params`` and ``clone`` work, and the
    constructor only stores. Parameters are plain (numbers, words, None), components themselves, or
    lists of (name, component), so that a component is saved as JSON.
    """

    #: parameters that may change when training goes on from weights that are there
    _free_parameters: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        pass

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.partition(".")[0] == "embrec":
            _KNOWN[cls.__name__] = cls

    def _normalize(self) -> None:
        """Write parameters that are short for others in full; this is a copy of the user's."""

    def check(self) -> None:
        """Raise if a parameter is not what it may be.

        Raises
        ------
        ValueError, TypeError
        """
        self._validate_params()
        for part in _within(self):
            part.check()


def _within(component: Component) -> Iterator[Component]:
    """Yield the components that are parameters of another one."""
    for value in component.get_params(deep=False).values():
        yield from [value] if isinstance(value, Component) else listed(value).values()


def with_all_within(component: Component) -> Iterator[Component]:
    """Yield a component, those that are its parameters, theirs, and so on."""
    yield component
    for part in _within(component):
        yield from with_all_within(part)


def resolve(
    name: str, given: Any, kind: type[Any], short: Mapping[Any, type[Any]], also: str = ""
) -> Any:
    """Turn what a user passed as a parameter into a component of one's own, and check it.

    Parameters
    ----------
    name : str
        Of the parameter.
    given : word or component
    kind : type
        What it must be an instance of.
    short : dict of word to type
        What words are short for: strings, True, False or None.
    also : str, optional
        What else may be given, and is turned into a component before.

    Returns
    -------
    component
        A new one; one of the user's is cloned.

    Raises
    ------
    ValueError, TypeError
        If it is something else, or one of its parameters is.
    """
    words = ", ".join([*map(repr, short), *([also] if also else [])])
    article = "an" if kind.__name__[0] in "AEIO" else "a"
    expected = f"{name} must be {words + ' or ' if words else ''}{article} {kind.__name__}"
    if isinstance(given, (str, bool, NoneType)) and given in short:
        made: Component = short[given]()
    elif isinstance(given, str):
        meant = did_you_mean(given, [word for word in short if isinstance(word, str)])
        raise ValueError(f"{expected}; got {given!r}.{meant}")
    elif isinstance(given, type) and issubclass(given, kind):
        raise TypeError(f"{expected}; got the class {given.__name__}. Pass {given.__name__}().")
    elif isinstance(given, kind):
        made = clone(given)
    else:
        raise TypeError(f"{expected}; got {given!r}.")
    for part in with_all_within(made):
        _make_plain(part)
    made.check()
    made._normalize()
    return made


def _make_plain(component: Component) -> None:
    """Turn numpy's numbers into Python's: JSON and torch want these."""
    for name, value in component.get_params(deep=False).items():
        if isinstance(value, np.generic):
            setattr(component, name, value.item())


def describe(component: Component) -> dict[str, Any]:
    """Describe a component for JSON: its type and its parameters.

    Raises
    ------
    ValueError
        If a parameter is nothing that JSON gives back as it was.
    """
    cls = type(component)
    if _KNOWN.get(cls.__name__) is not cls and _find(_full_name(cls)) is not cls:
        raise ValueError(
            f"Nobody could load a {cls.__name__} again: {_full_name(cls)} is not to be found by "
            "that name. Put the class at the top of a module."
        )
    params = component.get_params(deep=False)
    return {
        "type": cls.__name__ if _KNOWN.get(cls.__name__) is cls else _full_name(cls),
        "params": {name: _described(component, name, value) for name, value in params.items()},
    }


def _find(name: str) -> Any:
    """Import what has a full name; None if there is no such thing."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(import_module(module), attribute, None)
    except (ImportError, ValueError):
        return None


def _full_name(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _described(owner: Component, name: str, value: Any) -> Any:
    if isinstance(value, Component):
        return describe(value)
    if listed(value):
        return [[key, describe(part)] for key, part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise ValueError(
        f"{name} of {type(owner).__name__} is {value!r}; parameters of components must be numbers, "
        "words, None, components or lists of (name, component), so that they can be saved as JSON."
    )


def make(description: dict[str, Any], trusted: Any = ()) -> Component:
    """Make the component that `describe` described.

    Parameters
    ----------
    description : dict
    trusted : sequence of str
        Full names of types beside those of embrec that may be imported.

    Raises
    ------
    ValueError
        If its type is neither embrec's own nor trusted, or is no component.
    """
    cls = _type_of(description["type"], trusted)
    params = description["params"].items()
    made = cls(**{name: _made(value, trusted) for name, value in params})
    made.check()
    return made


def _made(value: Any, trusted: Any) -> Any:
    if isinstance(value, dict):
        return make(value, trusted)
    if isinstance(value, list):
        return [(key, make(part, trusted)) for key, part in value]
    return value


def _type_of(name: str, trusted: Any) -> type[Component]:
    if name in _KNOWN:
        return _KNOWN[name]
    if name not in trusted:
        raise ValueError(
            f"The model has a component of type {name}, which is not embrec's own. If you trust "
            f"where it comes from, pass trusted={[*trusted, name]!r}."
        )
    found = _find(name)
    if found is None:
        raise ValueError(
            f"The model needs the component {name}, which cannot be imported here. Put its class "
            "at the top of a module that both sides have."
        )
    if not (isinstance(found, type) and issubclass(found, Component)):
        raise ValueError(f"{name} is no component of embrec, but {found!r}.")
    return found


def changed_parameters(old: Component, new: Component, prefix: str) -> dict[str, tuple[Any, Any]]:
    """Say which parameters differ that weights depend on, by name: what they were and are."""
    if type(old) is not type(new):
        return {prefix: (type(old).__name__, type(new).__name__)}
    changed: dict[str, tuple[Any, Any]] = {}
    for name, now in new.get_params(deep=False).items():
        before, path = getattr(old, name), f"{prefix}__{name}"
        if isinstance(before, Component) and isinstance(now, Component):
            changed |= changed_parameters(before, now, path)
        elif listed(now) and listed(before).keys() == listed(now).keys():
            for key, part in listed(now).items():  # by name: their order says nothing
                changed |= changed_parameters(listed(before)[key], part, f"{prefix}__{key}")
        elif name not in new._free_parameters and before != now:
            changed[path] = _shown(before), _shown(now)
    return changed


def _shown(value: Any) -> Any:
    if isinstance(value, Component):
        return f"{type(value).__name__}()"
    return [*listed(value)] or value
