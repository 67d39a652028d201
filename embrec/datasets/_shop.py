"""A shop that was made up: its log, its catalogue, and the truth about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from embrec.data.ids import IdIndex
from embrec.datasets._shop_oracle import EVENT_TYPES, ShopModel
from embrec.datasets._shop_pictures import draw_picture

FIRST_DAY = np.datetime64("2026-01-01T00:00:00", "s")
DAY = np.timedelta64(86_400, "s")


@dataclass(frozen=True, repr=False)
class Shop:
    """A log, a catalogue, and the truth about them.

    Parameters
    ----------
    interactions : DataFrame of shape (n_events, 3) or (n_events, 4)
        Columns user, item and timestamp (datetime64[s]), in the order of time; and event, "view" or
        "purchase", if events have types.
    items : DataFrame of shape (n_items, 8)
        Columns item, title, description, category, brand, colour, price and launched
        (datetime64[s]); and image (bytes, PNG) if there are pictures.
    model : ShopModel
        The probabilities that the visitors follow.
    cutoff : datetime64[s]
        Midnight at which the training part of the log ends.
    """

    interactions: pd.DataFrame
    items: pd.DataFrame
    model: ShopModel
    cutoff: np.datetime64

    def __repr__(self) -> str:
        log = self.interactions
        return (
            f"Shop(n_users={log['user'].nunique()}, n_items={len(self.items)}, n_events={len(log)})"
        )

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {item: row for row, item in enumerate(self.items["item"])}

    @property
    def late_items(self) -> pd.Series:
        """Ids of the items that were launched after the first day."""
        return self.items.loc[self.items["launched"] > FIRST_DAY, "item"]

    @property
    def cold_items(self) -> pd.Series:
        """Ids of the items launched at the cutoff or later: none is in the training part."""
        return self.items.loc[self.items["launched"] >= self.cutoff, "item"]

    def split(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Cut the log at the cutoff. A visit lasts less than a day, so no visitor is on both sides.

        Returns
        -------
        train, test : DataFrame
            Rows of ``interactions`` before the cutoff, and from it on.
        """
        before = self.interactions["timestamp"] < self.cutoff
        return self.interactions[before], self.interactions[~before]

    def next_item_probabilities(
        self,
        histories: Sequence[Sequence[str]],
        *,
        at: Any = None,
        events: Sequence[Sequence[str]] | None = None,
    ) -> np.ndarray:
        """Tell what each visitor truly does next, given all that can be known: the best possible.

        The formula is in `make_shop`. Exact for visitors of the log if ``at`` is given: what was
        on sale then decides what their earlier steps tell of them.

        Parameters
        ----------
        histories : list of n sequences of item ids
            Oldest first; may be empty.
        at : array-like of n datetimes, optional
            When each visitor came (any time of that day): what is launched on a later day is not
            for sale. Before the first day counts as the first, after the last as the last, when
            all is on sale; so it is by default.
        events : list of n sequences of {"view", "purchase"}, optional
            Types of the events of each history. Without it they count as not known, and are summed
            out.

        Returns
        -------
        ndarray of shape (n, n_items), float64
            Rows sum to 1; columns as in ``items``.

        Raises
        ------
        KeyError
            If an id is not in the shop.
        ValueError
            If no visitor can have such a history: an item twice, or one not launched by then, or
            if it leaves nothing to take; or if ``at`` is not one time per history, or ``events``
            not one type per event, or the shop's events have no types.
        TypeError
            If a history is not a sequence of ids, or an element of ``events`` not one of types.
        """
        rows = [self._rows(number, history) for number, history in enumerate(histories)]
        types = None if events is None else self._types(rows, events)
        return self.model.next_item_probabilities(rows, self._days(rows, at), types)

    def visit_days(self) -> tuple[IdIndex, np.ndarray]:
        """Say on which day each visitor of the log came: users, and a number for each."""
        log = self.interactions
        first = log.drop_duplicates("user")
        days = (first["timestamp"].to_numpy() - FIRST_DAY) // DAY
        users = IdIndex(first["user"].to_numpy().astype(object))
        return users, np.clip(days, 0, self.model.n_days - 1).astype(np.int64)

    def _rows(self, number: int, history: Sequence[str]) -> list[int]:
        if isinstance(history, str):
            raise TypeError(f"History {number} is one str, {history!r}; expected a list of ids.")
        unknown = [item for item in history if item not in self._row_of]
        if unknown:
            raise KeyError(
                f"History {number} has {len(unknown)} ids that this shop of {len(self.items)} "
                f"items lacks: {unknown[:5]}."
            )
        rows = [self._row_of[item] for item in history]
        if len(set(rows)) < len(rows):
            raise ValueError(
                f"History {number} has an item twice, and visitors of this shop never take one "
                "again: it has probability 0. Drop the repetitions."
            )
        return rows

    def _types(self, rows: list[list[int]], events: Sequence[Sequence[str]]) -> list[list[int]]:
        if not self.model.has_event_types:
            raise ValueError(
                "The events of this shop have no types; leave events= out, or make the shop with "
                "purchase_share=."
            )
        if len(events) != len(rows):
            raise ValueError(
                f"events must hold the types of each of the {len(rows)} histories; got those of "
                f"{len(events)}."
            )
        for number, (history, types) in enumerate(zip(rows, events, strict=True)):
            if isinstance(types, str):
                raise TypeError(
                    f"events[{number}] is one str, {types!r}; expected a list of types."
                )
            if len(types) != len(history):
                raise ValueError(
                    f"History {number} has {len(history)} events, and events[{number}] has "
                    f"{len(types)} types; expected one for each."
                )
            unknown = [event for event in types if event not in EVENT_TYPES]
            if unknown:
                raise ValueError(
                    f"events[{number}] has {unknown[:5]}; a type is one of {list(EVENT_TYPES)}."
                )
        return [[EVENT_TYPES.index(event) for event in types] for types in events]

    def _days(self, rows: list[list[int]], at: Any) -> np.ndarray:
        last_day = self.model.n_days - 1
        if at is None:
            return np.full(len(rows), last_day)
        times = np.asarray(at, dtype="datetime64[s]")
        if times.shape != (len(rows),) or np.isnat(times).any():
            raise ValueError(
                f"at must hold one time for each of the {len(rows)} histories, none missing; got "
                f"shape {times.shape} with {int(np.isnat(times).sum())} missing."
            )
        days = np.clip((times - FIRST_DAY) // DAY, 0, last_day).astype(np.int64)
        for number, history in enumerate(rows):
            early = [row for row in history if self.model.launch_day[row] > days[number]]
            if early:
                raise ValueError(
                    f"History {number} has {self.items['item'].iloc[early[0]]}, which was launched "
                    f"on {self.items['launched'].iloc[early[0]]:%Y-%m-%d}, after {times[number]}: "
                    "it has probability 0. Give the time of the visit as at=, or leave at out."
                )
        return days

    def draw_picture(self, item: str, size: int = 64) -> Any:
        """Draw an item: its category's shape in its style's colour.

        Parameters
        ----------
        item : str
            Id.
        size : int, default=64
            Side in pixels.

        Returns
        -------
        PIL.Image.Image
            RGB.

        Raises
        ------
        ImportError
            If Pillow (extra ``image``) is missing.
        """
        row = self._row_of[item]
        return draw_picture(int(self.model.category[row]), int(self.model.style[row]), row, size)
