"""Parameters of a run, checked before it begins."""

import os
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from embrec.training import Callback


def check_callbacks(callbacks: Sequence[Any] | None) -> None:
    """Raise if one is no callback."""
    for callback in callbacks or ():
        if not isinstance(callback, Callback):
            raise TypeError(
                f"callbacks must hold instances of embrec.Callback; got {callback!r}. Inherit from "
                "it, and pass an instance rather than the class."
            )


def check_checkpoints(checkpoint_dir: Any, random_state: Any) -> None:
    """Raise if a run could not be gone on with."""
    if checkpoint_dir is None:
        return
    if not os.fspath(checkpoint_dir):
        raise ValueError("checkpoint_dir must be the path of a folder, or None; got ''.")
    if not isinstance(random_state, Integral):
        raise ValueError(
            "checkpoint_dir needs random_state to be an int, so that a run that goes on makes the "
            f"same draws; got random_state={random_state!r}."
        )
