"""Parameters as scikit-learn has them, with answers to typing errors."""

from collections.abc import Sequence
from difflib import get_close_matches
from inspect import Parameter, signature
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator

from embrec._utils.compat import InvalidParameterError, StrOptions
from embrec._utils.pickles import Versioned


class Parametrized(Versioned, BaseEstimator):
    """Base of what has parameters: a name that is none gets an answer that helps.

    True and False are refused where a number is asked for: Python takes them for 1 and 0. What a
    list of (name, what has parameters) holds is a parameter by its name too, as in a FeatureUnion.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {}
    #: names that parameters had before, and what to write instead
    _former_parameters: ClassVar[dict[str, str]] = {}
    #: parameters that take a word for an object: words, and the class that each is short for
    _short_for: ClassVar[dict[str, dict[Any, type[Any]]]] = {}

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse names that are no parameters before ``__init__`` does."""
        if kwargs:
            _check_names(cls, kwargs)
        return super().__new__(cls)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return parameters by name, those of parts as ``part__parameter`` if ``deep``."""
        params: dict[str, Any] = super().get_params(deep=deep)
        for name, part in _all_listed(params.values()).items() if deep else ():
            params[name] = part
            params |= {f"{name}__{key}": value for key, value in part.get_params().items()}
        return params

    def set_params(self, **changes: Any) -> Self:
        """Set parameters: whole lists first, then parts in them by name, then what these have.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If there is no such parameter, a part is given by a word, which has none, or it is to be
            replaced by what has none.
        """
        own = self.get_params(deep=False)
        parts = _all_listed([changes.get(name, value) for name, value in own.items()])
        replaced: dict[str, Parametrized] = {}
        within: dict[str, dict[str, Any]] = {}
        for key in list(changes):
            name, _, inner = key.partition("__")
            if name in parts and name not in own:
                given = changes.pop(key)
                if inner:
                    within.setdefault(name, {})[inner] = given
                elif isinstance(given, Parametrized):
                    replaced[name] = given
                else:
                    raise TypeError(
                        f"{name} must have parameters, such as {parts[name]}; got {given!r}."
                    )
            elif name not in own:
                raise ValueError(unknown_parameter(type(self), name, [*own, *parts]))
        self._set_own(**changes)
        for name, value in self.get_params(deep=False).items():
            if listed(value).keys() & replaced.keys():
                setattr(self, name, [(key, replaced.get(key, part)) for key, part in value])
        for name, inner_changes in within.items():
            (parts | replaced)[name].set_params(**inner_changes)
        return self

    def _set_own(self, **changes: Any) -> None:
        """Set parameters that the constructor has, those of parts as ``part__parameter``."""
        names = self._get_param_names()
        for key in changes:
            name, _, inner = key.partition("__")
            if name not in names:
                raise ValueError(unknown_parameter(type(self), name))
            part = changes.get(name, getattr(self, name))
            if inner and not hasattr(part, "set_params"):
                raise ValueError(_no_object(self, key, name, part))
        super().set_params(**changes)

    def _validate_params(self) -> None:
        for name, value in self.get_params(deep=False).items():
            allowed = self._parameter_constraints.get(name, ["boolean"])
            if isinstance(value, (bool, np.bool_)) and not _takes_bool(allowed):
                example = _object_for(self, name, value)
                raise TypeError(
                    f"{name} of {type(self).__name__} must not be {value!r}, which Python would "
                    f"take for {int(value)}. Pass {example or 'a number or a word'}."
                )
            if isinstance(value, str) and not isinstance(allowed, str):
                _check_word(self, name, value, allowed)
        super()._validate_params()


def listed(value: Any) -> dict[str, Parametrized]:
    """Read a list of (name, what has parameters), by name; any other value holds none."""
    if not isinstance(value, (list, tuple)):
        return {}
    pairs = [tuple(pair) for pair in value if isinstance(pair, (list, tuple)) and len(pair) == 2]
    are_named = all(isinstance(a, str) and isinstance(b, Parametrized) for a, b in pairs)
    return dict(pairs) if are_named and len(pairs) == len(value) else {}


def _all_listed(values: Any) -> dict[str, Parametrized]:
    return {name: part for value in values for name, part in listed(value).items()}


def _takes_bool(constraints: Any) -> bool:
    if isinstance(constraints, str):  # "no_validation": whoever reads it checks it
        return True
    return any(isinstance(c, str) and c in ("boolean", "verbose") for c in constraints)


def _check_word(owner: Any, name: str, word: str, allowed: Any) -> None:
    """Refuse a word that is nearly one of those allowed; scikit-learn refuses all others."""
    options = [o for c in allowed if isinstance(c, StrOptions) for o in c.options]
    if str not in allowed and word not in options:
        meant = did_you_mean(word, options)
        if meant:
            raise InvalidParameterError(
                f"The {name!r} parameter of {type(owner).__name__} must be one of "
                f"{sorted(options)}; got {word!r}.{meant}"
            )


def did_you_mean(word: str, words: Any) -> str:
    """Say which of some words was meant, if one is near: a sentence, or nothing."""
    near = get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


def unknown_parameter(cls: type[Any], name: str, names: Sequence[str] = ()) -> str:
    """Say that a class has no such parameter, and which one of its own or ``names`` is meant."""
    names = names or cls._get_param_names()
    if name in cls._former_parameters:
        return (
            f"{cls.__name__} has no parameter {name!r} since embrec 0.2. Write "
            f"{cls._former_parameters[name]} instead."
        )
    meant = did_you_mean(name, names)
    return (
        f"{cls.__name__} has no parameter {name!r}.{meant} Its parameters are {', '.join(names)}."
    )


def _check_names(cls: type[Any], names: Any) -> None:
    parameters = signature(cls.__init__).parameters.values()
    if any(p.kind is Parameter.VAR_KEYWORD for p in parameters):
        return
    known = {p.name for p in parameters}
    unknown = [unknown_parameter(cls, name) for name in names if name not in known]
    if unknown:
        raise TypeError("\n".join(unknown))


def _no_object(owner: Any, key: str, name: str, part: Any) -> str:
    example = _object_for(owner, name, part)
    instead = f" Pass the object first, such as {name}={example}." if example else ""
    return f"{key} cannot be set: {name} is {part!r}, which has no parameters of its own.{instead}"


def _object_for(owner: Any, name: str, word: Any) -> str | None:
    """Write the object that a word is short for, or another one that may stand there."""
    kinds = owner._short_for.get(name)
    if not kinds:
        return None
    meant = [kind for short, kind in kinds.items() if type(short) is type(word) and short == word]
    return f"{[*meant, *kinds.values()][0].__name__}()"
