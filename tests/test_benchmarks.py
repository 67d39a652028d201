"""The benchmark that others are to run: Table 2, on data made here."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from embrec.baselines import PopularityRecommender
from embrec.datasets import make_shop, thesis_filter
from embrec.evaluation import evaluate
from embrec.metrics import hit_rate_at_k, ndcg_at_k, target_ranks
from embrec.model_selection import leave_last_out_split

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
METRICS = ["auc", "hit_rate@50", "hit_rate@10", "ndcg@10", "mrr"]


@pytest.fixture
def table2(processes, tmp_path):
    """A function that runs the script, and returns what it prints."""
    processes.load("torch._dynamo")

    def table2(*arguments):
        script = f"""if True:
            import runpy, sys
            sys.path.insert(0, {str(BENCHMARKS)!r})
            runpy.run_path({str(BENCHMARKS / "table2.py")!r}, run_name="__main__")
        """
        done = processes.run(script, tmp_path / "run", *arguments, "--quick", "--jobs", "1")
        assert done.code == 0, done.err
        return done.out

    return table2


@pytest.fixture(scope="module")
def shop():
    return make_shop(n_users=400, n_items=200, random_state=0)


def test_table_2_of_a_pair_of_parquet_files(shop, table2, tmp_path):
    pytest.importorskip("pyarrow")
    # a little of everything: each of the models is trained twice
    log = shop.interactions[["user", "item", "timestamp"]].groupby("user", sort=False).head(5)
    log.to_parquet(tmp_path / "interactions.parquet")
    items = shop.items[["item", "title"]].assign(description=shop.items["description"].str[:30])
    items.to_parquet(tmp_path / "items.parquet")
    printed = table2(tmp_path, "--out", tmp_path / "out", "--name", "shop")
    record = json.loads((tmp_path / "out" / "shop.json").read_text())
    table = pd.read_csv(tmp_path / "out" / "shop.csv")
    assert (tmp_path / "out" / "shop.md").read_text() in printed
    models = ["PopRec", "Content neighbours", "V-SKNN", "SR", "TransRec", "GRU4Rec", "EmbRec"]
    assert set(table["model"]) == {*models, "EmbRec, ids"}
    assert str(tmp_path) not in (tmp_path / "out" / "shop.md").read_text()
    assert {"torch", "scikit-learn", "python"} <= set(record["machine"])

    some = log[log["user"].isin(log["user"].unique()[:300])]
    train, _, test = leave_last_out_split(some)
    items = pd.DataFrame({"item": some["item"].unique()})
    model = PopularityRecommender().fit(train, items=items)
    for way in ("all ranked", "masked"):
        expected = evaluate(model, test, metrics=METRICS, exclude_seen=way == "masked").table
        expected = expected[expected["slice"] == "all"].set_index("metric")
        found = table.query("model == 'PopRec' and slice == 'all' and ranking == @way")
        found = found.set_index("metric").loc[METRICS]
        for column in ("value", "low", "high"):
            np.testing.assert_allclose(found[column], expected.loc[METRICS, column], rtol=1e-9)

    for model in record["chosen"]:
        trials = [trial for trial in record["trials"] if trial["model"] == model]
        best = max(trials, key=lambda trial: trial["valid"]["hit_rate@50"])
        assert record["chosen"][model] == best["setting"]
        assert len(trials) == (1 if model == "PopRec" else 2)


@pytest.mark.parametrize("protocol", ["temporal", "cold-users"])
def test_table_2_of_raw_files(shop, table2, tmp_path, protocol):
    log = shop.interactions
    seconds = (log["timestamp"].to_numpy() - np.datetime64("1970-01-01")).astype("timedelta64[s]")
    with gzip.open(tmp_path / "reviews_Toys.json.gz", "wt") as file:
        for user, item, at in zip(log["user"], log["item"], seconds.astype(int), strict=True):
            line = {"reviewerID": user, "asin": item, "unixReviewTime": int(at), "overall": 5.0}
            file.write(json.dumps(line) + "\n")
    with gzip.open(tmp_path / "meta_Toys.json.gz", "wt") as file:
        for row in shop.items.itertuples():
            file.write(json.dumps({"asin": row.item, "title": row.title}) + "\n")
    options = ["--category", "Toys", "--protocol", protocol, "--out", tmp_path / "out"]
    table2(tmp_path, *options, "--name", "toys", "--models", "PopRec", "Content neighbours")
    record = json.loads((tmp_path / "out" / "toys.json").read_text())
    assert record["data"]["columns"] == ["title"]
    assert record["protocol"] == protocol
    filtered = thesis_filter(log.assign(timestamp=seconds.astype(int)))
    assert record["data"]["users"] <= min(300, filtered["user"].nunique())
    tested = {r["model"]: r["n"] for r in record["tables"]["all ranked"] if r["slice"] == "all"}
    assert tested["PopRec"] == tested["Content neighbours"] == record["data"]["tested"] > 0


def test_figures_of_lists_are_those_of_ranks(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from _top_lists import figures_of

    rng = np.random.default_rng(0)
    scores = rng.random((400, 80))
    targets = rng.integers(0, 80, 400)
    found = figures_of(np.argsort(-scores, axis=1)[:, :50], targets)
    ranks = target_ranks(scores, targets)
    assert found["ndcg@10"] == pytest.approx(ndcg_at_k(ranks, 10))
    for k in (10, 50):
        assert found[f"hit_rate@{k}"] == pytest.approx(hit_rate_at_k(ranks, k))
    assert figures_of(np.full((3, 50), -1), targets[:3])["hit_rate@50"] == 0


def test_patience_counts_epochs_since_the_best(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from _top_lists import Patience

    patience = Patience(2, seconds=100)
    assert [patience.is_over(figure, 1) for figure in (0.1, 0.3, 0.2, 0.4, 0.4, 0.1)] == [
        *[False] * 5,
        True,
    ]
    assert Patience(2, seconds=100).is_over(0.1, 100)
