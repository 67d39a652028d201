"""What all transformers of logs promise."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from drawn_logs import KINDS, left_or_none, log_of, logs, rows_of
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks

from embrec.preprocessing import DropRare, DropRepeats, KeepLast, SessionSplitter

LOG = log_of(
    [
        ("a", 1, 0),
        ("b", 2, 1),
        ("a", 1, 2),
        ("a", 2, 90),
        ("b", 2, 91),
        ("c", 3, 92),
        ("b", 1, 93),
        ("a", 2, 94),
    ]
)
TRANSFORMERS = [
    SessionSplitter(gap=30),
    DropRepeats(),
    DropRare(min_item_events=2, min_user_events=2),
    DropRare(min_item_events=2, min_user_events=2, how="core"),
    KeepLast(n=2),
]
EACH = pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)


def fresh(transformer, **changes):
    return clone(transformer).set_params(**changes)


DATA_FREE_CHECKS = [
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_set_params,
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    estimator_checks.check_valid_tag_types,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_mixin_order,
]


@pytest.mark.parametrize("make", [SessionSplitter, DropRepeats, DropRare, KeepLast])
@pytest.mark.parametrize("check", DATA_FREE_CHECKS, ids=lambda check: check.__name__)
def test_checks_without_data_pass(check, make):
    check(make.__name__, make())


@EACH
@pytest.mark.parametrize("kind", KINDS)
def test_all_tables_are_read_alike_and_come_out_as_they_went_in(transformer, kind):
    table = KINDS[kind](LOG)
    expected = fresh(transformer).fit_transform(LOG)
    left = fresh(transformer).fit_transform(table)
    assert type(left) is type(table)
    as_pandas = left if isinstance(left, pd.DataFrame) else pd.DataFrame(left.to_pandas())
    pd.testing.assert_frame_equal(
        as_pandas.reset_index(drop=True), expected.reset_index(drop=True), check_dtype=False
    )
    assert rows_of(left) == sorted(rows_of(left))


@EACH
def test_index_dtypes_and_other_columns_of_pandas_stay(transformer):
    log = LOG.assign(
        price=np.arange(8, dtype=np.float32), kind=pd.Categorical(list("xyxyxyxy"))
    ).set_index(pd.MultiIndex.from_product([[1, 2], list("abcd")], names=["one", "two"]))
    before = log.copy(deep=True)
    left = fresh(transformer).fit_transform(log)
    kept = log.iloc[rows_of(left)]
    others = [column for column in log.columns if column != "user"]
    pd.testing.assert_frame_equal(left[others], kept[others])
    left["price"] = -1.0  # a table of its own
    pd.testing.assert_frame_equal(log, before)


@EACH
def test_fit_and_fit_transform_learn_the_same(transformer):
    one, other = fresh(transformer), fresh(transformer)
    assert one.fit(LOG) is one
    left = other.fit_transform(LOG, None)
    pd.testing.assert_frame_equal(one.summary_, other.summary_)
    before, after = one.summary_["before"], one.summary_["after"]
    assert before.tolist() == [8, 3, 3]
    assert after.tolist() == [len(left), left["user"].nunique(), left["item"].nunique()]
    if not isinstance(transformer, DropRare):  # which holds no user to the limit
        pd.testing.assert_frame_equal(one.transform(LOG), left)


@EACH
def test_fitting_again_forgets(transformer):
    other = log_of([("z", 7, 0), ("z", 7, 1), ("y", 7, 2), ("y", 7, 3)])
    again = fresh(transformer).fit(LOG).fit(other)
    once = fresh(transformer).fit(other)
    assert set(vars(again)) == set(vars(once))
    pd.testing.assert_frame_equal(again.summary_, once.summary_)
    pd.testing.assert_frame_equal(again.transform(other), once.transform(other))


@EACH
@pytest.mark.filterwarnings("ignore:1 of 3 users in X, such as 'c'")
def test_a_transformer_survives_pickling_and_transforms_only_once_fitted(transformer):
    with pytest.raises(NotFittedError):
        fresh(transformer).transform(LOG)
    fitted = fresh(transformer).fit(LOG)
    summary = fitted.summary_.copy()
    loaded = pickle.loads(pickle.dumps(fitted))
    pd.testing.assert_frame_equal(loaded.transform(LOG), fitted.transform(LOG))
    loaded.transform(LOG[:5])
    pd.testing.assert_frame_equal(loaded.summary_, summary)  # which is that of fit
    assert not hasattr(clone(fitted), "summary_")


@EACH
def test_tables_stay_tables_whatever_scikit_learn_is_told_to_put_out(transformer):
    with sklearn.config_context(transform_output="pandas"):
        left = fresh(transformer).fit_transform(pl.from_pandas(LOG))
    assert isinstance(left, pl.DataFrame)


@EACH
def test_verbose_prints_one_line(transformer, capsys):
    fresh(transformer).fit(LOG)
    assert capsys.readouterr().out == ""
    fresh(transformer, verbose=True).fit_transform(LOG)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert out.startswith(f"{type(transformer).__name__}: events 8")


@EACH
def test_columns_have_the_names_that_they_are_given(transformer):
    names = {"user": "who", "item": "what", "timestamp": "when"}
    columns = {f"{old}_col": new for old, new in names.items()}
    left = fresh(transformer, **columns).fit_transform(LOG.rename(columns=names))
    expected = fresh(transformer).fit_transform(LOG).rename(columns=names)
    pd.testing.assert_frame_equal(left, expected)
    with pytest.raises(KeyError, match="no column 'user'; its columns are .*user_col="):
        fresh(transformer).fit(LOG.rename(columns=names))


@EACH
@pytest.mark.parametrize("column", ["user", "item", "timestamp"])
def test_what_is_missing_is_an_error(transformer, column):
    log = LOG.astype({column: object})
    log.iloc[2, list(log.columns).index(column)] = None
    if column == "timestamp":
        log[column] = log[column].astype(float)
    with pytest.raises(ValueError, match="missing"):
        fresh(transformer).fit(log)
    with pytest.raises(ValueError, match="missing"):
        fresh(transformer).fit(LOG).transform(log)


@EACH
def test_empty_and_lazy_tables_and_lists_are_refused(transformer):
    with pytest.raises(ValueError, match="X is empty"):
        fresh(transformer).fit(LOG[:0])
    with pytest.raises(TypeError, match="lazy frame"):
        fresh(transformer).fit(pl.from_pandas(LOG).lazy())
    with pytest.raises(TypeError, match="Histories that are lists go to the recommender"):
        fresh(transformer).fit(LOG).transform([["x"]])


def test_a_parameter_that_is_none_gets_an_answer():
    with pytest.raises(TypeError, match="Did you mean 'min_item_events'"):
        DropRare(min_items_events=3)
    with pytest.raises(TypeError, match="takes 1 positional argument"):
        KeepLast(5)


@given(log=logs(max_size=40), transformer=st.sampled_from(TRANSFORMERS), seed=st.integers(0, 9))
def test_the_order_of_rows_is_free_where_times_differ(log, transformer, seed):
    log["timestamp"] = np.random.default_rng(seed).permutation(len(log))
    shuffled = log.sample(frac=1, random_state=seed)
    expected = left_or_none(fresh(transformer), log)
    if expected is None:
        return
    left = fresh(transformer).fit_transform(shuffled)
    pd.testing.assert_frame_equal(
        left.sort_values("row", ignore_index=True), expected.reset_index(drop=True)
    )
