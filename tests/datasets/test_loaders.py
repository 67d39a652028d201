"""Loaders, on files made here in the layout of the real ones."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from embrec.datasets import load_amazon2014, load_parquet_pair, thesis_filter

REVIEWS = [
    {"reviewerID": "A1", "asin": "B01", "unixReviewTime": 100, "overall": 5.0},
    {"reviewerID": "A2", "asin": "B02", "unixReviewTime": 200, "overall": 3.0},
    {"reviewerID": "A1", "asin": "B99", "unixReviewTime": 300},
]
META = [
    {
        "asin": "B01",
        "title": "Pens &amp; Ink",
        "description": "It's  blue",
        "categories": [["Office", "Pens"], ["Gifts"]],
        "price": 4.99,
        "brand": "Acme",
        "imUrl": "http://images.example/1.jpg",
    },
    {"asin": "B02"},
    {"asin": "B01", "title": "again"},
]


def write(path, lines, *, zipped):
    text = "\n".join(lines) + "\n"
    if zipped:
        with gzip.open(path.with_name(path.name + ".gz"), "wt", encoding="utf-8") as file:
            file.write(text)
    else:
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("zipped", [True, False])
def test_amazon_reviews_and_literal_metadata(tmp_path, zipped):
    write(tmp_path / "reviews_Pens.json", map(json.dumps, REVIEWS), zipped=zipped)
    write(tmp_path / "meta_Pens.json", map(repr, META), zipped=zipped)
    data = load_amazon2014(tmp_path, "Pens")
    log, items = data.interactions, data.items.set_index("item")
    assert log["user"].tolist() == ["A1", "A2", "A1"]
    assert log["item"].tolist() == ["B01", "B02", "B99"]
    assert log["timestamp"].tolist() == [100, 200, 300]
    assert log["timestamp"].dtype == np.int64
    assert log["rating"].tolist()[:2] == [5.0, 3.0]
    assert np.isnan(log["rating"][2])
    assert items.index.tolist() == ["B01", "B02", "B99"]
    pens = items.loc["B01"]
    assert pens["title"] == "Pens & Ink"
    assert pens["description"] == "It's blue"
    assert pens["categories"] == "Office > Pens; Gifts"
    assert (pens["brand"], pens["price"]) == ("Acme", 4.99)
    assert pens["image_url"] == "http://images.example/1.jpg"
    assert items.loc["B99"].isna().all()
    assert set(data.n_malformed.values()) == {0}


def test_malformed_lines_are_counted_and_never_run(tmp_path):
    evidence = tmp_path / "ran"
    evil = f"__import__('pathlib').Path({str(evidence)!r}).touch()"
    lines = [json.dumps(REVIEWS[0]), "{not json", evil, '{"asin": "B01"}', "[1, 2]", "", "(" * 300]
    write(tmp_path / "reviews_Pens.json", lines, zipped=True)
    write(tmp_path / "meta_Pens.json", [repr(META[0]), "{'asin': open('x')}"], zipped=True)
    with pytest.warns(UserWarning, match="malformed") as warned:
        data = load_amazon2014(tmp_path, "Pens")
    assert not evidence.exists()
    assert len(data.interactions) == 1
    assert data.n_malformed == {"reviews_Pens.json.gz": 5, "meta_Pens.json.gz": 1}
    messages = sorted(str(w.message) for w in warned)
    assert "1 malformed lines were left out (lines 2)" in messages[0]
    assert "5 malformed lines were left out (lines 2, 3, 4, 5, 7)" in messages[1]


def test_amazon_ratings(tmp_path):
    write(
        tmp_path / "ratings_Pens.csv",
        ["A1,B01,5.0,100", "A2,B02,4.0,50", "A2,B02", "A3,B01,x,1"],
        zipped=False,
    )
    write(tmp_path / "meta_Pens.json", map(json.dumps, META), zipped=True)
    with pytest.warns(UserWarning, match="2 malformed lines were left out \\(lines 3, 4\\)"):
        data = load_amazon2014(tmp_path, "Pens")
    assert data.interactions.to_dict("list") == {
        "user": ["A1", "A2"],
        "item": ["B01", "B02"],
        "timestamp": [100, 50],
        "rating": [5.0, 4.0],
    }


@pytest.mark.parametrize(
    "change",
    [
        {"reviewerID": None},
        {"reviewerID": ""},
        {"asin": ["B01"]},
        {"asin": True},
        {"unixReviewTime": float("inf")},
        {"unixReviewTime": 10**30},
        {"unixReviewTime": "yesterday"},
        {"overall": "good"},
    ],
)
def test_amazon_reviews_with_impossible_values_are_malformed(tmp_path, change):
    lines = [json.dumps(REVIEWS[0]), json.dumps({**REVIEWS[0], **change})]
    write(tmp_path / "reviews_Pens.json", lines, zipped=False)
    write(tmp_path / "meta_Pens.json", map(repr, META), zipped=False)
    with pytest.warns(UserWarning, match=r"1 malformed .* \(lines 2\)"):
        log = load_amazon2014(tmp_path, "Pens").interactions
    assert len(log) == 1
    assert log["timestamp"].dtype == np.int64


def test_amazon_odd_metadata_stays_readable(tmp_path):
    meta = [
        {"asin": 7, "price": "4.5", "categories": "Pens", "description": ["One.", "Two."]},
        {"asin": "B02", "price": float("inf"), "categories": [], "title": " ", "imUrl": None},
    ]
    write(tmp_path / "reviews_Pens.json", map(json.dumps, REVIEWS), zipped=False)
    write(tmp_path / "meta_Pens.json", map(json.dumps, meta), zipped=False)
    items = load_amazon2014(tmp_path, "Pens").items.set_index("item")
    assert items.index.tolist() == ["7", "B02", "B01", "B99"]
    assert items.loc["7", ["price", "categories"]].tolist() == [4.5, "Pens"]
    assert items.loc["7", "description"] == "One. Two."
    assert items.loc["B02"].isna().all()
    assert items["price"].dtype == np.float64


def test_amazon_from_two_files(tmp_path):
    write(tmp_path / "any.json", map(json.dumps, REVIEWS), zipped=False)
    write(tmp_path / "other.json", map(repr, META), zipped=True)
    data = load_amazon2014([tmp_path / "any.json", str(tmp_path / "other.json.gz")])
    assert (len(data.interactions), len(data.items)) == (3, 3)
    assert data.n_malformed == {"any.json": 0, "other.json.gz": 0}
    with pytest.raises(FileNotFoundError, match=r"no file .*nothing\.json"):
        load_amazon2014((tmp_path / "any.json", tmp_path / "nothing.json"))
    with pytest.raises(ValueError, match="got 1 files"):
        load_amazon2014([tmp_path / "any.json"])


def test_amazon_folder_needs_a_category(tmp_path):
    write(tmp_path / "meta_Pens.json", map(repr, META), zipped=True)
    with pytest.raises(ValueError, match=r"needs category=.*\['meta_Pens\.json\.gz'\]"):
        load_amazon2014(tmp_path)


def test_amazon_prefers_all_reviews_to_the_core_and_the_ratings(tmp_path):
    write(tmp_path / "meta_Pens.json", map(repr, META), zipped=False)
    write(tmp_path / "ratings_Pens.csv", ["A,B01,5,1"], zipped=False)
    assert len(load_amazon2014(tmp_path, "Pens").interactions) == 1
    write(tmp_path / "reviews_Pens_5.json", map(json.dumps, REVIEWS[:2]), zipped=False)
    assert len(load_amazon2014(tmp_path, "Pens").interactions) == 2
    write(tmp_path / "reviews_Pens.json", map(json.dumps, REVIEWS), zipped=False)
    assert len(load_amazon2014(tmp_path, "Pens").interactions) == 3


def test_amazon_files_missing_or_unreadable(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load_amazon2014(tmp_path / "nowhere", "Pens")
    write(tmp_path / "reviews_Pens.json", ["rubbish"], zipped=True)
    with pytest.raises(FileNotFoundError, match=r"meta_Pens\.json .*reviews_Pens\.json\.gz"):
        load_amazon2014(tmp_path, "Pens")
    write(tmp_path / "meta_Pens.json", map(repr, META), zipped=True)
    with pytest.raises(ValueError, match="No line of .*reviews_Pens"):
        load_amazon2014(tmp_path, "Pens")


def test_parquet_pair(tmp_path):
    log = pd.DataFrame({"user": [1, 2], "item": ["a", "b"], "timestamp": [5, 6], "rating": [1, 2]})
    items = pd.DataFrame({"item": ["a", "b"], "title": ["x", None]})
    log.to_parquet(tmp_path / "interactions.parquet")
    log.head(1).to_parquet(tmp_path / "small.parquet")
    items.to_parquet(tmp_path / "items.parquet")
    pair = load_parquet_pair(tmp_path)
    pd.testing.assert_frame_equal(pair.interactions, log)
    assert pair.items["title"].isna().tolist() == [False, True]
    assert len(load_parquet_pair(tmp_path, interactions="small.parquet").interactions) == 1


def test_parquet_pair_errors(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no folder"):
        load_parquet_pair(tmp_path / "nowhere")
    pd.DataFrame({"user": [1], "thing": [2]}).to_parquet(tmp_path / "interactions.parquet")
    with pytest.raises(ValueError, match=r"lacks the columns \['item'\]; it has \['user', 'thing'"):
        load_parquet_pair(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no items\.parquet .*\['interactions\.parquet'\]"):
        load_parquet_pair(tmp_path, item_col="thing")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'pip install "embrec\[parquet\]"'):
        load_parquet_pair(tmp_path)


def test_thesis_filter_counts_users_and_items_apart():
    log = pd.DataFrame({"user": list("aaaabbbb"), "item": list("xxyzxyyy"), "timestamp": range(8)})
    filtered = thesis_filter(log, min_user_events=4, min_item_events=2)
    # z came once; what is left of user a is not counted again
    assert filtered["item"].tolist() == list("xxyxyyy")
    left = thesis_filter(log, min_user_events=1, min_item_events=4, max_events_per_user=2)
    assert left.empty
    left = thesis_filter(
        log, min_user_events=1, min_item_events=4, max_events_per_user=2, min_sequence_length=2
    )
    assert left.index.tolist() == [6, 7]


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Rome"])
def test_thesis_filter_takes_any_times_and_column_names(zone):
    times = pd.to_datetime([5, 4, 3, 2, 1, 0], unit="s", utc=True)
    when = times.tz_convert(zone) if zone else times.tz_localize(None)
    log = pd.DataFrame({"who": pd.Categorical([1] * 6), "what": ["x"] * 6, "when": when})
    names = {"user_col": "who", "item_col": "what", "max_events_per_user": 4}
    assert thesis_filter(log, timestamp_col="when", **names).index.tolist() == [0, 1, 2, 3]
    assert thesis_filter(log, timestamp_col=None, **names).index.tolist() == [2, 3, 4, 5]
    assert thesis_filter(log[:0], timestamp_col="when", **names).empty


@pytest.mark.parametrize("column", ["user", "item", "timestamp"])
def test_thesis_filter_refuses_what_is_missing(column):
    log = pd.DataFrame({"user": ["a"] * 6, "item": ["x"] * 6, "timestamp": np.arange(6.0)})
    with pytest.raises(KeyError, match=f"no column '{column}'; its columns are .* Name yours"):
        thesis_filter(log.drop(columns=column))
    log.loc[2, column] = None
    with pytest.raises(ValueError, match=f"'{column}'. is missing in 1 of 6 rows"):
        thesis_filter(log)


def test_thesis_filter_keeps_at_least_an_event():
    log = pd.DataFrame({"user": ["a"], "item": ["x"], "timestamp": [0]})
    with pytest.raises(ValueError, match="at least 1; got 0"):
        thesis_filter(log, max_events_per_user=0)


def naive_thesis_filter(log):
    users, items = {}, {}
    for row in log.itertuples():
        users[row.user] = users.get(row.user, 0) + 1
        items[row.item] = items.get(row.item, 0) + 1
    sequences = {}
    for row in log.sort_values("timestamp", kind="stable").itertuples():
        if users[row.user] >= 5 and items[row.item] >= 5:
            sequences.setdefault(row.user, []).append(row.Index)
    kept = [i for events in sequences.values() if len(events) >= 3 for i in events[-50:]]
    return sorted(kept)


def test_thesis_filter_against_loops():
    rng = np.random.default_rng(0)
    n = 3000
    log = pd.DataFrame(
        {
            "user": np.concatenate([rng.integers(0, 400, n - 200), np.full(200, 7)]),
            "item": rng.zipf(1.3, n) % 300,
            "timestamp": rng.integers(0, 50, n),
        }
    ).sample(frac=1, random_state=0)
    log.index = np.arange(n)
    filtered = thesis_filter(log)
    assert filtered.index.tolist() == naive_thesis_filter(log)
    # whatever the index
    repeated = log.set_axis(np.zeros(n, dtype=int))
    pd.testing.assert_frame_equal(
        thesis_filter(repeated).reset_index(drop=True), filtered.reset_index(drop=True)
    )


@pytest.mark.parametrize(
    ("name", "n_users", "n_items", "n_events"),
    [("amazon2014_office_5core", 4905, 2420, 52_891), ("ml1m_posters", 6034, 3111, 239_630)],
)
def test_thesis_filter_on_real_data(data_folder, name, n_users, n_items, n_events):
    log = thesis_filter(load_parquet_pair(data_folder / name).interactions)
    assert (log["user"].nunique(), log["item"].nunique(), len(log)) == (n_users, n_items, n_events)


def test_thesis_filter_makes_the_thesis_games_set_event_for_event(data_folder):
    folder = data_folder / "amazon2014_games_thesis"
    # this log has had the filter of 5 events already, and must not have it twice
    raw = load_parquet_pair(folder).interactions
    log = thesis_filter(raw, min_user_events=1, min_item_events=1)
    thesis = load_parquet_pair(folder, interactions="interactions_thesis.parquet").interactions
    assert len(log) == 274_064
    # the thesis' file counts positions anew after the cut; users and items in order are the same
    log, thesis = (
        x.sort_values(["user", "timestamp"], kind="stable", ignore_index=True)[["user", "item"]]
        for x in (log, thesis)
    )
    pd.testing.assert_frame_equal(log, thesis)
    assert len(thesis_filter(raw)) == 244_437
