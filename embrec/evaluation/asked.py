"""What visitors are asked: histories, and the items that come next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from embrec._utils.checks import check_positive
from embrec.data.ids import check_ids
from embrec.data.interactions import encode
from embrec.data.ragged import Ragged
from embrec.data.targets import split_targets
from embrec.recommenders.base import BaseRecommender

History = Literal["all", "last", "shuffled"]

#: Items of histories that are encoded together: with every step of a sequence, they are many.
STEPS_AT_A_TIME = 2**20


class Asked(NamedTuple):
    """Some queries.

    Parameters
    ----------
    numbers : ndarray of shape (n,)
        Of the sequences they are from.
    histories : Ragged of item rows
    targets : ndarray of shape (n,)
        Rows of the next items.
    queries : ndarray or CSR of shape (n, d), optional
        Query vectors, if they are known already.
    """

    numbers: np.ndarray
    histories: Ragged
    targets: np.ndarray
    queries: Any = None


@dataclass(frozen=True)
class Asking:
    """How queries are made of sequences.

    Parameters
    ----------
    every_step : bool
    max_context : int, optional
    history : {"all", "last", "shuffled"}
        As for `embrec.evaluation.evaluate`.
    """

    every_step: bool
    max_context: int | None
    history: History

    def __post_init__(self) -> None:
        if self.history not in get_args(History):
            raise ValueError(f"history must be 'all', 'last' or 'shuffled'; got {self.history!r}.")

    def ask(self, recommender: BaseRecommender, sequences: Ragged, y: Any) -> Iterator[Asked]:
        """Yield what is asked, some at a time."""
        if self.every_step:
            if y is not None:
                raise ValueError("every_step takes its targets from X; leave y out.")
            yield from _every_step(recommender, sequences, self.max_context, self.history == "all")
            return
        if self.max_context is not None:
            raise ValueError("max_context is for every_step=True.")
        histories, targets = split_targets(sequences, y, recommender.catalog_.rows_of)
        yield Asked(np.arange(len(targets)), recommender.encode(histories), targets)

    def query_vectors(
        self, recommender: BaseRecommender, asked: Asked, rng: np.random.RandomState
    ) -> Any:
        """Make query vectors of what the model gets of each history."""
        if asked.queries is not None:
            return asked.queries
        return recommender.query_vectors(_as_asked(asked.histories, self.history, rng))


def _every_step(
    recommender: BaseRecommender, sequences: Ragged, max_context: Any, whole: bool
) -> Iterator[Asked]:
    """Ask for every item but the first; ``whole`` is whether histories are asked as they are."""
    numbers = sequences.row_numbers
    places = np.arange(len(sequences.values)) - sequences.offsets[numbers]
    asked = _asked_places(places, max_context)
    targets = recommender.catalog_.rows_of(sequences.values[asked], what="the targets in X")
    encoded = recommender.encode(sequences)
    # unknown items that are skipped put what follows in other places: then prefixes are of ids
    complete = len(encoded.values) == len(sequences.values)
    source = encoded if complete else sequences
    for start, stop in _portions(places[asked]):
        some = asked[start:stop]
        names = None if sequences.names is None else sequences.names[numbers[some]]
        histories = Ragged.from_spans(source.values, some - places[some], places[some], names)
        if not complete:
            histories = recommender.encode(histories)
        queries = None
        if whole and complete:
            first, last = numbers[some[0]], numbers[some[-1]] + 1
            queries = recommender.step_query_vectors(encoded.slice_rows(first, last))
        if queries is not None:
            queries = queries[some - 1 - encoded.offsets[first]]
        yield Asked(numbers[some], histories, targets[start:stop], queries)


def _asked_places(places: np.ndarray, max_context: Any) -> np.ndarray:
    """Find the values that are targets: all but the first of each sequence."""
    longest = np.inf if max_context is None else check_positive(max_context, "max_context")
    asked = np.flatnonzero((places > 0) & (places <= longest))
    if len(asked) == 0:
        raise ValueError("No sequence of X has two items: there is nothing to predict.")
    return asked


def _portions(lengths: np.ndarray) -> Iterator[tuple[int, int]]:
    """Cut histories into portions of about `STEPS_AT_A_TIME` items: start and stop of each."""
    ends = np.cumsum(lengths)
    starts = np.searchsorted(ends, np.arange(0, ends[-1], STEPS_AT_A_TIME))
    for start, stop in zip(starts, [*starts[1:], len(lengths)], strict=True):
        if start < stop:
            yield start, stop


def _as_asked(histories: Ragged, history: History, rng: np.random.RandomState) -> Ragged:
    if history == "last":
        return histories.keep_last(1)
    if history == "all":
        return histories
    order = np.lexsort((rng.random_sample(len(histories.values)), histories.row_numbers))
    return histories.with_values(histories.values[order])


def count_events(recommender: BaseRecommender, train: Any) -> np.ndarray:
    """Count the events of each catalogue row in a log."""
    sequences = recommender.read_sequences(train, what="train")
    rows = encode(sequences, recommender.catalog_.ids, on_unknown="skip", what="train").values
    if len(rows) == 0:
        raise ValueError("train holds no item of the catalogue: it is not what it was trained on.")
    return np.bincount(rows, minlength=len(recommender.catalog_))


def digest_of_queries(sequences: Ragged, y: Any, how: tuple[Any, ...]) -> str:
    """Hash what is asked, in ids: catalogues may number items in other ways."""
    targets = [] if y is None else [check_ids(y, what="y")]
    return digest_of([sequences.values, sequences.offsets, *targets], how)


def digest_of(arrays: Sequence[np.ndarray], how: tuple[Any, ...] = ()) -> str:
    """Hash arrays of numbers or strings, and how they are used."""
    digest = blake2b(repr(how).encode(), digest_size=16)
    for values in arrays:
        if values.dtype == object:
            digest.update("\x00".join(values.tolist()).encode(errors="surrogatepass"))
        else:
            digest.update(values.tobytes())
    return digest.hexdigest()
