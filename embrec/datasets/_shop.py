"""A generated shop whose visitors follow known probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from embrec.datasets._shop_oracle import ShopModel
from embrec.datasets._shop_pictures import draw_picture
from embrec.datasets._shop_text import BRANDS, CATEGORIES, STYLES, describe

FIRST_DAY = np.datetime64("2026-01-01T00:00:00", "s")
N_DAYS = 90
#: Kinds of visitors, each with a taste of its own.
N_TYPES = 6


@dataclass(frozen=True)
class Shop:
    """A log, a catalogue, and the truth about them.

    Parameters
    ----------
    interactions : DataFrame of shape (n_events, 3)
        Columns user, item and timestamp (datetime64[s]).
    items : DataFrame of shape (n_items, 7)
        Columns item, title, description, category, brand, price and launched (datetime64[s]).
    model : ShopModel
        The probabilities that the visitors follow.
    """

    interactions: pd.DataFrame
    items: pd.DataFrame
    model: ShopModel

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {item: row for row, item in enumerate(self.items["item"])}

    @property
    def late_items(self) -> pd.Series:
        """Ids of the items that were launched after the first day."""
        return self.items.loc[self.items["launched"] > FIRST_DAY, "item"]

    def next_item_probabilities(self, histories: Sequence[Sequence[str]], *, at: Any = None) -> Any:
        """Tell what each visitor truly does next, given all that can be known: the best possible.

        Parameters
        ----------
        histories : list of n sequences of item ids
            Oldest first; may be empty.
        at : array-like of n datetimes, optional
            When each visitor came: what is launched later is not for sale. By default all is.

        Returns
        -------
        ndarray of shape (n, n_items), float64
            Rows sum to 1; columns as in ``items``.

        Raises
        ------
        KeyError
            If an id is not in the shop.
        """
        rows = [[self._row_of[item] for item in history] for history in histories]
        if at is None:
            days = np.full(len(rows), N_DAYS - 1)
        else:
            times = np.asarray(at, dtype="datetime64[s]")
            days = np.clip((times - FIRST_DAY) // np.timedelta64(1, "D"), 0, N_DAYS - 1)
        return self.model.next_item_probabilities(rows, days.astype(np.int64))

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
        """
        row = self._row_of[item]
        return draw_picture(int(self.model.category[row]), int(self.model.style[row]), row, size)


def make_shop(
    n_users: int = 3000,
    n_items: int = 1500,
    *,
    mean_events: float = 9.0,
    late_share: float = 0.1,
    zipf: float = 0.8,
    random_state: Any = None,
) -> Shop:
    r"""Generate a shop, its catalogue and its visitors.

    An item has a category :math:`c`, a style :math:`s` and a popularity :math:`w`, which follows
    Zipf's law: the r-th most popular item has :math:`w = r^{-zipf}`. A visitor is of one of 6 types
    :math:`z`, all equally likely. Of the items that are launched by the day of the visit, and that
    the visitor has not taken yet, the next one after item :math:`j` is item :math:`i` with
    probability

    .. math:: p(i \mid j, z) \propto w_i \, T_{c_j c_i} \, B_{s_j s_i} \, \theta_{z s_i}

    :math:`T` is the way through the shop: from each category mostly to the one after it.
    :math:`B` says that styles are stuck to, :math:`\theta` is the taste of a type. The first item
    has :math:`T` and :math:`B` replaced by 1. So the order of a history matters (through
    :math:`T`), and all of it does (through what it tells of :math:`z`), and titles and descriptions
    name category and style, among words that mean nothing.

    Parameters
    ----------
    n_users : int, default=3000
    n_items : int, default=1500
        At least 200.
    mean_events : float, default=9.0
        Mean number of events of a visitor; each has at least 3 and at most 50.
    late_share : float, default=0.1
        Share of the items that are launched in the course of the 90 days rather than on the first.
    zipf : float, default=0.8
        Exponent of the popularity.
    random_state : int, RandomState or None, default=None
        An int makes the same shop again.

    Returns
    -------
    Shop
        ``interactions``, ``items``, and ``next_item_probabilities``, the oracle.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> from embrec.datasets import make_shop
    >>> shop = make_shop(n_users=100, n_items=200, random_state=0)
    >>> shop.interactions.columns.tolist()
    ['user', 'item', 'timestamp']
    >>> shop.next_item_probabilities([["I00000", "I00003"], []]).shape
    (2, 200)
    """
    _check(n_users, n_items, mean_events, late_share, zipf)
    rng = check_random_state(random_state)
    model = _make_model(n_items, late_share, zipf, rng)
    items = _make_items(model, rng)
    interactions = _make_log(model, items["item"].to_numpy(dtype=object), n_users, mean_events, rng)
    return Shop(interactions, items, model)


