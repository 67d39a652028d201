"""Checks of arguments that are counts."""

from typing import Any

import numpy as np


def check_k(k: Any) -> int:
    """Return ``k`` as an int, or raise ValueError if it is no positive integer."""
    return check_positive(k, "k")


def check_positive(value: Any, name: str) -> int:
    """Return a value as an int, or raise ValueError if it is no positive integer."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be an integer >= 1; got {value!r}.")
    return int(value)
