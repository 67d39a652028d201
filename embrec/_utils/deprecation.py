"""What is about to go, or has another name now, says so before it does."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from embrec._utils.warn import warn

P = ParamSpec("P")
T = TypeVar("T")


def warn_deprecated(what: str, since: str, removed_in: str, instead: str) -> None:
    """Warn whoever called embrec that what they wrote will stop working.

    Parameters
    ----------
    what : str
        What they wrote, as the subject of a sentence: ``"loss="bpr" of EmbRecEstimator"``.
    since : str
        The version that deprecated it, for example ``"0.3"``.
    removed_in : str
        The version that will no longer know it, for example ``"0.5"``.
    instead : str
        What to write instead, as it is written: ``"loss=BPR()"``.
    """
    warn(
        f"{what} is deprecated since embrec {since} and will be removed in {removed_in}. "
        f"Write {instead} instead.",
        FutureWarning,
    )


def renamed_parameters(
    renamed: dict[str, str], since: str, removed_in: str
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a function take keyword arguments by their old names for a while, with a warning.

    Not for ``__init__`` of an estimator: scikit-learn reads its parameters from its signature.

    Parameters
    ----------
    renamed : dict of str to str
        Old names to new ones.
    since, removed_in : str
        As in `warn_deprecated`.

    Returns
    -------
    decorator

    Raises
    ------
    TypeError
        By the decorated function, if it gets an argument by both names.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            names: dict[str, Any] = kwargs
            for old in sorted(renamed.keys() & names.keys()):
                new = renamed[old]
                if new in names:
                    raise TypeError(
                        f"{function.__name__}() got both {old}= and {new}=, its new name."
                    )
                warn_deprecated(f"{old}= of {function.__name__}()", since, removed_in, f"{new}=")
                names[new] = names.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate
