"""The figures of validation, against loops over sequences and ranks."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_network import own_of, small_network

from embrec.data.ragged import Ragged
from embrec.network import to_feature_tensors
from embrec.training import NextItemValidation
from embrec.training.validation import parse_monitor

CPU = torch.device("cpu")
N_ITEMS = 12

ranks = st.lists(st.integers(0, 200), min_size=1, max_size=30)


@given(ranks, st.integers(1, 120))
def test_figures_of_ranks(found, k):
    hits, gains, reciprocals = 0, 0.0, 0.0
    for rank in found:
        hits += rank < k
        gains += 1 / math.log2(rank + 2) if rank < k else 0
        reciprocals += 1 / (rank + 1)
    n, found = len(found), np.array(found)
    assert parse_monitor(f"hit_rate@{k}")(found) == pytest.approx(hits / n)
    assert parse_monitor(f"ndcg@{k}")(found) == pytest.approx(gains / n)
    assert parse_monitor("mrr")(found) == pytest.approx(reciprocals / n)


@pytest.mark.parametrize(
    "name", ["", "hit_rate", "hit_rate@0", "hit_rate@05", "ndcg@-1", "mrr@5", "auc", " mrr"]
)
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="monitor must be 'hit_rate@K', 'ndcg@K' or 'mrr'"):
        parse_monitor(name)


def make_problem(*, with_own):
    network = small_network(N_ITEMS, own=own_of(5, 8) if with_own else (None, None)).eval()
    ids = None
    if with_own:
        torch.nn.init.normal_(network.items.id_vectors.weight)
        torch.nn.init.normal_(network.items.id_biases.weight)
        ids = torch.tensor([0, -1, 1, 2, -1, -1, 3, 4, -1, -1, -1, -1])
    features = to_feature_tensors([np.eye(N_ITEMS, dtype=np.float32)], CPU)
    lengths = np.random.default_rng(1).integers(1, 7, 60)
    rows = np.random.default_rng(0).integers(0, N_ITEMS, lengths.sum()).astype(np.int32)
    return network, features, ids, Ragged.from_lengths(rows, lengths)


@torch.no_grad()
def ranks_one_by_one(network, items, sequences):
    found = []
    for number in range(len(sequences)):
        *history, target = sequences[number].tolist()
        state = network.initial_states(1)
        for row in history:
            state = network.advance(state, items[[row]])
        scores = (network.predict(state) @ items.T)[0]
        found.append(int((scores >= scores[target]).sum()) - 1)
    return np.array(found)


@pytest.mark.parametrize("with_own", [False, True])
def test_it_counts_what_is_ranked_before_the_last_item(with_own):
    network, features, ids, sequences = make_problem(with_own=with_own)
    expected = ranks_one_by_one(network, network.embed_items(features, ids), sequences)
    validation = NextItemValidation(sequences, features, ids, "hit_rate@3")
    found = validation(network.train())
    assert list(found.items()) == [
        ("hit_rate@3", pytest.approx(np.mean(expected < 3))),
        ("hit_rate", 1.0),  # at 50, of 12 items
        ("mrr", pytest.approx(np.mean(1 / (expected + 1)))),
    ]
    assert 0 < found["hit_rate@3"] < 1


@pytest.mark.parametrize(
    ("monitor", "names"),
    [
        ("hit_rate@50", ["hit_rate", "mrr"]),
        ("mrr", ["mrr", "hit_rate"]),
        ("ndcg@5", ["ndcg@5", "hit_rate", "mrr"]),
    ],
)
def test_what_is_watched_comes_first(monitor, names):
    network, features, ids, sequences = make_problem(with_own=False)
    found = NextItemValidation(sequences, features, ids, monitor)(network)
    assert list(found) == names
    expected = ranks_one_by_one(network, network.embed_items(features), sequences)
    assert found[names[0]] == pytest.approx(parse_monitor(monitor)(expected))
