"""Warnings that point at the user's line, however deep in embrec they arise."""

import sys
import warnings

#: What may be between the user and embrec's code: decorators, pipelines, workers.
_BETWEEN = {"embrec", "sklearn", "joblib", "torch", "contextlib"}


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn in the name of whoever called embrec.

    Parameters
    ----------
    message : str
    category : type, default=UserWarning
    """
    level = 1
    frame = sys._getframe()
    while frame.f_back is not None and _package(frame.f_globals) in _BETWEEN:
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def _package(names: dict[str, object]) -> str:
    return str(names.get("__name__", "")).partition(".")[0]
