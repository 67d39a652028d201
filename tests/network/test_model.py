"""The network on packed sequences, against one sequence at a time, step by step."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from embrec.data.ragged import Ragged
from embrec.network import Dropout, EmbRecNetwork, NetworkSize, to_feature_tensors
from embrec.network.device import resolve_device
from embrec.network.inference import encode_queries, encode_states
from embrec.network.packing import fixed_size_blocks, pack
from embrec.network.weights import build_network, copy_network, fingerprint

CPU = torch.device("cpu")
VARIANTS = [(1, True), (1, False), (2, True), (2, False)]


def make_network(n_layers=1, residual=True, dropout=None, n_features=(5, 4)):
    torch.manual_seed(0)
    size = NetworkSize(n_features, 3, 6, 7, n_layers, residual)
    network = EmbRecNetwork(size, dropout or Dropout())
    nn.init.normal_(network.initial)
    return network.eval()


def make_sequences(lengths, n_items=20, seed=0):
    values = np.random.default_rng(seed).integers(0, n_items, sum(lengths)).astype(np.int32)
    return Ragged.from_lengths(values, np.array(lengths))


def predictions_one_by_one(network, items, sequence):
    """ê after each step, from the GRU's documented interface, one sequence and step at a time."""
    n_layers, hidden_size = network.size.n_layers, network.size.hidden_size
    hidden = network.initial[: n_layers * hidden_size].reshape(n_layers, 1, hidden_size)
    predicted = []
    for row in sequence:
        item = items[int(row)]
        output, hidden = network.gru(item.reshape(1, 1, -1), hidden.contiguous())
        step = network.output(output[0, 0])
        predicted.append(step + item if network.size.residual else step)
    return torch.stack(predicted)


@pytest.fixture
def items():
    return torch.randn(20, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("n_layers", "residual"), VARIANTS)
@torch.no_grad()
def test_packed_steps_equal_steps_one_by_one(n_layers, residual, items):
    network = make_network(n_layers, residual)
    sequences = make_sequences([3, 1, 5, 2, 5])
    batch = pack(sequences, with_targets=False, device=CPU)
    packed = network.predict_steps(items[batch.rows], batch.batch_sizes)
    for place, number in enumerate(batch.order):
        alone = predictions_one_by_one(network, items, sequences[number])
        start = 0
        for time, n_reaching in enumerate(batch.batch_sizes.tolist()):
            if place < n_reaching:
                torch.testing.assert_close(packed[start + place], alone[time])
            start += n_reaching


@pytest.mark.parametrize(("n_layers", "residual"), VARIANTS)
@torch.no_grad()
def test_queries_equal_the_last_step_and_a_chain_of_advances(n_layers, residual, items):
    network = make_network(n_layers, residual)
    sequences = make_sequences([4, 0, 7, 1, 0, 2])
    queries = encode_queries(network, items, sequences)
    for number in range(len(sequences)):
        state = network.initial_states(1)
        for row in sequences[number]:
            state = network.advance(state, items[[int(row)]])
        torch.testing.assert_close(queries[number], network.predict(state)[0])
        if len(sequences[number]):
            alone = predictions_one_by_one(network, items, sequences[number])
            torch.testing.assert_close(queries[number], alone[-1])


@torch.no_grad()
def test_states_do_not_depend_on_the_company(items):
    network = make_network()
    sequences = make_sequences([6, 2, 0, 9, 3, 3, 1])
    together = encode_states(network, items, sequences)
    for max_steps in (1, 4, 10):
        torch.testing.assert_close(
            encode_states(network, items, sequences, max_steps=max_steps), together
        )


def test_prediction_of_the_first_item_trains_the_initial_state_alone():
    for residual in (True, False):
        network = make_network(residual=residual)
        first = network.predict_first()
        torch.testing.assert_close(first, network.predict(network.initial_states(1)))
        first.sum().backward()
        assert network.initial.grad.abs().sum() > 0
        assert network.output.weight.grad is None


def test_towers_are_linear_relu_linear_side_by_side():
    network = make_network()
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(8, 5)).astype(np.float32)
    sparse = sp.random(8, 4, 0.5, format="csr", rng=rng).astype(np.float32)
    network.fit_scales([4.0, 0.25])
    embedded = network.embed_items(to_feature_tensors([dense, sparse], CPU))
    parts = []
    for tower, block, scale in zip(
        network.towers, (dense, sparse.toarray()), (0.5, 2), strict=True
    ):
        hidden = torch.relu(torch.from_numpy(scale * block) @ tower.weight + tower.bias)
        parts.append(hidden @ tower.output.weight.T + tower.output.bias)
    torch.testing.assert_close(embedded, torch.cat(parts, dim=1))


