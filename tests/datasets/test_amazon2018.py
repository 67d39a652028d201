"""The loader of Amazon 2018, on files made here in the layout of the real ones."""

import json

import numpy as np
import pytest

from embrec.datasets import load_amazon2014, load_amazon2018

REVIEWS = [
    {
        "overall": 5.0,
        "vote": "2",
        "verified": True,
        "reviewTime": "01 1, 2018",
        "reviewerID": "AUI6WTTT0QZYS",
        "asin": "0120053084",
        "style": {"Size:": "Large"},
        "unixReviewTime": 1514764800,
    },
    {"overall": 1.0, "reviewerID": "A105A034ZG9EHO", "asin": "B0012Y0ZG2", "unixReviewTime": 7},
]
META = [
    {
        "category": ["Office", "Pens &amp; Ink"],
        "description": ["One.", "", "Two."],
        "title": "Calm, Cool &amp; Corrected",
        "also_buy": ["B019EKOK6G"],
        "brand": "Kiss My Face",
        "feature": ["Blue", "Fine"],
        "main_cat": "Office Products",
        "price": "$1,085.00",
        "asin": "0120053084",
        "imageURL": ["https://x.example/1.jpg", "https://x.example/2.jpg"],
    },
    {"category": [], "description": [], "price": "$5 - $10", "asin": "B1", "imageURL": []},
]


def write(folder, name, records):
    text = "\n".join([*map(json.dumps, records), ""])
    (folder / name).write_text(text)


def test_reviews_and_metadata(tmp_path):
    write(tmp_path, "Pens_5.json", REVIEWS)
    write(tmp_path, "meta_Pens.json", META)
    data = load_amazon2018(tmp_path, "Pens")
    assert data.interactions.to_dict("list") == {
        "user": ["AUI6WTTT0QZYS", "A105A034ZG9EHO"],
        "item": ["0120053084", "B0012Y0ZG2"],
        "timestamp": [1514764800, 7],
        "rating": [5.0, 1.0],
    }
    assert data.interactions["timestamp"].dtype == np.int64
    items = data.items.set_index("item")
    assert items.loc["0120053084"].to_dict() == {
        "title": "Calm, Cool & Corrected",
        "description": "One. Two.",
        "feature": "Blue Fine",
        "category": "Office > Pens & Ink",
        "brand": "Kiss My Face",
        "price": 1085.0,
        "image_url": "https://x.example/1.jpg",
    }
    assert items.loc["B1"].isna().all()
    assert items.loc["B0012Y0ZG2"].isna().all()
    assert data.n_malformed == {"Pens_5.json": 0, "meta_Pens.json": 0}


def test_ratings_have_the_item_first(tmp_path):
    write(tmp_path, "meta_Pens.json", META)
    (tmp_path / "Pens.csv").write_text("0120053084,AUI6WTTT0QZYS,5.0,1514764800\n")
    assert load_amazon2018(tmp_path, "Pens").interactions.to_dict("list") == {
        "user": ["AUI6WTTT0QZYS"],
        "item": ["0120053084"],
        "timestamp": [1514764800],
        "rating": [5.0],
    }
    (tmp_path / "Pens.csv").write_text("AUI6WTTT0QZYS,0120053084,5.0,1514764800\n")
    with pytest.raises(ValueError, match="expects the item first.*load_amazon2014 reads"):
        load_amazon2018(tmp_path, "Pens")


def test_other_releases_are_named(tmp_path):
    write(tmp_path, "reviews_Pens.json", REVIEWS)
    write(tmp_path, "meta_Pens.json", META)
    with pytest.raises(FileNotFoundError, match=r"Pens\.json or .*load_amazon2014 reads such"):
        load_amazon2018(tmp_path, "Pens")
    with pytest.raises(ValueError, match=r"\['imageURL', .*load_amazon2018 reads such files"):
        load_amazon2014(tmp_path, "Pens")
    write(tmp_path, "Pens.json", REVIEWS)
    write(tmp_path, "meta_Pens.json", [{"asin": "B1", "imUrl": "u", "categories": [["A"]]}])
    with pytest.raises(ValueError, match=r"\['imUrl', 'categories'\] .*load_amazon2014 reads such"):
        load_amazon2018(tmp_path, "Pens")
    write(tmp_path, "meta_Pens.json", [{"parent_asin": "B1", "store": "S"}])
    with pytest.raises(ValueError, match="load_amazon2023 reads such"):
        load_amazon2018(tmp_path, "Pens")


def test_lines_without_an_item_are_counted(tmp_path):
    write(tmp_path, "Pens.json", [*REVIEWS, {"reviewerID": "A", "unixReviewTime": 1}])
    write(tmp_path, "meta_Pens.json", [*META, {"title": "T"}])
    with pytest.warns(UserWarning, match=r"1 malformed .* \(lines 3\)"):
        data = load_amazon2018(tmp_path, "Pens")
    assert data.n_malformed == {"Pens.json": 1, "meta_Pens.json": 1}
