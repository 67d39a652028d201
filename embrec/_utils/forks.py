"""New locks after a fork: the threads that hold the old ones are not in the child."""

import os
from typing import Protocol
from weakref import WeakSet


class HoldsLocks(Protocol):
    """What has locks of its own."""

    def _renew_locks(self) -> None:
        """Replace all locks by new ones, which nobody holds."""


_ALL: "WeakSet[HoldsLocks]" = WeakSet()


def renew_after_fork(holder: HoldsLocks) -> None:
    """Have an object's locks renewed in every process that is forked from now on.

    Parameters
    ----------
    holder : object with a method ``_renew_locks``
        It may be given again. It is not kept alive.
    """
    _ALL.add(holder)


def _renew_all() -> None:
    for holder in list(_ALL):
        holder._renew_locks()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew_all)
