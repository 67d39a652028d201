"""Spans of time, compared to what lies between events."""

import datetime
import math
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

#: A number in the unit of the times; or for datetimes a text such as "30min", or a timedelta.
Span: TypeAlias = float | str | datetime.timedelta | np.timedelta64

#: What a parameter that is a span may be.
SPAN_TYPES = [Real, str, datetime.timedelta, np.timedelta64]

_NANOSECONDS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}
_NANOSECONDS |= {"m": 60 * 10**9, "h": 3600 * 10**9, "D": 86_400 * 10**9}


def are_further_apart(
    times: np.ndarray | None, order: np.ndarray, span: Span, *, name: str, what: str
) -> np.ndarray:
    """Mark where more than a span lies between an event and the next one.

    Parameters
    ----------
    times : ndarray of shape (n,), or None
        Numbers, ``datetime64`` or ``timedelta64``; None is an error.
    order : ndarray of shape (n,), int
        Positions of the events in the order in which they are gone through.
    span : number, str or timedelta
        A number in the unit of the times if they are numbers, a duration if they are not.
    name : str
        What the span is called in error messages.
    what : str
        What the log is called.

    Returns
    -------
    ndarray of shape (n - 1,), bool
        What it says where the next time is earlier means nothing.

    Raises
    ------
    TypeError
        If a span is a number and times are datetimes, or the other way round.
    ValueError
        If it is negative, not finite, or a text that says no duration, or there are no times.
    """
    if times is None:
        raise ValueError(
            f"{name}={span!r} needs times, and {what} is in order of its rows: name the column of "
            "times with timestamp_col=."
        )
    times = times[order]
    duration = isinstance(span, (str, datetime.timedelta, np.timedelta64))
    length = _nanoseconds(span, name) if duration else _number(span, name)
    if (times.dtype.kind in "mM") is not duration:
        raise TypeError(_wrong_kind(span, length, duration, name, what))
    if duration:
        unit, count = np.datetime_data(times.dtype)
        # more than so many whole units is more than the span
        return _exceed(times.view(np.int64), int(length) // (_NANOSECONDS[unit] * count))
    if times.dtype.kind in "iu":
        return _exceed(times, math.floor(length))
    with np.errstate(invalid="ignore"):  # between equal infinite times lies nothing
        return np.diff(times.astype(np.float64)) > length


def _exceed(times: np.ndarray, limit: int) -> np.ndarray:
    whole = times.astype(np.uint64 if times.dtype.kind == "u" else np.int64).view(np.uint64)
    # modulo 2**64: right for any two numbers of 64 bits, where a difference with a sign overflows
    return np.diff(whole) > np.uint64(min(limit, 2**64 - 1))


def _number(span: Any, name: str) -> float:
    if not math.isfinite(span) or span < 0:
        raise ValueError(f"{name} must be a finite number >= 0; got {span!r}.")
    return span


def _nanoseconds(span: Any, name: str) -> int:
    try:
        if isinstance(span, str):
            _check_has_unit(span)
        duration = pd.Timedelta(span)
        if duration is pd.NaT:
            raise ValueError("it is not a time")
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"{name}={span!r} says no duration ({error}). Write a number and a unit, such as "
            "'30min', '12h' or '1D'."
        ) from error
    exact = duration.to_timedelta64()
    length = int(exact.astype(np.int64)) * _NANOSECONDS[np.datetime_data(exact.dtype)[0]]
    if length < 0:
        raise ValueError(f"{name} must not be negative; got {span!r}.")
    return length


def _check_has_unit(text: str) -> None:
    try:
        float(text)
    except ValueError:
        return
    raise ValueError("it has no unit")  # pandas takes "1800" for nanoseconds


def _wrong_kind(span: Any, length: float, duration: bool, name: str, what: str) -> str:
    if duration:
        seconds = length / 10**9
        return (
            f"{name}={span!r} is a duration, and the times of {what} are numbers, whose unit only "
            f"you know. Pass {name} as a number in that unit: {seconds:.15g} if it is seconds, "
            f"{1000 * seconds:.15g} if it is milliseconds. Or make datetimes of the column, with "
            "pandas.to_datetime(..., unit=...)."
        )
    return (
        f"{name}={span!r} is a number, and the times of {what} are dates, datetimes or durations. "
        f"Say how long with a unit, such as {name}='30min', or pass a timedelta."
    )