def _check(n_users: int, n_items: int, mean_events: float, late_share: float, zipf: float) -> None:
    if n_users < 1 or n_items < 200:
        raise ValueError(
            f"A shop needs at least 1 user and 200 items; got {n_users} and {n_items}."
        )
    if not 3 < mean_events <= 25:
        raise ValueError(f"mean_events must be more than 3 and at most 25; got {mean_events}.")
    if not 0 <= late_share < 1:
        raise ValueError(f"late_share must be at least 0 and less than 1; got {late_share}.")
    if zipf < 0:
        raise ValueError(f"zipf must not be negative; got {zipf}.")


def _make_model(
    n_items: int, late_share: float, zipf: float, rng: np.random.RandomState
) -> ShopModel:
    n_categories, n_styles = len(CATEGORIES), len(STYLES)
    launch_day = np.zeros(n_items, dtype=np.int64)
    late = rng.permutation(n_items)[: round(late_share * n_items)]
    launch_day[late] = rng.randint(N_DAYS // 3, N_DAYS, size=len(late))
    return ShopModel(
        category=rng.randint(n_categories, size=n_items),
        style=rng.randint(n_styles, size=n_items),
        popularity=(rng.permutation(n_items) + 1.0) ** -zipf,
        launch_day=launch_day,
        n_days=N_DAYS,
        transition=_transition(n_categories),
        style_loyalty=np.where(np.eye(n_styles) > 0, 4.0, 1.0),
        taste=rng.dirichlet(np.full(n_styles, 0.3), size=N_TYPES) + 0.02,
    )


def _transition(n: int) -> np.ndarray:
    """Lead from each category mostly to the next; or stay, or skip one; now and then anywhere."""
    weights = np.full((n, n), 0.02)
    here = np.arange(n)
    weights[here, here] += 0.15
    weights[here, (here + 1) % n] += 0.55
    weights[here, (here + 2) % n] += 0.15
    return weights


def _make_items(model: ShopModel, rng: np.random.RandomState) -> pd.DataFrame:
    n_items = len(model.category)
    brand = (model.style * 3 + rng.randint(3, size=n_items)) % len(BRANDS)
    base_price = 10.0 + 15 * model.category + 5 * model.style
    return pd.DataFrame(
        {
            "item": [f"I{i:05d}" for i in range(n_items)],
            **describe(model.category, model.style, brand, rng),
            "price": np.round(base_price * rng.lognormal(0, 0.2, size=n_items), 2),
            "launched": FIRST_DAY + model.launch_day * np.timedelta64(86_400, "s"),
        }
    )


def _make_log(
    model: ShopModel,
    ids: np.ndarray,
    n_users: int,
    mean_events: float,
    rng: np.random.RandomState,
) -> pd.DataFrame:
    days = rng.randint(model.n_days, size=n_users)
    lengths = np.minimum(3 + rng.geometric(1 / (mean_events - 2), size=n_users) - 1, 50)
    users, steps, rows = model.sample(days, lengths, rng)
    seconds = rng.randint(57_600, size=n_users)[users] + 30 * steps
    times = FIRST_DAY + days[users] * np.timedelta64(86_400, "s") + seconds.astype("timedelta64[s]")
    log = pd.DataFrame({"user": users, "item": ids[rows], "timestamp": times})
    log["user"] = log["user"].map("U{:06d}".format)
    return log.sort_values("timestamp", kind="stable", ignore_index=True)
