"""The loader of Amazon 2023, on files made here in the layout of the real ones."""

import gzip
import json

import numpy as np
import pytest

from embrec.datasets import load_amazon2023

REVIEWS = [
    {
        "rating": 5.0,
        "title": "Lovely",
        "images": [],
        "asin": "B00VARIANT",
        "parent_asin": "0120053084",
        "user_id": "AGKHLEW2SOWHNMFQIJGBECAF7INQ",
        "timestamp": 1588687728923,
        "helpful_vote": 0,
        "verified_purchase": True,
    },
    {"rating": 1.0, "asin": "B2", "parent_asin": "B2", "user_id": "AE", "timestamp": 7000},
]
META = [
    {
        "main_category": "All Beauty",
        "title": "Skin &amp; More",
        "features": ["Cream", "Day"],
        "description": ["New."],
        "price": 8.5,
        "images": [{"thumb": "t", "large": "https://x.example/l.jpg", "variant": "MAIN"}],
        "store": "Bissport",
        "categories": ["Beauty", "Face"],
        "parent_asin": "0120053084",
        "bought_together": None,
    },
    {"price": None, "images": [], "store": None, "categories": [], "parent_asin": "B1"},
]


def write(folder, name, records):
    text = "\n".join([*map(json.dumps, records), ""])
    (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))


def test_items_are_parents_and_times_milliseconds(tmp_path):
    write(tmp_path, "All_Beauty.jsonl", REVIEWS)
    write(tmp_path, "meta_All_Beauty.jsonl", META)
    data = load_amazon2023(tmp_path, "All_Beauty")
    assert data.interactions.to_dict("list") == {
        "user": ["AGKHLEW2SOWHNMFQIJGBECAF7INQ", "AE"],
        "item": ["0120053084", "B2"],
        "timestamp": [1588687728923, 7000],
        "rating": [5.0, 1.0],
    }
    assert data.interactions["timestamp"].dtype == np.int64
    items = data.items.set_index("item")
    assert items.loc["0120053084"].to_dict() == {
        "title": "Skin & More",
        "description": "New.",
        "features": "Cream Day",
        "categories": "Beauty > Face",
        "main_category": "All Beauty",
        "store": "Bissport",
        "price": 8.5,
        "image_url": "https://x.example/l.jpg",
    }
    assert items.loc[["B1", "B2"]].isna().all(axis=None)
    assert set(data.n_malformed.values()) == {0}


def test_ratings_with_a_header(tmp_path):
    write(tmp_path, "meta_All_Beauty.jsonl", META)
    file = tmp_path / "All_Beauty.csv"
    file.write_text("user_id,parent_asin,rating,timestamp\nAE,0120053084,5.0,1588687728923\n")
    assert load_amazon2023(tmp_path, "All_Beauty").interactions.to_dict("list") == {
        "user": ["AE"],
        "item": ["0120053084"],
        "timestamp": [1588687728923],
        "rating": [5.0],
    }
    file.write_text("AE,0120053084,5.0,1588687728923\n")
    with pytest.raises(ValueError, match=r"lacks the fields \['user_id'"):
        load_amazon2023(tmp_path, "All_Beauty")


def test_other_releases_are_named(tmp_path):
    write(tmp_path, "reviews_X.json", REVIEWS)
    with pytest.raises(FileNotFoundError, match="load_amazon2014 reads such"):
        load_amazon2023(tmp_path, "X")
    write(tmp_path, "meta_X.jsonl", META)
    write(tmp_path, "X.jsonl", [{"reviewerID": "A", "asin": "B", "verified": True}])
    with pytest.raises(ValueError, match=r"\['reviewerID', .*load_amazon2018 reads such"):
        load_amazon2023(tmp_path, "X")


def test_reviews_without_a_parent_are_counted(tmp_path):
    write(tmp_path, "X.jsonl", [*REVIEWS, {"user_id": "A", "asin": "B", "timestamp": 1}])
    write(tmp_path, "meta_X.jsonl", [*META, {"asin": "B"}])
    with pytest.warns(UserWarning, match=r"1 malformed .* \(lines 3\)"):
        data = load_amazon2023(tmp_path, "X")
    assert set(data.n_malformed.values()) == {1}
