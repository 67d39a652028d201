"""The loader of Amazon's reviews, on files made here in the layout of the real ones."""

import gzip
import json

import numpy as np
import pytest

from embrec.datasets import load_amazon2014

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
