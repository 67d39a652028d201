"""What a user asks for, turned into limits on rows; and the best rows, turned into ids."""

import numpy as np
import pandas as pd
import pytest

from embrec import TfidfItemFeaturizer
from embrec.baselines import ContentNeighborsRecommender
from embrec.data.ragged import Ragged
from embrec.serving.answering import answer, make_filter
from embrec.serving.reranking import Reranking


@pytest.fixture(scope="module")
def model(shop_log, shop_items):
    """Do not change it. The item desk-4 was removed."""
    model = ContentNeighborsRecommender(TfidfItemFeaturizer(columns=["title"]))
    return model.fit(shop_log, items=shop_items).remove_items(["desk-4"])


def rows_of(model, ids):
    return model.catalog_.ids.rows(np.array(ids, dtype=object)).tolist()


def histories_of(model, *histories):
    rows = rows_of(model, [item for history in histories for item in history])
    return Ragged.from_lengths(np.array(rows), np.array([len(h) for h in histories]))


def as_lists(rows):
    """Rows of a filter, whether they hold for all queries or for each."""
    if isinstance(rows, Ragged):
        return [rows[i].tolist() for i in range(len(rows))]
    return rows.tolist()


def test_filters_may_differ_between_rows(model):
    ids, _ = model.recommend(
        [["photo-0"], ["photo-0"]], k=2, include=[["desk-1", "desk-2"], ["trail-1", "trail-2"]]
    )
    assert set(ids[0]) == {"desk-1", "desk-2"}
    assert set(ids[1]) == {"trail-1", "trail-2"}


def test_filters_that_make_no_sense(model):
    with pytest.raises(ValueError, match=r"include: 1 of 2 ids are not in the catalogue: 'nobody'"):
        model.recommend([["desk-0"]], include=["desk-1", "nobody"])
    with pytest.raises(ValueError, match="X has 2 rows, exclude 1"):
        model.recommend([["desk-0"], []], exclude=[["desk-1"]])
    with pytest.raises(TypeError, match=r"Pass \['desk-1'\]"):
        model.recommend([["desk-0"]], exclude="desk-1")


def test_sources_of_filters(model):
    X = [["photo-0"], ["desk-0"]]
    expected = model.recommend(X, k=2, include=["photo-1", "desk-1"])[0].tolist()
    for include in (
        np.array(["photo-1", "desk-1"]),
        pd.Series(["photo-1", "desk-1"]),
        {"photo-1", "desk-1"},
        [["photo-1", "desk-1"]] * 2,
        [np.array(["photo-1", "desk-1"], dtype=object)] * 2,
    ):
        assert model.recommend(X, k=2, include=include)[0].tolist() == expected
    nothing, scores = model.recommend(X, k=2, include=[])
    assert nothing.tolist() == [[None, None]] * 2
    assert np.isneginf(scores).all()
    some = model.recommend(X, k=1, include=[[], ["photo-1"]], exclude=[["photo-1"], []])[0]
    assert some.tolist() == [[None], ["photo-1"]]
    with pytest.raises(ValueError, match="include: 1 of 1 ids are missing"):
        model.recommend(X, include=[None])


def test_nothing_asked_for_is_no_limit(model):
    rules = make_filter(model.catalog_, histories_of(model, ["desk-0"]), False, None, None)
    assert rules.include is rules.exclude is rules.included is None
    assert rules.excluded == ()


def test_one_list_is_for_all_and_lists_are_for_each(model):
    histories = histories_of(model, ["photo-0"], [])
    one = make_filter(model.catalog_, histories, True, ["desk-2", "desk-1"], {"trail-0"})
    assert as_lists(one.include) == rows_of(model, ["desk-2", "desk-1"])
    assert as_lists(one.exclude) == rows_of(model, ["trail-0"])
    assert one.included is None
    assert [as_lists(rows) for rows in one.excluded] == [[rows_of(model, ["photo-0"]), []]]
    each = make_filter(model.catalog_, histories, True, [["desk-2"], {"desk-1"}], [[], ["trail-0"]])
    assert each.include is each.exclude is None
    assert as_lists(each.included) == [rows_of(model, ["desk-2"]), rows_of(model, ["desk-1"])]
    seen, excluded = each.excluded
    assert as_lists(seen) == [rows_of(model, ["photo-0"]), []]
    assert as_lists(excluded) == [[], rows_of(model, ["trail-0"])]


def test_what_is_unknown_can_be_left_out_but_not_asked_for(model):
    """A removed item may be asked for, and is not shown."""
    histories = histories_of(model, [], [])
    all_alike, each = (
        make_filter(model.catalog_, histories, False, None, exclude)
        for exclude in (["nobody", "desk-1"], [["nobody"], ["nobody", "desk-1"]])
    )
    assert as_lists(all_alike.exclude) == rows_of(model, ["desk-1"])
    assert as_lists(each.excluded[0]) == [[], rows_of(model, ["desk-1"])]
    for include in (["nobody", "desk-1"], [["nobody"], ["desk-1"]]):
        with pytest.raises(ValueError, match="include: 1 of 2 ids are not in the catalogue"):
            make_filter(model.catalog_, histories, False, include, None)
    assert model.recommend([[]], k=2, include=["desk-4", "desk-3"])[0].tolist() == [
        ["desk-3", None]
    ]


@pytest.mark.parametrize("what", ["include", "exclude"])
@pytest.mark.parametrize(
    "ids",
    ["desk-1", b"desk-1", 7, {"desk-1": 1}, pd.DataFrame({"item": ["desk-1"]})],
    ids=["str", "bytes", "int", "dict", "table"],
)
def test_what_is_no_list_of_ids_is_refused(what, ids, model):
    asked = {"include": None, "exclude": None, what: ids}
    with pytest.raises(TypeError, match=f"{what} must be a list of ids; got"):
        make_filter(model.catalog_, histories_of(model, []), False, **asked)


def test_answers_are_the_best_of_all_that_may_be(model, shop_items):
    """Against all scores, sorted; with a discount, against the counts of the log."""
    queries = model.query_vectors(histories_of(model, ["photo-0"], ["trail-1", "desk-4"]))
    rules = make_filter(model.catalog_, histories_of(model, ["photo-0"], []), True, None, None)
    scores = (queries @ model.index_.vectors.T).toarray()
    scores[:, rows_of(model, ["desk-4"])] = scores[0, rows_of(model, ["photo-0"])] = -np.inf
    counts = model.training_counts(np.arange(15))
    for discount in (0.0, 0.3):
        expected = scores - discount * np.log1p(counts)
        ids, found = answer(model, queries, 15, rules, Reranking(discount, n_candidates=15))
        np.testing.assert_allclose(found, -np.sort(-expected, axis=1), atol=1e-6)
        for row in range(2):
            n = np.isfinite(expected[row]).sum()
            assert ids[row, n:].tolist() == [None] * (15 - n)
            got = rows_of(model, ids[row, :n])
            np.testing.assert_allclose(expected[row, got], found[row, :n], atol=1e-6)
            assert len(set(got)) == n


def test_no_more_candidates_than_items_take_memory(model):
    found = model.recommend([["photo-0"]], k=3, diversity=0.2, n_candidates=10**12)[0]
    assert found.tolist() == model.recommend([["photo-0"]], k=3, diversity=0.2)[0].tolist()
