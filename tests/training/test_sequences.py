"""What of the sequences is trained on, in memory and on disk."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embrec.data.events import Events
from embrec.data.ragged import Ragged
from embrec.training.sequences import TrainingSequences

logs = st.lists(st.lists(st.integers(0, 9), max_size=8), min_size=1, max_size=12)


def ragged(rows):
    return Ragged.from_lengths(
        np.array([v for row in rows for v in row], dtype=np.int32),
        np.array([len(row) for row in rows], dtype=np.int64),
    )


def lists(sequences):
    found = sequences.take(np.arange(len(sequences)))
    return [found[i].tolist() for i in range(len(found))]


def on_disk(tmp_path, sequences):
    parts = []
    for name in ("values", "offsets"):
        array = getattr(sequences, name)
        stored = np.memmap(tmp_path / name, dtype=array.dtype, mode="w+", shape=array.shape)
        stored[:] = array
        stored.flush()
        parts.append(np.memmap(tmp_path / name, dtype=array.dtype, mode="r", shape=array.shape))
    return Ragged(*parts)


@given(logs, st.integers(2, 6), st.data())
def test_cuts_holds_out_and_leaves_out_as_lists_would(rows, max_length, data):
    held_out = sorted(data.draw(st.sets(st.integers(0, len(rows) - 1))))
    held_out = [number for number in held_out if rows[number]]
    cut = [row[:-1] if i in held_out else row for i, row in enumerate(rows)]
    expected = [row[-max_length:] for row in cut if len(row) >= 2]
    named = replace(ragged(rows), names=np.array([f"u{i}" for i in range(len(rows))]))
    arguments = named, max_length, np.array(held_out, dtype=np.int64)
    if not expected:
        with pytest.raises(ValueError, match="no next item to learn from"):
            TrainingSequences(*arguments)
        return
    sequences = TrainingSequences(*arguments)
    assert lists(sequences) == expected
    flat = [v for row in expected for v in row]
    assert sequences.count_items(10).tolist() == np.bincount(flat, minlength=10).tolist()
    later = [v for row in expected for v in row[1:]]
    assert sequences.count_targets(10).tolist() == np.bincount(later, minlength=10).tolist()
    members = [i for i, row in enumerate(cut) if len(row) >= 2]
    assert sequences.places(np.arange(len(sequences))).tolist() == members
    assert sequences.names.tolist() == [f"u{i}" for i in members]
    assert lists(sequences.with_rows(np.arange(10) + 5)) == [[v + 5 for v in r] for r in expected]


def test_codes_become_rows_before_they_become_others():
    sequences = TrainingSequences(ragged([[0, 1, 2]]), 50, rows=np.array([5, 3, 4]))
    assert lists(sequences) == [[5, 3, 4]]
    assert lists(sequences.with_rows(np.arange(6) * 10)) == [[50, 30, 40]]


def test_on_disk_is_as_in_memory(tmp_path):
    rows = ragged([[1, 2, 3], [4], [5, 6, 7, 8, 9]])
    stored = TrainingSequences(on_disk(tmp_path, rows), 4, np.array([2]))
    assert (
        lists(stored)
        == lists(TrainingSequences(rows, 4, np.array([2])))
        == [
            [1, 2, 3],
            [5, 6, 7, 8],
        ]
    )


def digest(sequences):
    found = hashlib.blake2b()
    sequences.update_digest(found)
    return found.hexdigest()


def test_a_digest_tells_contents_apart_and_not_where_they_lie(tmp_path):
    rows = ragged([[1, 2, 3], [5, 6, 7]])
    assert digest(TrainingSequences(rows, 9)) == digest(
        TrainingSequences(on_disk(tmp_path, rows), 9)
    )
    others = (ragged([[1, 2, 4], [5, 6, 7]]), ragged([[1, 2], [3, 5, 6, 7]]))
    assert len({digest(TrainingSequences(r, 9)) for r in (rows, *others)}) == 3


def test_a_digest_is_of_what_is_known_besides():
    rows = ragged([[0, 1, 2], [3, 4]])
    block = np.float32([[0], [1], [2], [3], [4]])

    def known(numbers):
        return Events(np.array(numbers), None, [block])

    all_different = [
        rows,
        rows.with_events(known([0, 1, 2, 3, 4])),
        rows.with_events(known([0, 1, 2, 4, 3])),
        replace(rows, visitors=known([0, 1])),
        replace(rows, visitors=known([1, 0])),
    ]
    assert len({digest(TrainingSequences(each, 9)) for each in all_different}) == 5
    taken = TrainingSequences(all_different[1], 2).take(np.array([1, 0]))
    assert taken.events.rows.tolist() == [3, 4, 1, 2]
    taken = TrainingSequences(all_different[4], 2).take(np.array([1, 0]))
    assert taken.visitors.rows.tolist() == [0, 1]
