"""Items and users with few events, against loops."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from drawn_logs import KINDS, left_or_none, log_of, logs, rows_of
from hypothesis import given
from hypothesis import strategies as st

from embrec.datasets import thesis_filter
from embrec.preprocessing import DropRare, KeepLast
from embrec.preprocessing._rare import are_in_core, have_enough_events


def enough_by_loop(rows, least_user, least_item):
    users, items = Counter(row["user"] for row in rows), Counter(row["item"] for row in rows)
    return [
        row for row in rows if users[row["user"]] >= least_user and items[row["item"]] >= least_item
    ]


def core_by_loop(rows, least_user, least_item):
    """One user or one item at a time goes, whichever is met first."""
    while True:
        for name, least in (("item", least_item), ("user", least_user)):
            few = [value for value, n in Counter(r[name] for r in rows).items() if n < least]
            if few:
                rows = [row for row in rows if row[name] != few[0]]
                break
        else:
            return rows


LIMITS = st.integers(0, 4)


@given(log=logs(), least_user=LIMITS, least_item=LIMITS, how=st.sampled_from(["once", "core"]))
def test_against_a_loop(log, least_user, least_item, how):
    loop = enough_by_loop if how == "once" else core_by_loop
    expected = [row["row"] for row in loop(log.to_dict("records"), least_user, least_item)]
    limits = {"min_user_events": least_user, "min_item_events": least_item, "how": how}
    left = left_or_none(DropRare(**limits), log)
    if left is None:
        assert expected == []
        return
    pd.testing.assert_frame_equal(left, log.iloc[expected])
    if how == "core":
        assert left["user"].value_counts().min() >= least_user
        assert left["item"].value_counts().min() >= least_item
        pd.testing.assert_frame_equal(left_or_none(DropRare(**limits), left), left)


@given(log=logs(), n=st.integers(1, 4))
def test_the_core_is_part_of_what_is_left_once_and_cores_are_nested(log, n):
    records = [log["user"].factorize()[0], log["item"].factorize()[0]]
    core, once = are_in_core(*records, n, n), have_enough_events(*records, n, n)
    assert (core <= once).all()
    assert (are_in_core(*records, n + 1, n) <= core).all()
    assert (are_in_core(*records, n, n + 1) <= core).all()


@pytest.mark.parametrize("how", ["once", "core"])
@pytest.mark.parametrize("kind", KINDS)
def test_transform_keeps_the_items_of_fit_and_all_users(kind, how):
    log = log_of([("a", 1, 0), ("a", 2, 1), ("b", 1, 2), ("b", 3, 3)])
    rare = DropRare(min_item_events=2, min_user_events=1, how=how)
    assert rows_of(rare.fit_transform(KINDS[kind](log))) == [0, 2]
    assert rare.items_.tolist() == [1]
    # b and c come with one event, 2 was rare, 9 is new
    other = log_of([("b", 1, 0), ("c", 2, 1), ("c", 1, 2), ("c", 9, 3)])
    assert rows_of(rare.transform(KINDS[kind](other))) == [0, 2]


def test_users_are_held_to_the_limit_in_fit_transform_alone():
    log = log_of([("a", 1, 0), ("a", 2, 1), ("b", 1, 2)])
    rare = DropRare(min_item_events=1, min_user_events=2)
    assert rows_of(rare.fit_transform(log)) == [0, 1]
    assert rows_of(rare.fit(log).transform(log)) == [0, 1, 2]


def test_items_that_lost_their_users_are_not_kept():
    """A model that learns from what is left does not know them."""
    log = log_of([("a", 1, 0), ("a", 1, 1), ("b", 2, 2), ("c", 2, 3)])
    rare = DropRare(min_item_events=2, min_user_events=2).fit(log)
    assert rare.items_.tolist() == [1]


def test_zero_leaves_items_alone_also_new_ones():
    log = log_of([("a", 1, 0), ("a", 2, 1), ("b", 1, 2)])
    rare = DropRare(min_item_events=0, min_user_events=2).fit(log)
    other = log_of([("x", 99, 0)])
    assert rows_of(rare.transform(other)) == [0]
    with pytest.raises(ValueError, match="none of its 1 items, such as 99, is among the 2"):
        rare.set_params(min_item_events=1).fit(log).transform(other)


def test_users_that_lose_their_row_are_warned_of():
    rare = DropRare(min_item_events=1, min_user_events=1).fit(log_of([("a", 1, 0)]))
    other = log_of([("b", 1, 0), ("c", 2, 0), ("d", 2, 0)])
    with pytest.warns(UserWarning, match="2 of 3 users in X, such as 'c', 'd', have no event") as w:
        assert rows_of(rare.transform(other)) == [0]
    assert w[0].filename == __file__


def test_nothing_left_names_the_limits_and_changes_nothing():
    log = log_of([("a", 1, 0), ("a", 1, 1), ("b", 2, 2)])
    rare = DropRare(min_item_events=2, min_user_events=2).fit(log)
    summary = rare.summary_
    with pytest.raises(
        ValueError,
        match=r"Nothing is left of X, with 3 events, 2 users and 2 items: min_item_events=3 and "
        r"min_user_events=2, counted until nothing goes \(how='core'\)",
    ):
        rare.set_params(min_item_events=3, how="core").fit(log)
    assert rare.summary_ is summary
    assert rare.items_.tolist() == [1]


def test_strings_beside_integers_are_refused():
    rare = DropRare(min_item_events=1, min_user_events=1).fit(log_of([("a", 1, 0)]))
    with pytest.raises(TypeError, match="holds ids such as '1', and the log of fit such as 1"):
        rare.transform(log_of([("a", "1", 0)]))


def test_a_word_that_is_none_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'core'"):
        DropRare(how="cores").fit(log_of([("a", 1, 0)]))


def thesis_by_parts(log, **names):
    left = DropRare(**names).fit_transform(log)
    left = KeepLast(**names).fit_transform(left)
    return DropRare(min_item_events=0, min_user_events=3, **names).fit_transform(left)


def test_the_parts_make_the_filter_of_the_thesis():
    rng = np.random.default_rng(0)
    n = 3000
    log = pd.DataFrame(
        {
            "user": np.concatenate([rng.integers(0, 400, n - 200), np.full(200, 7)]),
            "item": rng.zipf(1.3, n) % 300,
            "timestamp": rng.integers(0, 50, n),
        }
    ).sample(frac=1, random_state=0)
    assert 1000 < len(thesis_filter(log)) < 2800
    pd.testing.assert_frame_equal(thesis_by_parts(log), thesis_filter(log))
    renamed = log.rename(columns={"user": "who", "item": "what"}).drop(columns="timestamp")
    names = {"user_col": "who", "item_col": "what", "timestamp_col": None}
    pd.testing.assert_frame_equal(
        thesis_by_parts(renamed, **names), thesis_filter(renamed, **names)
    )


@given(log=logs(n_users=3, n_items=3, max_size=60), n=st.integers(1, 6), least=st.integers(1, 4))
def test_the_parts_make_the_filter_of_the_thesis_with_any_limits(log, n, least):
    expected = thesis_filter(
        log,
        min_user_events=least + 1,
        min_item_events=least,
        max_events_per_user=n,
        min_sequence_length=3,
    )
    left = left_or_none(DropRare(min_user_events=least + 1, min_item_events=least), log)
    if left is not None:
        long_enough = DropRare(min_item_events=0, min_user_events=3)
        left = left_or_none(long_enough, KeepLast(n=n).fit_transform(left))
    if left is None:
        assert expected.empty
    else:
        pd.testing.assert_frame_equal(left, expected)
