"""Logs as training reads them, in memory and on disk alike."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from embrec.data.events import Events
from embrec.data.ids import IdIndex
from embrec.data.ragged import Ragged
from embrec.data.store import InteractionStore
from embrec.recommenders.reading import encoded, ids_of, read_training, with_rows

ROWS = [["b", "a", "b", "d"], ["c", "b"], ["a", "d", "c"]]
USERS = ["v", "u", "w"]


def ragged(rows=ROWS):
    flat = np.array([item for row in rows for item in row], dtype=object)
    return Ragged.from_lengths(flat, np.array([len(row) for row in rows]))


def on_disk(folder, rows=ROWS):
    events = [
        (user, item, time)
        for user, row in zip(USERS, rows, strict=False)
        for time, item in enumerate(row)
    ]
    log = pd.DataFrame(events, columns=["user", "item", "timestamp"])
    return InteractionStore.from_tables(log, folder / "store")


@pytest.fixture(params=["memory", "disk"])
def log(request, tmp_path):
    return (
        replace(ragged(), names=np.array(USERS)) if request.param == "memory" else on_disk(tmp_path)
    )


@pytest.fixture
def ids():
    """A catalogue in an order of its own, with an item that nobody touched."""
    return IdIndex(np.array(["d", "c", "x", "b", "a"], dtype=object))


EXPECTED = [[3, 4, 3, 0], [1, 3], [4, 0, 1]]


def lists(sequences):
    return [sequences[i].tolist() for i in range(len(sequences))]


def test_without_a_catalogue_items_are_those_of_the_log(log):
    found = ids_of(log)
    assert sorted(found.ids) == ["a", "b", "c", "d"]
    assert found.content is None


def test_items_stand_in_order_of_first_appearance():
    assert ids_of(ragged()).ids.tolist() == ["b", "a", "d", "c"]
    with pytest.raises(ValueError, match="X holds no interaction; pass items=, the catalogue"):
        ids_of(ragged([[], []]))


def test_sequences_are_of_catalogue_rows_and_keep_their_users(log, ids):
    sequences, rows = encoded(log, ids)
    assert lists(with_rows(sequences, rows)) == EXPECTED
    assert with_rows(sequences, rows).names.tolist() == USERS
    # what lies on disk stays there, as codes
    assert (rows is None) == isinstance(log, Ragged)
    assert isinstance(sequences.values, np.memmap) == isinstance(log, InteractionStore)


def test_what_the_catalogue_lacks_is_named(log):
    message = r"2 item ids in X_val are not in .*\(4 interactions\): 'a', 'c'"
    with pytest.raises(ValueError, match=message):
        encoded(log, IdIndex(np.array(["b", "d"], dtype=object)), what="X_val")


def test_without_a_generator_nobody_validates(log, ids):
    training, validation = read_training(log, None, ids, 3, None)
    assert validation is None
    assert lists(training.take(np.arange(3))) == [[4, 3, 0], [1, 3], [4, 0, 1]]


def test_last_events_of_some_users_validate(log, ids):
    training, validation = read_training(log, None, ids, 50, np.random.RandomState(0))
    (whole,), (user,) = lists(validation), validation.names
    number = USERS.index(user)
    assert whole == EXPECTED[number]  # history and all
    assert len(whole) >= 3  # of the others something must be left to train on
    trained = [row[: len(row) - (i == number)] for i, row in enumerate(EXPECTED)]
    assert lists(training.take(np.arange(3))) == trained


def test_a_log_of_ones_own_validates_and_the_other_is_trained_on_whole(log, ids):
    given = ragged([["d", "a"], ["b"]])
    training, validation = read_training(log, given, ids, 50, np.random.RandomState(0))
    assert lists(validation) == [[0, 4], [3]]
    assert lists(training.take(np.arange(3))) == EXPECTED
    with pytest.raises(ValueError, match="X_val holds an empty sequence, which has no last item"):
        read_training(log, ragged([["d"], []]), ids, 50, None)


def test_a_store_validates_too(ids, tmp_path):
    _, validation = read_training(ragged(), on_disk(tmp_path), ids, 50, None)
    assert lists(validation) == EXPECTED


def test_what_does_not_count_validates_nobody():
    """Held out is the last event that counts, and what comes after it is for neither part."""
    rows = [["b", "a", "d", "c", "b"], ["a", "b", "c", "d"], ["c", "a", "b"]]
    weights = np.float32([1, 1, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0])
    log = replace(
        ragged(rows),
        events=Events(weights=weights),
        visitors=Events(np.array([5, 6, 7]), None, [np.arange(8.0)[:, None]]),
    )
    ids = IdIndex(np.array(["a", "b", "c", "d"], dtype=object))
    seen = set()
    for seed in range(20):
        rng = np.random.RandomState(seed)
        training, validation = read_training(log, None, ids, 50, rng, reader=lambda rows: rows)
        ((*before, last),) = lists(validation)
        trained = lists(training.take(np.arange(3)))
        number = 0 if last == 2 else 1
        cut = {0: [1, 0, 3], 1: [0, 1, 2]}[number]
        assert before == cut
        assert trained[number] == cut
        whole = [[1, 0, 3, 2, 1], [0, 1, 2, 3], [2, 0, 1]]
        assert [row for i, row in enumerate(trained) if i != number] == [
            row for i, row in enumerate(whole) if i != number
        ]
        assert validation.events.weights[-1] == 1
        assert validation.visitors.rows.tolist() == [5 + number]
        seen.add(number)
    assert seen == {0, 1}  # nobody can validate with the third
