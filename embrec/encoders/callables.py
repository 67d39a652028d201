"""What tells a function of the user's from others: vectors depend on it."""

from collections.abc import Mapping
from typing import Any

from embrec.encoders.contents import UnknownContentError, hash_content


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
        Equal in all processes.
    """
    return hash_content(function, reads=False)


def hash_reads(functions: Mapping[str, Any], owner: str) -> list[str]:
    """Hash all that the results of functions depend on, what they read from outside among it.

    Parameters
    ----------
    functions : mapping of str to callable
        Parameters, by name.
    owner : str
        Whose they are.

    Returns
    -------
    list of str
        One for each, equal in all processes.

    Raises
    ------
    ValueError
        If nobody can say what one of them depends on.
    """
    return [_hash_reads(name, function, owner) for name, function in functions.items()]


def _hash_reads(name: str, function: Any, owner: str) -> str:
    try:
        return hash_content(function, reads=True)
    except UnknownContentError as error:
        raise ValueError(
            f"memory= cannot tell {name}= of {owner} from another: {error}. Vectors that are kept "
            "would go on as they are when that changes. Pass an object with __call__ that holds "
            "all it works with, in values that pickle can take; or leave memory= out."
        ) from error
