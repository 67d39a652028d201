"""When events were, against the standard library's calendar."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from embrec.featurizers import TimeFeaturizer

MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))


def table_of(moments, gaps=None, make=pd.DataFrame):
    gaps = [None] * len(moments) if gaps is None else gaps
    return make({"timestamp": moments, "gap": np.array(gaps, dtype=np.float64)})


def places(found):
    """The columns of the ones, row by row."""
    dense = found.toarray()
    assert dense.dtype == np.float32
    return [np.flatnonzero(row == 1).tolist() for row in dense]


@given(st.lists(MOMENTS, min_size=1, max_size=5))
def test_hours_and_weekdays_are_the_calendars(moments):
    expected = [[m.hour, 24 + m.weekday()] for m in moments]
    featurizer = TimeFeaturizer(["hour", "weekday"])
    for make in (pd.DataFrame, pl.DataFrame, pa.table):
        events = table_of(moments, make=make)
        assert places(clone(featurizer).fit_transform(events)) == expected


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_numbers_since_1970_in_any_unit(unit, dtype):
    moments = [datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC), datetime(1999, 1, 3, tzinfo=UTC)]
    numbers = np.array([m.timestamp() for m in moments]) * unit
    found = TimeFeaturizer(["hour", "weekday"]).fit_transform(table_of(numbers.astype(dtype)))
    assert places(found) == [[m.hour, 24 + m.weekday()] for m in moments]


@pytest.mark.parametrize("zone", [ZoneInfo("America/New_York"), timezone(timedelta(hours=5))])
def test_zones_are_read_in_utc(zone):
    moment = datetime(2024, 7, 1, 23, tzinfo=zone)
    utc = moment.astimezone(UTC)
    events = table_of([moment, moment])
    found = TimeFeaturizer(["hour", "weekday"]).fit_transform(events)
    assert places(found)[0] == [utc.hour, 24 + utc.weekday()]


def test_gaps_are_on_a_logarithmic_scale():
    gaps = np.concatenate([[np.nan, 0, -1], np.geomspace(1, 1e6, 500)])
    events = table_of(np.arange(len(gaps)) + 1e9, gaps)
    featurizer = TimeFeaturizer("gap").fit(events)
    edges = featurizer.edges_
    np.testing.assert_allclose(edges[1:] / edges[:-1], edges[1] / edges[0])
    np.testing.assert_allclose(edges[[0, -1]], np.quantile(gaps[3:], [0.01, 0.99]))
    found = np.array(places(featurizer.transform(events)))[:, 0]
    assert found[:3].tolist() == [0, 1, 1]
    for gap, place in zip(gaps[3:], found[3:], strict=True):
        below = [edge for edge in edges[:-1] if edge < gap]
        assert place == 2 + len(below)
    assert set(found) == set(range(18))
    names = featurizer.get_feature_names_out()
    assert len(names) == 18
    assert names[:3].tolist() == ["gap first", "gap none", f"gap up to {edges[0]:.3g}"]


def test_an_event_without_a_time_is_as_all_are_on_average():
    moments = pd.to_datetime(["2024-01-01 09:00", "2024-01-01 11:00", None, None])
    events = table_of(moments, [np.nan, 7200, np.nan, 30])
    featurizer = TimeFeaturizer().fit(events)
    found = featurizer.transform(events).toarray()
    assert found[2, :18].sum() == pytest.approx(1)
    assert found[2, 0] == pytest.approx(1 / 3)  # one of three that have a gap, or are known first
    assert found[3, :18].max() == 1  # this gap is known
    assert found[2, 18 + 9] == found[2, 18 + 11] == 0.5
    assert found[2, 18 + 24] == 1
    np.testing.assert_allclose(found[2], found[3] * 0 + found[2])
    # of all, the mean is the mean of those that are known
    np.testing.assert_allclose(found[[2]][:, 18:], found[:2, 18:].mean(axis=0, keepdims=True))


def test_a_later_table_may_have_no_time_at_all():
    events = table_of(pd.to_datetime(["2024-01-01 09:00", "2024-01-01 11:00"]), [np.nan, 7200])
    featurizer = TimeFeaturizer().fit(events)
    later = pd.DataFrame({"timestamp": [None, None], "gap": [np.nan, np.nan]})
    found = featurizer.transform(later).toarray()
    np.testing.assert_allclose(
        found, np.tile(featurizer.transform(events).toarray().mean(0), (2, 1))
    )


@pytest.mark.parametrize(
    ("parts", "events", "error", "message"),
    [
        (["minute"], None, ValueError, r"parts must be some of \['gap', 'hour', 'weekday'\]"),
        ([], None, ValueError, "each once; got"),
        (["hour", "hour"], None, ValueError, "each once"),
        (["hour"], table_of([1, 2]), ValueError, "no moments since 1970 .the first is 1."),
        (["hour"], table_of(["a", "b"]), TypeError, "which holds no moments"),
        (["hour"], pd.DataFrame({"gap": [1.0]}), KeyError, "no column 'timestamp'.*timestamp_col="),
        (["gap"], pd.DataFrame({"timestamp": [1]}), KeyError, "no column 'gap'"),
        (["gap"], table_of([1, 2], [np.nan, 0]), ValueError, "so gaps tell nothing"),
    ],
)
def test_what_cannot_be_read_is_said(parts, events, error, message):
    events = table_of([1e9, 2e9], [np.nan, 1]) if events is None else events
    with pytest.raises(error, match=message):
        TimeFeaturizer(parts).fit(events)


def test_another_name_of_the_column():
    events = table_of([1e9, 2e9]).rename(columns={"timestamp": "at"})
    found = TimeFeaturizer("hour", timestamp_col="at").fit_transform(events)
    assert found.shape == (2, 24)
