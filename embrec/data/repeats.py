"""Events that repeat the one before."""

import numpy as np

from embrec._utils.warn import warn
from embrec.data.memmaps import release
from embrec.data.ragged import Ragged

#: A smaller share is not warned of.
SHARE = 0.01
#: Events that are compared at a time.
_AT_A_TIME = 2**22


class RepeatedEventsWarning(UserWarning):
    """Many events of a log are of the same item as the one before."""


def count_repeats(sequences: Ragged) -> int:
    """Count the events that are of the same item as the one before in their sequence."""
    values, offsets = sequences.values, sequences.offsets
    n = 0
    for start in range(0, len(values), _AT_A_TIME):
        part = values[start : start + _AT_A_TIME + 1]
        n += int(np.count_nonzero(part[1:] == part[:-1]))
        release(values)
    # the first of a sequence follows none
    first = np.unique(offsets[(offsets > 0) & (offsets < len(values))])
    return n - int(np.count_nonzero(values[first] == values[first - 1]))


def warn_of_repeats(sequences: Ragged, what: str = "X") -> None:
    """Warn if many events repeat the one before.

    Parameters
    ----------
    sequences : Ragged of ids or codes
    what : str, default="X"
        What the log is called.
    """
    n_events = len(sequences.values)
    n = count_repeats(sequences)
    if n > SHARE * n_events:
        warn(
            f"{n} of {n_events} events in {what} ({n / n_events:.0%}) are of the same item as the "
            "event before. A model learns to repeat, and where such events are targets figures are "
            "too good. If one click was logged several times, leave the repeats out, with "
            "embrec.preprocessing.DropRepeats().fit_transform(log). If people do come back to an "
            "item at once, ignore this RepeatedEventsWarning.",
            RepeatedEventsWarning,
        )
