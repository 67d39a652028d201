"""What is asked, step by step and with parts of histories."""

import copy

import numpy as np
import pandas as pd
import pytest

from embrec.evaluation import asked, evaluate


def test_every_step_is_every_prefix(models, shop_log, monkeypatch):
    model = models["embrec"]
    sequences = shop_log.groupby("user", sort=False)["item"].agg(list).tolist()[:12]
    sequences = [[i for i in s if i != "desk-0"] for s in sequences]
    pairs = [(s[:t], s[t]) for s in sequences for t in range(1, len(s))]
    expected = evaluate(model, [h for h, _ in pairs], [t for _, t in pairs])
    monkeypatch.setattr(asked, "STEPS_AT_A_TIME", 7)
    found = evaluate(model, sequences, every_step=True)
    of_sequence = [number for number, s in enumerate(sequences) for _ in s[1:]]
    expected.queries["sequence"] = of_sequence
    pd.testing.assert_frame_equal(found.queries, expected.queries, check_dtype=False)
    short = evaluate(model, sequences, every_step=True, max_context=2)
    assert short.queries["context_length"].max() == 2
    kept = expected.queries[expected.queries["context_length"] <= 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(short.queries, kept, check_dtype=False)


@pytest.mark.parametrize("n", [1, 7, 2**20])
def test_all_steps_in_one_pass_are_what_every_prefix_says(models, shop_log, monkeypatch, n):
    model = models["embrec"]
    sequences = shop_log.groupby("user", sort=False)["item"].agg(list).tolist()[:12]
    sequences = [["desk-1"], *([i for i in s if i != "desk-0"] for s in sequences)]
    monkeypatch.setattr(asked, "STEPS_AT_A_TIME", n)
    steps = []
    one_pass = type(model).step_query_vectors

    def recorded(self, rows):
        steps.append(len(rows.values))
        return one_pass(self, rows)

    monkeypatch.setattr(type(model), "step_query_vectors", recorded)
    found = evaluate(model, sequences, every_step=True, exclude_seen=True, metrics=["mrr", "auc"])
    if n == 2**20:
        assert steps == [sum(map(len, sequences[1:]))]
    monkeypatch.setattr(type(model), "step_query_vectors", lambda self, rows: None)
    expected = evaluate(
        model, sequences, every_step=True, exclude_seen=True, metrics=["mrr", "auc"]
    )
    pd.testing.assert_frame_equal(found.queries, expected.queries)


def test_steps_may_follow_what_is_removed_or_unknown(models):
    model = models["embrec"]
    sequences = [["desk-0", "desk-1", "desk-2"]]  # the first was removed
    found = evaluate(model, sequences, every_step=True)
    assert found.queries["target"].tolist() == ["desk-1", "desk-2"]
    with pytest.raises(ValueError, match="the targets in X: 1 of 2"):
        evaluate(model, [["desk-1", "desk-0", "desk-2"]], every_step=True)
    with pytest.raises(ValueError, match="not in the catalogue"):
        evaluate(model, [["nobody", "desk-1"]], every_step=True)
    skipping = copy.deepcopy(model).set_params(on_unknown="skip")
    found = evaluate(skipping, [["nobody", "desk-1", "desk-2"]], every_step=True)
    expected = evaluate(model, [[], ["desk-1"]], ["desk-1", "desk-2"])
    assert found.queries["rank"].tolist() == expected.queries["rank"].tolist()


def test_what_order_and_the_rest_are_worth(models, test_part):
    sequences = [s for s in test_part if len(s) > 2]
    histories, targets = [s[:-1] for s in sequences], [s[-1] for s in sequences]
    for name in ("embrec", "content"):
        last = evaluate(models[name], sequences, history="last")
        alone = evaluate(models[name], [h[-1:] for h in histories], targets)
        np.testing.assert_array_equal(last.queries["rank"], alone.queries["rank"])
        np.testing.assert_array_equal(last.queries["context_length"], [len(h) for h in histories])
    whole, shuffled = (
        {n: evaluate(models[n], sequences, history=h) for n in ("content", "embrec")}
        for h in ("all", "shuffled")
    )
    # which knows no order
    np.testing.assert_array_equal(
        whole["content"].queries["rank"], shuffled["content"].queries["rank"]
    )
    assert (whole["embrec"].queries["rank"] != shuffled["embrec"].queries["rank"]).any()
    again = evaluate(models["embrec"], sequences, history="shuffled")
    pd.testing.assert_frame_equal(again.queries, shuffled["embrec"].queries)


def test_what_counts_as_training_may_be_said(models, test_part, shop_log):
    names = ["popularity@3", "mrr"]
    of_all, of_some = (
        evaluate(models["embrec"], test_part, metrics=names, train=log)
        for log in (shop_log, shop_log[shop_log["item"] != "photo-1"])
    )
    counts = shop_log["item"].value_counts()
    targets = of_all.queries["target"]
    assert of_all.queries["n_events"].tolist() == counts.reindex(targets).fillna(0).tolist()
    assert set(of_some.queries.loc[targets == "photo-1", "n_events"]) == {0}
    assert of_all.queries["rank"].equals(of_some.queries["rank"])
    shown = of_all.recommended[:, :3]
    mean = counts.reindex(shown.ravel()).fillna(0).to_numpy().reshape(shown.shape).mean(axis=1)
    np.testing.assert_allclose(of_all.queries["popularity@3"], mean)
    with_unknown = [*shop_log.groupby("user")["item"].agg(list), ["nobody"]]
    again = evaluate(models["embrec"], test_part, metrics=names, train=with_unknown)
    assert again.queries["n_events"].equals(of_all.queries["n_events"])


def test_any_string_may_be_an_id():
    """Also half of a character, as the systems that cut ids at a number of bytes make them."""
    ids = np.array(["\udc80", "b"], dtype=object)
    assert asked.digest_of([ids]) == asked.digest_of([ids.copy()]) != asked.digest_of([ids[::-1]])
