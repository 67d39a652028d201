"""The user's own ids, in and out: strings or integers, and the rows they stand for."""

from collections.abc import Set
from itertools import islice, repeat
from typing import Any

import numpy as np
import pandas as pd

from embrec.data.growing import Growing

#: From this many on, ids are looked up once each: pandas' hashing outruns a dict's.
MANY = 10_000

_ADVICE = {
    "floating": "If they are integers that became floats (where some were missing, for example), "
    "convert them with .astype('int64').",
    "boolean": "A mask is no list of ids: select the ids first.",
    "bytes": "Decode them.",
}

_EXPECTED = "ids must be all strings or all integers, with none missing"


def check_ids(values: Any, *, what: str) -> np.ndarray:
    """Validate ids and give them one of two forms.

    Parameters
    ----------
    values : array-like of shape (n,), or set
        Strings or integers of any width.
    what : str
        Their name in error messages.

    Returns
    -------
    ndarray of shape (n,)
        int64, or object holding ``str``.

    Raises
    ------
    ValueError
        If an id is missing (None, NaN, NA), or an integer does not fit int64.
    TypeError
        If ids are of another kind (floats, booleans, bytes, tuples), if strings and integers mix,
        or if this is one id rather than a list.
    """
    array = _as_array(values)
    if array.ndim == 0:
        got = short_repr(values)
        raise TypeError(
            f"{what}: expected a list of ids; got {got}. If it is one id, pass [{got}]."
        )
    if array.ndim != 1:
        raise ValueError(f"{what}: expected a 1-D array of ids, got shape {array.shape}.")
    if array.dtype.kind == "V":  # which pandas cannot look into
        raise TypeError(
            f"{what}: {_EXPECTED}; got records of dtype {array.dtype}. Take the field with the ids."
        )
    missing = pd.isna(array)
    if missing.any():
        raise ValueError(
            f"{what}: {int(missing.sum())} of {len(array)} ids are missing (None, NaN or masked; "
            f"the first at position {int(missing.argmax())}). Drop those rows or give them an id."
        )
    if array.dtype.kind == "U" or len(array) == 0:
        return array.astype(object)
    kind = pd.api.types.infer_dtype(array, skipna=False)
    if kind == "integer":
        return _as_int64(array, what)
    if kind == "string":
        return array if array.dtype == object else array.astype(object)
    raise TypeError(
        f"{what}: {_EXPECTED}; got {kind} values of dtype {array.dtype}"
        f"{_examples_by_type(array)}. {_ADVICE.get(kind, 'Convert them to one kind.')}"
    )


def _as_array(values: Any) -> np.ndarray:
    if isinstance(values, (list, tuple, Set)):
        # not np.asarray, which makes strings of the integers in [1, "a"]
        return np.fromiter(values, dtype=object, count=len(values))
    if np.ma.is_masked(values):  # what is masked is missing
        array = np.asarray(values).astype(object)
        array[np.ma.getmaskarray(values)] = None
        return array
    return np.asarray(values)


def _as_int64(array: np.ndarray, what: str) -> np.ndarray:
    try:
        return array.astype(np.int64, casting="unsafe" if array.dtype == object else "safe")
    except (OverflowError, TypeError) as error:
        if array.dtype.kind == "u" and array.max() <= np.iinfo(np.int64).max:
            return array.astype(np.int64)
        largest = max(array.tolist(), key=abs)
        raise ValueError(
            f"{what}: integer ids must fit 64 bits with a sign; got {largest}. "
            "Use strings for larger ones."
        ) from error


def _examples_by_type(array: np.ndarray) -> str:
    """One example per type of value, at most three."""
    seen: dict[type, object] = {}
    for value in array[:1000].tolist():
        seen.setdefault(type(value), value)
    return ", such as " + " and ".join(map(short_repr, islice(seen.values(), 3)))


def preview(ids: np.ndarray, n: int = 5) -> str:
    """Name a few ids for an error message, each once."""
    unique = list(dict.fromkeys(ids.tolist()))
    return ", ".join(map(short_repr, unique[:n])) + (", ..." if len(unique) > n else "")


def short_repr(value: object, limit: int = 60) -> str:
    """Show a value in an error message, cut to a bearable length."""
    # numpy's strings as what they are to the user
    text = repr(str(value) if isinstance(value, str) else value)
    return text if len(text) <= limit else f"{text[:limit]}..."


class IdIndex:
    """A two-way map between unique ids and rows 0, 1, 2, ... that can grow at its end.

    Parameters
    ----------
    ids : ndarray of shape (n,)
        Unique ids, as `check_ids` returns them.
    """

    def __init__(self, ids: np.ndarray) -> None:
        self._old = ids
        self._new = Growing((), ids.dtype)
        self._row_of = dict(zip(ids.tolist(), range(len(ids)), strict=True))

    def __len__(self) -> int:
        return len(self._row_of)

    @property
    def ids(self) -> np.ndarray:
        """Ids in row order, shape (n,), int64 or object. Takes a copy if some were added."""
        if len(self) == len(self._old):
            return self._old
        return np.concatenate([self._old, self._new.values])[: len(self)]

    @property
    def holds_strings(self) -> bool:
        """Whether the ids are strings rather than integers."""
        return self._old.dtype == object

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Return the ids of rows.

        Parameters
        ----------
        rows : ndarray of int

        Returns
        -------
        ndarray of int64 or object
        """
        n = len(self._old)
        is_new = rows >= n
        if not is_new.any():
            return self._old[rows]
        ids = self._old[np.where(is_new, 0, rows)]
        ids[is_new] = self._new.values[rows[is_new] - n]
        return ids

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """Return the row of each id, -1 where there is none.

        Parameters
        ----------
        ids : ndarray of shape (n,)
            As `check_ids` returns them.

        Returns
        -------
        ndarray of shape (n,), int64
        """
        if len(ids) >= MANY:
            codes, unique = pd.factorize(ids)
            return self._look_up(np.asarray(unique))[codes]
        return self._look_up(ids)

    def _look_up(self, ids: np.ndarray) -> np.ndarray:
        found = map(self._row_of.get, ids.tolist(), repeat(-1))
        return np.fromiter(found, dtype=np.int64, count=len(ids))

    def reserve(self, ids: np.ndarray) -> None:
        """Give the rows after the last to new unique ids, which are not found before `extend`.

        So one thread may look up the ids of rows while another adds some.
        """
        self._new.cut(len(self) - len(self._old))  # what was reserved and came to nothing
        self._new.extend(ids)

    def extend(self, ids: np.ndarray) -> None:
        """Append new unique ids, or let those that were reserved be found."""
        start = len(self)
        reserved = self._new.values[start - len(self._old) :]
        if not np.array_equal(reserved, ids):
            self.reserve(ids)
        self._row_of.update(zip(ids.tolist(), range(start, start + len(ids)), strict=True))

    def check_kind(self, ids: np.ndarray, *, what: str) -> None:
        """Raise if ``ids`` are integers where these are strings, or the other way round.

        Raises
        ------
        TypeError
        """
        if len(ids) and (ids.dtype == object) != self.holds_strings:
            ours, theirs = (
                ("strings", "integers") if self.holds_strings else ("integers", "strings")
            )
            raise TypeError(
                f"{what} holds {theirs} (such as {preview(ids[:1])}) but the catalogue's item ids "
                f"are {ours} (such as {preview(self._old[:1])}). Convert one of them."
            )

    def __getstate__(self) -> dict[str, Any]:
        return {"ids": self.ids}

    def __setstate__(self, state: dict[str, Any]) -> None:
        IdIndex.__init__(self, state["ids"])
