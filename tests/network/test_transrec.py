"""TransRec's network, against its formulas written out."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from gru_reference import CPU, make_sequences
from torch import nn

from embrec.data.ragged import Ragged
from embrec.network.items import PointItems
from embrec.network.packing import pack
from embrec.network.transrec import TranslationModule, TransRecNetwork

USERS = [2, -1, 0, 3]


def make_encoder(n_users=4):
    torch.manual_seed(0)
    encoder = TranslationModule(3, n_users)
    for weights in encoder.parameters():
        nn.init.normal_(weights)
    return encoder


def named(sequences, users=USERS):
    return Ragged(sequences.values, sequences.offsets, np.array(users))


def own_of(encoder, user):
    return encoder.user_vectors.weight[user] if user >= 0 else torch.zeros(3)


@torch.no_grad()
def test_a_step_leads_from_the_last_item_by_both_translations():
    encoder, items = make_encoder(), torch.randn(20, 3)
    sequences = make_sequences([3, 1, 5, 2])
    batch = pack(named(sequences), with_targets=False, device=CPU)
    found = encoder(items[batch.rows], batch.packing)
    states = encoder.final_state(items[batch.rows], batch.packing)
    predicted = encoder.read(states)
    for lane, number in enumerate(batch.order):
        own = own_of(encoder, USERS[number])
        rows = torch.from_numpy(sequences[number].astype(np.int64))
        expected = items[rows] + encoder.translation + own
        torch.testing.assert_close(found[batch.packing.lanes == lane], expected)
        torch.testing.assert_close(predicted[lane], expected[-1])
        # a session goes on from there
        state = encoder.advance(states[[lane]], items[[7]])
        torch.testing.assert_close(encoder.read(state)[0], items[7] + encoder.translation + own)


@pytest.mark.parametrize("n_users", [0, 4])
@torch.no_grad()
def test_without_names_all_share_one_translation(n_users):
    encoder, items = make_encoder(n_users), torch.randn(20, 3)
    batch = pack(make_sequences([3, 1, 5, 2]), with_targets=False, device=CPU)
    expected = items[batch.rows] + encoder.translation
    torch.testing.assert_close(encoder(items[batch.rows], batch.packing), expected)
    states = encoder.final_state(items[batch.rows], batch.packing)
    torch.testing.assert_close(encoder.read(states), expected[batch.packing.last_steps])


def test_before_any_item_stands_the_middle_of_the_space():
    encoder = make_encoder()
    assert not encoder.read(encoder.initial_state(2)).any()
    assert encoder.read_first() is None


@pytest.mark.parametrize("n_users", [0, 4])
def test_the_penalty_is_the_squares_of_what_a_step_uses(n_users):
    torch.manual_seed(1)
    encoder, points = make_encoder(n_users), PointItems(20, 3)
    nn.init.normal_(points.id_vectors.weight)
    nn.init.normal_(points.id_biases.weight)
    network = TransRecNetwork(points, encoder, 0.3).double()
    sequences = make_sequences([4, 2, 6, 3])
    batch = pack(named(sequences), with_targets=True, device=CPU)
    negatives = torch.tensor([3, 3, 17])
    vectors = network.embed_items([], torch.arange(20))
    found = network.penalty(vectors, batch, negatives)

    squares = points.id_vectors.weight.square().sum(1)
    scored = squares + points.id_biases.weight[:, 0].square()
    of_steps = []
    for number, user in enumerate(USERS):
        rows = sequences[number].tolist()
        own = own_of(encoder, user).square().sum() if n_users else 0
        for before, after in pairwise(rows):
            of_negatives = sum(scored[j] for j in negatives.tolist()) / 3
            steps = encoder.translation.square().sum() + own
            of_steps.append(squares[before] + scored[after] + of_negatives + steps)
    expected = 0.3 * sum(of_steps) / len(of_steps)
    torch.testing.assert_close(found, expected)
    weights = [p for p in network.parameters() if p.numel()]
    ours, theirs = (torch.autograd.grad(value, weights) for value in (found, expected))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)
