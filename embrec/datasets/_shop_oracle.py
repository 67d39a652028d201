"""The probabilities that visitors of the generated shop follow: sampling, and exact inference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

#: Histories whose probabilities are computed together.
BLOCK = 256
#: Types of events, where they have types; their numbers are the places.
EVENT_TYPES = ("view", "purchase")
#: Draws after which a visitor who always hits upon taken items has the others listed instead.
MAX_DRAWS = 100


@dataclass(frozen=True)
class ShopModel:
    """What decides the next item; the formula is in `make_shop`.

    Parameters
    ----------
    category, style, launch_day : ndarray of shape (n_items,), int
    popularity : ndarray of shape (n_items,)
    n_days : int
    transition : ndarray of shape (n_categories, n_categories)
        After a purchase; after every event if events have no types.
    style_loyalty : ndarray of shape (n_styles, n_styles)
    taste : ndarray of shape (n_types, n_styles)
    view_transition : ndarray of shape (n_categories, n_categories), optional
        After a view. Without it events have no types.
    event_shares : ndarray of shape (2,), optional
        How probable each of `EVENT_TYPES` is, whatever else happens; (1,) without types.
    """

    category: np.ndarray
    style: np.ndarray
    popularity: np.ndarray
    launch_day: np.ndarray
    n_days: int
    transition: np.ndarray
    style_loyalty: np.ndarray
    taste: np.ndarray
    # arrays, and not None: the oracle's recommender saves all fields but ``n_days`` as arrays
    view_transition: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    event_shares: np.ndarray = field(default_factory=lambda: np.ones(1))

    @property
    def has_event_types(self) -> bool:
        """Whether events are views and purchases."""
        return len(self.event_shares) > 1

    @cached_property
    def transitions(self) -> np.ndarray:
        """One per type of event: shape (n_event_types, n_categories, n_categories)."""
        ways = [self.view_transition, self.transition]
        return np.stack(ways if self.has_event_types else ways[1:])

    @property
    def n_styles(self) -> int:
        """Number of styles."""
        return self.taste.shape[1]

    @property
    def n_groups(self) -> int:
        """Number of pairs of a category and a style."""
        return len(self.transition) * self.n_styles

    @cached_property
    def group(self) -> np.ndarray:
        """Each item's pair of category and style, as one number: shape (n_items,)."""
        return self.category * self.n_styles + self.style

    @cached_property
    def group_weight(self) -> np.ndarray:
        """Popularity on sale per day and group: shape (n_days, n_groups)."""
        weight = np.zeros((self.n_days, self.n_groups))
        np.add.at(weight, (self.launch_day, self.group), self.popularity)
        return weight.cumsum(axis=0)

    @cached_property
    def group_count(self) -> np.ndarray:
        """Number of items on sale per day and group: shape (n_days, n_groups)."""
        count = np.zeros((self.n_days, self.n_groups), dtype=np.int64)
        np.add.at(count, (self.launch_day, self.group), 1)
        return count.cumsum(axis=0)

    @cached_property
    def _shelf(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Items by group and launch day, their running popularity, and where groups begin.

        What is on sale in a group on some day is then a stretch from the group's beginning.
        """
        order = np.lexsort((self.launch_day, self.group))
        running = np.concatenate([[0.0], self.popularity[order].cumsum()])
        begin = np.searchsorted(self.group[order], np.arange(self.n_groups))
        return order, running, begin

    def group_factors(self, last: np.ndarray, event: int | np.ndarray) -> np.ndarray:
        """How the last item favours groups, given its type of event.

        (n,) item rows, -1 for none, and types, one for all or (n,), to (n, n_groups).
        """
        across = self.transitions[event, self.category[last]][:, :, None]
        along = self.style_loyalty[self.style[last]][:, None, :]
        factors = (across * along).reshape(len(last), -1)
        factors[last < 0] = 1.0
        return factors

    @cached_property
    def group_taste(self) -> np.ndarray:
        """Taste of each type for each group: shape (n_types, n_groups)."""
        return np.tile(self.taste, (1, len(self.transition)))

    # ---- sampling

    def sample(
        self, days: np.ndarray, lengths: np.ndarray, rng: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Draw what visitors do, all of them a step at a time.

        Parameters
        ----------
        days, lengths : ndarray of shape (n_users,), int
            When each comes, and how many items each takes.
        rng : RandomState

        Returns
        -------
        users, steps, rows, events : ndarray of shape (n_events,), int
            Number of the visitor, of the step, row of the item, and type of the event: its place
            in `EVENT_TYPES`, or 0 without types.
        """
        types = rng.randint(len(self.taste), size=len(days))
        taken = np.full((len(days), lengths.max()), -1)
        events = self._draw_events(taken.shape, rng)
        for step in range(lengths.max()):
            active = np.flatnonzero(lengths > step)
            last = taken[active, step - 1] if step else np.full(len(active), -1)
            weights = self.group_weight[days[active]] * self.group_factors(
                last, events[active, step - 1]
            )
            weights *= self.group_taste[types[active]]
            taken[active, step] = self._draw_new(weights, days[active], taken[active, :step], rng)
        users, steps = np.nonzero(taken >= 0)
        return users, steps, taken[users, steps], events[users, steps]

    def _draw_events(self, shape: tuple[int, ...], rng: np.random.RandomState) -> np.ndarray:
        """Draw types of events; without types nothing, so that a seed makes what it always made."""
        if not self.has_event_types:
            return np.zeros(shape, dtype=np.int64)
        return (rng.random_sample(shape) < self.event_shares[1]).astype(np.int64)

    def _draw_new(
        self, weights: np.ndarray, days: np.ndarray, taken: np.ndarray, rng: np.random.RandomState
    ) -> np.ndarray:
        """Draw an item each, again where it was taken: exactly the law without the taken ones."""
        running = weights.cumsum(axis=1)
        rows = np.full(len(days), -1)
        open_ = np.arange(len(days))
        for _ in range(MAX_DRAWS):
            mark = rng.random_sample(len(open_)) * running[open_, -1]
            groups = (running[open_] <= mark[:, None]).sum(axis=1)
            drawn = self._draw_in_group(groups, days[open_], rng)
            again = (taken[open_] == drawn[:, None]).any(axis=1)
            rows[open_[~again]] = drawn[~again]
            open_ = open_[again]
            if not len(open_):
                break
        for start in range(0, len(open_), BLOCK):
            here = open_[start : start + BLOCK]
            rows[here] = self._draw_from_rest(weights[here], days[here], taken[here], rng)
        return rows

    def _draw_from_rest(
        self, weights: np.ndarray, days: np.ndarray, taken: np.ndarray, rng: np.random.RandomState
    ) -> np.ndarray:
        """Draw an item each from the list of those on sale that are not taken."""
        factors = weights / np.maximum(self.group_weight[days], np.finfo(float).tiny)
        running = self._weigh_items(factors, days, taken).cumsum(axis=1)
        mark = rng.random_sample(len(days)) * running[:, -1]
        return (running <= mark[:, None]).sum(axis=1)

    def _weigh_items(self, factors: np.ndarray, days: np.ndarray, taken: np.ndarray) -> np.ndarray:
        """From factors of groups (n, n_groups) to weights of items (n, n_items), 0 if not there."""
        items = factors[:, self.group] * self.popularity
        items[self.launch_day > days[:, None]] = 0
        rows, places = np.nonzero(taken >= 0)
        items[rows, taken[rows, places]] = 0
        return items

    def _draw_in_group(
        self, groups: np.ndarray, days: np.ndarray, rng: np.random.RandomState
    ) -> np.ndarray:
        order, running, begin = self._shelf
        start = running[begin[groups]]
        mark = start + rng.random_sample(len(groups)) * self.group_weight[days, groups]
        found = np.searchsorted(running, mark, side="right") - 1
        # rounding must not lead past what is on sale
        return order[np.minimum(found, begin[groups] + self.group_count[days, groups] - 1)]

    # ---- inference

    def next_item_probabilities(
        self,
        histories: Sequence[Sequence[int]],
        days: np.ndarray,
        events: Sequence[Sequence[int]] | None = None,
    ) -> np.ndarray:
        """Predictive distribution of the next item, the visitor's type summed out by Bayes' rule.

        Parameters
        ----------
        histories : list of n sequences of item rows
            No row twice, each launched by the day of the visit.
        days : ndarray of shape (n,), int
            When each visitor came.
        events : list of n sequences of int, optional
            Types of the events: places in `EVENT_TYPES`, as many as each history has items. Without
            it they are summed out too.

        Returns
        -------
        ndarray of shape (n, n_items), float64

        Raises
        ------
        ValueError
            If a history leaves nothing to take.
        """
        weights = self.group_weights(histories, days, events)
        probabilities = np.empty((len(histories), len(self.group)))
        for start in range(0, len(histories), BLOCK):
            block = slice(start, start + BLOCK)
            padded, _ = _pad(histories[block])
            items = self._weigh_items(weights[block], days[block], padded)
            probabilities[block] = items / items.sum(axis=1, keepdims=True)
        return probabilities

    def group_weights(
        self,
        histories: Sequence[Sequence[int]],
        days: np.ndarray,
        events: Sequence[Sequence[int]] | None = None,
    ) -> np.ndarray:
        """Say what the next item's probability is, per unit of popularity, in each group.

        Parameters
        ----------
        histories, days, events
            As for `next_item_probabilities`.

        Returns
        -------
        ndarray of shape (n, n_groups), float64
            An item that is on sale, and not in the history, has its popularity times the weight of
            its group for its probability.
        """
        weights = np.empty((len(histories), self.n_groups))
        for start in range(0, len(histories), BLOCK):
            block = slice(start, start + BLOCK)
            padded, lengths = _pad(histories[block])
            types = None if events is None else _pad(events[block])[0]
            weights[block] = self._weigh_groups(padded, lengths, days[block], types)
        return weights

    def _weigh_groups(
        self, padded: np.ndarray, lengths: np.ndarray, days: np.ndarray, types: np.ndarray | None
    ) -> np.ndarray:
        log_posterior = np.zeros((len(padded), len(self.taste)))
        for step in range(lengths.max()):
            here = np.flatnonzero(lengths > step)
            left = self._left(padded[here, :step], days[here])
            item = self.group[padded[here, step]]
            likelihood = sum(
                share
                * factors[np.arange(len(here)), item, None]
                * self.group_taste.T[item]
                / self._total(factors, left)
                for share, factors in self._ways(padded, types, step, here)
            )
            log_posterior[here] += np.log(likelihood)
        posterior = np.exp(log_posterior - log_posterior.max(axis=1, keepdims=True))
        posterior /= posterior.sum(axis=1, keepdims=True)
        weights = np.zeros((len(padded), self.n_groups))
        for step in np.unique(lengths):
            here = np.flatnonzero(lengths == step)
            left = self._left(padded[here, :step], days[here])
            by_group = sum(
                share
                * factors
                * ((posterior[here] / self._total(factors, left)) @ self.group_taste)
                for share, factors in self._ways(padded, types, int(step), here)
            )
            weights[here] = by_group / (by_group * left).sum(axis=1, keepdims=True)
        return weights

    def _ways(
        self, padded: np.ndarray, types: np.ndarray | None, step: int, here: np.ndarray
    ) -> Iterator[tuple[float, np.ndarray]]:
        """List how a step may come about: probabilities, and factors of groups (n, n_groups).

        One way if the types of events are known, or there is no event before; else one per type.
        """
        if not step:
            yield 1.0, np.ones((len(here), self.n_groups))
            return
        last = padded[here, step - 1]
        if types is not None:
            yield 1.0, self.group_factors(last, types[here, step - 1])
            return
        for event, share in enumerate(self.event_shares.tolist()):
            yield share, self.group_factors(last, event)

    def _total(self, factors: np.ndarray, left: np.ndarray) -> np.ndarray:
        """Normalise a way to make a step: shape (n, n_types)."""
        return (factors * left) @ self.group_taste.T

    def _left(self, taken: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Popularity on sale that is not taken, per group: (n, step) item rows to (n, n_groups)."""
        weight = self.group_weight[days].copy()
        rows = np.repeat(np.arange(len(taken)), taken.shape[1])
        groups = self.group[taken].ravel()
        np.subtract.at(weight, (rows, groups), self.popularity[taken].ravel())
        left = self.group_count[days].copy()
        np.subtract.at(left, (rows, groups), 1)
        if not left.any(axis=1).all():
            raise ValueError("A history has all that is on sale: nothing is left to take.")
        # a group that is sold out weighs nothing, whatever the subtraction leaves by rounding
        weight[left == 0] = 0
        return weight


def _pad(histories: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Fill histories (or types of events) up with -1, and say how long each is."""
    lengths = np.array([len(history) for history in histories])
    padded = np.full((len(histories), lengths.max() + 1), -1)
    for i, history in enumerate(histories):
        padded[i, : len(history)] = history
    return padded, lengths