@pytest.mark.parametrize("place", ["tower", "input", "output"])
def test_dropout_acts_in_training_only(place, items):
    network = make_network(dropout=Dropout(**{place: 0.5}))
    features = to_feature_tensors([np.ones((20, 5), np.float32), np.ones((20, 4), np.float32)], CPU)
    batch = pack(make_sequences([5, 5]), with_targets=False, device=CPU)

    def run():
        embedded = network.embed_items(features) if place == "tower" else items
        return network.predict_steps(embedded[batch.rows], batch.batch_sizes)

    assert torch.equal(run(), run())
    network.train()
    assert not torch.equal(run(), run())


@pytest.mark.parametrize("with_targets", [True, False])
def test_pack_orders_steps_by_time(with_targets):
    sequences = make_sequences([2, 5, 3, 2])
    batch = pack(sequences, with_targets=with_targets, device=CPU)
    lists = [sequences[i].tolist() for i in (1, 2, 0, 3)]  # longest first, ties in order
    assert batch.order.tolist() == [1, 2, 0, 3]
    steps = [(s[:-1], s[1:]) if with_targets else (s, s) for s in lists]
    rows, targets, sizes = [], [], []
    for time in range(max(len(read) for read, _ in steps)):
        reaching = [(read[time], after[time]) for read, after in steps if len(read) > time]
        sizes.append(len(reaching))
        rows += [read for read, _ in reaching]
        targets += [after for _, after in reaching]
    assert batch.rows.tolist() == rows
    assert batch.batch_sizes.tolist() == sizes
    if with_targets:
        assert batch.targets.tolist() == targets
    else:
        assert batch.targets is None


def test_blocks_hold_no_more_steps_than_allowed():
    lengths = np.array([3, 3, 9, 1, 1, 1, 4])
    blocks = list(fixed_size_blocks(lengths, 6))
    assert blocks == [(0, 2), (2, 3), (3, 6), (6, 7)]


@pytest.mark.parametrize("n_towers", [1, 3])
@torch.no_grad()
def test_any_number_of_towers(n_towers):
    network = make_network(n_features=(4,) * n_towers)
    blocks = [
        np.random.default_rng(i).normal(size=(20, 4)).astype(np.float32) for i in range(n_towers)
    ]
    items = network.embed_items(to_feature_tensors(blocks, CPU))
    assert items.shape == (20, 3 * n_towers)
    for i in range(n_towers):
        alone = network.towers[i](torch.from_numpy(blocks[i]))
        torch.testing.assert_close(items[:, 3 * i : 3 * (i + 1)], alone)
    sequences = make_sequences([3, 1, 4])
    states = encode_states(network, items, sequences)
    assert states.shape == (3, network.state_size)
    for number in range(3):
        alone = predictions_one_by_one(network, items, sequences[number])[-1]
        torch.testing.assert_close(network.predict(states)[number], alone)


@torch.no_grad()
def test_dropout_acts_between_layers_too():
    """It shows in the state, which what is dropped from the last outputs does not reach."""
    network = make_network(n_layers=2, dropout=Dropout(output=0.5))
    items = torch.randn(20, 6, generator=torch.Generator().manual_seed(1))
    batch = pack(make_sequences([5, 5]), with_targets=False, device=CPU)

    def states():
        return network.final_states(items[batch.rows], batch.batch_sizes)

    assert torch.equal(states(), states())
    network.train()
    assert not torch.equal(states(), states())


@torch.no_grad()
def test_what_is_kept_is_scaled_to_the_same_mean():
    """The probability is that of dropping, not of keeping."""
    network = make_network(residual=False, dropout=Dropout(output=0.9)).train()
    nn.init.eye_(network.output.weight)
    nn.init.zeros_(network.output.bias)
    dropped = network._predict(torch.ones(4000, 7), torch.zeros(4000, 6))[:, :6]
    torch.testing.assert_close(dropped.unique(), torch.tensor([0.0, 10.0]))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.9, abs=0.02)


def test_a_copy_is_independent_and_has_the_same_fingerprint():
    network = make_network(n_layers=2)
    before = torch.random.get_rng_state()
    twin = copy_network(network.train(), CPU)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not twin.training
    assert fingerprint(twin) == fingerprint(network)
    with torch.no_grad():
        twin.initial += 1e-7
    assert fingerprint(twin) != fingerprint(network)
    one, other = (build_network(network.size, network.dropout, seed) for seed in (3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert fingerprint(build_network(network.size, network.dropout, 3)) == fingerprint(one)
    assert fingerprint(other) != fingerprint(one)


def test_devices_are_resolved():
    assert resolve_device("cpu") == resolve_device(torch.device("cpu")) == CPU
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto").type == expected
    with pytest.raises(ValueError, match="must be 'auto' or a device of torch"):
        resolve_device("abacus")
