"""The demo: what it is given, and what it says."""

import dataclasses
from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from embrec import EmbRecEstimator, TfidfItemFeaturizer, demo
from embrec.baselines import ContentNeighborsRecommender, PopularityRecommender
from embrec.components import ItemTowers
from embrec.model_selection import leave_last_out_split


@pytest.fixture
def folder(shop_log, shop_items, tmp_path):
    """The small shop in Parquet; rows of the log in another order than that of time."""
    pytest.importorskip("pyarrow", reason="needs the extra 'parquet'")
    shuffled = shop_log.sample(frac=1, random_state=0)
    shuffled.to_parquet(tmp_path / "interactions.parquet")
    shop_items.assign(image_url="http://x").to_parquet(tmp_path / "items.parquet")
    return tmp_path


@pytest.fixture
def data(shop_log, shop_items):
    """Two of the items are new."""
    return demo.DemoData(shop_log, shop_items, shop_items["item"].isin(["desk-1", "photo-3"]))


def content(data):
    model = ContentNeighborsRecommender(TfidfItemFeaturizer(columns=["title"]))
    return model.fit(data.known_log, items=data.known_items)


def test_new_items_are_kept_from_the_log_and_the_catalogue(data, shop_log, shop_items):
    new = ["photo-3", "desk-1"]
    assert data.new_items["item"].tolist() == new
    known = shop_items[~shop_items["item"].isin(new)]
    pd.testing.assert_frame_equal(data.known_items, known)
    pd.testing.assert_frame_equal(data.known_log, shop_log[~shop_log["item"].isin(new)])


def test_a_folder_is_read_in_the_order_of_time(folder, shop_log, capsys):
    first, again, other = (demo.load(str(folder), seed) for seed in (1, 1, 2))
    assert first.log["timestamp"].is_monotonic_increasing
    assert len(first.log) == len(shop_log)
    assert first.is_new.sum() == 1  # 5 % of 15
    assert_array_equal(first.is_new, again.is_new)
    assert not np.array_equal(first.is_new, other.is_new)
    said = capsys.readouterr().out
    assert f"Loaded {folder}: 240 interactions of 60 visitors with 15 items." in said
    assert "Columns of the catalogue: item, title, price, image_url.\n1 items are kept" in said


def test_a_log_without_times_stays_in_its_order(folder, shop_log):
    shop_log.drop(columns="timestamp").to_parquet(folder / "interactions.parquet")
    assert demo.load(str(folder), 0).log["item"].tolist() == shop_log["item"].tolist()


def test_columns_of_words_are_those_that_can_be_read():
    items = pd.DataFrame({"item": ["a"], "title": ["x"], "price": [1.0], "image_url": ["http://x"]})
    items = items.assign(image_path="x.png", sold=True, brand=pd.array(["b"], dtype="string"))
    assert demo.text_columns(items) == ["title", "brand"]


def test_the_table_holds_each_models_figures(capsys):
    """By hand: the target is second of two, and first of three."""
    items = pd.DataFrame({"item": ["a", "b", "c"]})
    model = PopularityRecommender().fit([[item] for item in "aaabbc"], items=items)
    test = pd.DataFrame({"user": [1, 1, 2, 2], "item": ["b", "a", "a", "c"], "timestamp": range(4)})
    demo.print_table({"best sellers": model}, test)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Held-out last events of 2 visitors, all items ranked:"
    assert lines[1].split() == ["AUC", "HitRate@10", "HitRate@50", "NDCG@10"]
    # ranks 0 and 2 of 3: AUC 1 and 0; NDCG 1 and 1 / log2(4)
    assert lines[2].split()[2:] == ["0.500", "100.0%", "100.0%", "0.7500"]
    assert lines[2].startswith("best sellers  ")


def test_what_is_recommended_is_what_the_model_says(data, capsys):
    model, test = content(data), data.known_log
    demo.print_recommendations(model, data, test)
    history = test.loc[test["user"] == "u0", "item"].tolist()
    ids = model.recommend([history], k=5)[0][0].tolist()
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said if line.startswith("    ")] == history + ids
    assert said[0] == "A visitor touched:"
    titles = data.items.set_index("item")["title"]
    assert said[1].split(maxsplit=1)[1] == titles[history[0]]


def test_long_titles_are_cut():
    assert demo._short("x" * 70) == "x" * 70
    assert demo._short("x" * 71) == "x" * 67 + "..."


def test_new_items_are_ranked_for_those_who_took_them(data, capsys):
    model, other = content(data), content(data)
    demo.print_new_items({"EmbRec": model, "content neighbours": other}, data)
    said = capsys.readouterr().out
    last = data.log.groupby("user")["item"].last()
    visitors = last.index[last.isin(["desk-1", "photo-3"])]
    ranks = []
    for user in visitors:
        *history, target = data.log.loc[data.log["user"] == user, "item"]
        ids = model.recommend([history], k=15, exclude_seen=False)[0][0].tolist()
        ranks.append(ids.index(target))
    assert said.startswith("Added 2 items that training never saw, in ")
    assert f"{len(visitors)} visitors took one of them next. Of 15 items it was ranked " in said
    assert f"ranked {np.median(ranks) + 1:.0f} in the median;" in said
    assert "for 100.0% of the visitors (content neighbours 100.0%, chance" in said
    assert len(model.catalog_) == len(other.catalog_) == 15


def test_nobody_may_have_taken_the_new_items(data, capsys):
    nobody = dataclasses.replace(data, log=data.known_log)
    models = {"EmbRec": content(data), "content neighbours": content(data)}
    demo.print_new_items(models, nobody)
    assert capsys.readouterr().out.endswith("so there is nothing to compare with.\n")


def test_the_whole_runs_on_a_folder(folder, capsys, monkeypatch):
    one_epoch = partial(EmbRecEstimator, max_epochs=1, item_model=ItemTowers(8))
    monkeypatch.setattr(demo, "EmbRecEstimator", one_epoch)
    demo.main(["--data", str(folder), "--seed", "3"])
    said = capsys.readouterr().out
    log = demo.load(str(folder), 3).known_log
    n_train = len(leave_last_out_split(log)[0])
    assert f"Training on {n_train:,} interactions; items are known by title." in said
    compared = [line[:20].strip() for line in said.splitlines() if line.count("%") == 2][:3]
    assert compared == ["popularity", "content neighbours", "EmbRec"]
    assert "Added 1 items that training never saw" in said
