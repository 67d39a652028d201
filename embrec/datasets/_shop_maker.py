"""Make up a shop."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from embrec.datasets._shop import DAY, FIRST_DAY, Shop
from embrec.datasets._shop_oracle import EVENT_TYPES, ShopModel
from embrec.datasets._shop_pictures import draw_png
from embrec.datasets._shop_text import BRANDS, CATEGORIES, COLOURS, STYLES, describe

N_DAYS = 90
#: Kinds of visitors, each with a taste of its own.
N_TYPES = 6
MAX_EVENTS = 50
PICTURE_SIZE = 64


def make_shop(
    n_users: int = 3000,
    n_items: int = 1500,
    *,
    mean_events: float = 9.0,
    late_share: float = 0.1,
    cold_share: float = 0.0,
    train_share: float = 0.8,
    zipf: float = 0.8,
    purchase_share: float = 0.0,
    pictures: bool = False,
    random_state: Any = None,
) -> Shop:
    r"""Generate a shop, its catalogue and its visitors.

    An item has a category :math:`c`, a style :math:`s` and a popularity :math:`w`, which follows
    Zipf's law: the r-th most popular item has :math:`w = r^{-zipf}`. A visitor is of one of 6 types
    :math:`z`, all equally likely, and comes once, on one of 90 days :math:`d`. Of the items
    :math:`A` that are launched by that day and that the visitor has not taken yet, the next one
    after item :math:`j` is item :math:`i` with probability

    .. math::

        p(i \mid j, z, A) =
        \frac{w_i \, T_{c_j c_i} \, B_{s_j s_i} \, \theta_{z s_i}}
             {\sum_{k \in A} w_k \, T_{c_j c_k} \, B_{s_j s_k} \, \theta_{z s_k}}

    :math:`T` is the way through the shop: from each category mostly to the one after it (cameras,
    lenses, memory cards, camera bags, ...). :math:`B` says that styles are stuck to,
    :math:`\theta` is the taste of a type. The first item has :math:`T` and :math:`B` replaced by 1.
    So the order of a history matters (through :math:`T` and :math:`B`), and all of it does (through
    what it tells of :math:`z`), and titles and descriptions name category and style, among words
    that mean nothing.

    What visitors with the history :math:`i_1 \dots i_t` do next is then known exactly:

    .. math::

        p(z \mid i_1 \dots i_t) \propto \prod_{u \le t} p(i_u \mid i_{u-1}, z, A_u), \qquad
        p(i \mid i_1 \dots i_t) = \sum_z p(z \mid i_1 \dots i_t) \, p(i \mid i_t, z, A_{t+1})

    `Shop.next_item_probabilities` computes it. How many items a visitor takes is decided
    beforehand, so that a history's end tells nothing.

    With ``purchase_share``, :math:`q`, events have types :math:`e`: each is a purchase with
    probability :math:`q`, whatever else happens, and a view otherwise. After the event :math:`(j,
    e)` comes item :math:`i` with probability

    .. math::

        p(i \mid j, e, z, A) =
        \frac{w_i \, T^e_{c_j c_i} \, B_{s_j s_i} \, \theta_{z s_i}}
             {\sum_{k \in A} w_k \, T^e_{c_j c_k} \, B_{s_j s_k} \, \theta_{z s_k}}

    After a purchase :math:`T^e` is the way through the shop above, after a view it leads mostly to
    more of the same category: visitors compare, buy, and go on. Where the types of a history are
    not known, :math:`p(i \mid j, z, A)` is :math:`q \, p(i \mid j, \text{purchase}, z, A) + (1 - q)
    \, p(i \mid j, \text{view}, z, A)`, at each of its steps and for what comes next.

    Parameters
    ----------
    n_users : int, default=3000
    n_items : int, default=1500
        At least 200.
    mean_events : float, default=9.0
        Mean number of events of a visitor; each has at least 3 and at most 50.
    late_share : float, default=0.1
        Share of the items that are launched in the course of the last 60 days rather than on the
        first.
    cold_share : float, default=0.0
        Share of the items, others than those, that are launched at the cutoff: no training log has
        them, and the whole test part may. (Some of the late ones are launched after it anyway.)
    train_share : float, default=0.8
        Share of the 90 days that lie before the cutoff.
    zipf : float, default=0.8
        Exponent of the popularity.
    purchase_share : float, default=0.0
        Share of the events that are purchases; the others are views. The log then has a column
        ``event`` of "view" and "purchase". With 0 events have no types, and all lead on as a
        purchase does.
    pictures : bool, default=False
        Whether items have a column ``image``: a PNG of 64 x 64 pixels, as bytes. Needs Pillow
        (extra ``image``).
    random_state : int, RandomState or None, default=None
        An int makes the same shop again.

    Returns
    -------
    Shop
        ``interactions``, ``items``, ``cold_items``, and ``next_item_probabilities``, the oracle.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    ImportError
        If there shall be pictures, and Pillow is missing.

    Examples
    --------
    >>> from embrec.datasets import make_shop
    >>> shop = make_shop(n_users=100, n_items=200, random_state=0)
    >>> shop.interactions.columns.tolist()
    ['user', 'item', 'timestamp']
    >>> shop.next_item_probabilities([["I00000", "I00003"], []]).shape
    (2, 200)
    """
    _check_size(n_users, n_items, mean_events, zipf, purchase_share)
    _check_launches(n_items, late_share, cold_share, train_share)
    rng = check_random_state(random_state)
    cutoff_day = round(train_share * N_DAYS)
    launch_day = _launch_days(n_items, late_share, cold_share, cutoff_day, rng)
    model = _make_model(launch_day, zipf, purchase_share, rng)
    items = _make_items(model, rng)
    if pictures:
        items["image"] = [
            draw_png(c, s, row, PICTURE_SIZE)
            for row, (c, s) in enumerate(
                zip(model.category.tolist(), model.style.tolist(), strict=True)
            )
        ]
    interactions = _make_log(model, items["item"].to_numpy(dtype=object), n_users, mean_events, rng)
    return Shop(interactions, items, model, FIRST_DAY + cutoff_day * DAY)


def _check_size(
    n_users: int, n_items: int, mean_events: float, zipf: float, purchase_share: float
) -> None:
    if n_users < 1 or n_items < 200:
        raise ValueError(
            f"A shop needs at least 1 user and 200 items; got {n_users} and {n_items}."
        )
    if not 3 < mean_events <= 25:
        raise ValueError(f"mean_events must be more than 3 and at most 25; got {mean_events}.")
    if not 0 <= zipf <= 3:
        raise ValueError(f"zipf must be at least 0 and at most 3; got {zipf}.")
    if not 0 <= purchase_share <= 1:
        raise ValueError(
            f"purchase_share must be at least 0 and at most 1; got {purchase_share}. 0 makes a log "
            "without types of events."
        )


def _check_launches(n_items: int, late_share: float, cold_share: float, train_share: float) -> None:
    for name, share in (("late_share", late_share), ("cold_share", cold_share)):
        if not 0 <= share < 1:
            raise ValueError(f"{name} must be at least 0 and less than 1; got {share}.")
    if not 0 < round(train_share * N_DAYS) < N_DAYS:
        raise ValueError(
            f"train_share must leave at least one of {N_DAYS} days on each side of the cutoff; "
            f"got {train_share}."
        )
    n_first = n_items - round(late_share * n_items) - round(cold_share * n_items)
    if n_first <= MAX_EVENTS:
        raise ValueError(
            f"A visitor takes up to {MAX_EVENTS} items, so more must be on sale from the first "
            f"day; late_share={late_share} and cold_share={cold_share} leave {n_first} of "
            f"{n_items}. Lower them, or raise n_items."
        )


def _launch_days(
    n_items: int, late_share: float, cold_share: float, cutoff_day: int, rng: np.random.RandomState
) -> np.ndarray:
    n_late, n_cold = round(late_share * n_items), round(cold_share * n_items)
    launch_day = np.zeros(n_items, dtype=np.int64)
    order = rng.permutation(n_items)
    launch_day[order[:n_late]] = rng.randint(N_DAYS // 3, N_DAYS, size=n_late)
    launch_day[order[n_late : n_late + n_cold]] = cutoff_day
    return launch_day


def _make_model(
    launch_day: np.ndarray, zipf: float, purchase_share: float, rng: np.random.RandomState
) -> ShopModel:
    n_items, n_categories, n_styles = len(launch_day), len(CATEGORIES), len(STYLES)
    typed: dict[str, Any] = {}
    if purchase_share:
        typed["view_transition"] = _view_transition(n_categories)
        typed["event_shares"] = np.array([1 - purchase_share, purchase_share])
    return ShopModel(
        category=rng.randint(n_categories, size=n_items),
        style=rng.randint(n_styles, size=n_items),
        popularity=(rng.permutation(n_items) + 1.0) ** -zipf,
        launch_day=launch_day,
        n_days=N_DAYS,
        transition=_transition(n_categories),
        style_loyalty=np.where(np.eye(n_styles) > 0, 4.0, 1.0),
        taste=rng.dirichlet(np.full(n_styles, 0.3), size=N_TYPES) + 0.02,
        **typed,
    )


def _transition(n: int) -> np.ndarray:
    """Lead from each category mostly to the next; or stay, or skip one; now and then anywhere."""
    weights = np.full((n, n), 0.02)
    here = np.arange(n)
    weights[here, here] += 0.15
    weights[here, (here + 1) % n] += 0.55
    weights[here, (here + 2) % n] += 0.15
    return weights


def _view_transition(n: int) -> np.ndarray:
    """Stay in the category, as surely as a purchase leads on; now and then go anywhere."""
    return np.full((n, n), 0.02) + 0.85 * np.eye(n)


def _make_items(model: ShopModel, rng: np.random.RandomState) -> pd.DataFrame:
    n_items = len(model.category)
    # each style has three brands of its own, so that a brand tells the style too
    brand = (model.style * 3 + rng.randint(3, size=n_items)) % len(BRANDS)
    base_price = 10.0 + 15 * model.category + 5 * model.style
    return pd.DataFrame(
        {
            "item": [f"I{i:05d}" for i in range(n_items)],
            **describe(model.category, model.style, brand, rng),
            "colour": np.array(COLOURS, dtype=object)[model.style],
            "price": np.round(base_price * rng.lognormal(0, 0.2, size=n_items), 2),
            "launched": FIRST_DAY + model.launch_day * DAY,
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
    lengths = 3 + rng.geometric(1 / (mean_events - 2), size=n_users) - 1
    users, steps, rows, events = model.sample(days, np.minimum(lengths, MAX_EVENTS), rng)
    # opening hours end at 16:00, and the longest visit 25 minutes later: within the day
    seconds = rng.randint(57_600, size=n_users)[users] + 30 * steps
    times = FIRST_DAY + days[users] * DAY + seconds.astype("timedelta64[s]")
    log = pd.DataFrame({"user": users, "item": ids[rows], "timestamp": times})
    if model.has_event_types:
        log["event"] = np.array(EVENT_TYPES, dtype=object)[events]
    log["user"] = log["user"].map("U{:06d}".format)
    return log.sort_values("timestamp", kind="stable", ignore_index=True)
