"""A run of training: what of features and sequences it reads, and what makes it another run."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from small_network import own_of, small_network

from embrec.components import Adam, CrossEntropy
from embrec.data.ragged import Ragged
from embrec.network import to_feature_tensors
from embrec.training import TrainedItems, TrainingSequences, TrainingSettings
from embrec.training.checkpoint import CheckpointError
from embrec.training.negatives import NegativeSampler
from embrec.training.run import TrainingData, TrainingGoal, train_network

#: Seven items, of which training sees four; those that are known longest come first.
N_ITEMS, KNOWN = 7, np.array([5, 1, 2, 6])
SETTINGS = TrainingSettings(Adam(0.01), batch_size=2, max_epochs=1)
GOAL = TrainingGoal(CrossEntropy()._build(), None)


def ragged(*rows, names=None):
    cut = Ragged.from_lengths(np.concatenate(rows).astype(np.int32), np.array(list(map(len, rows))))
    return replace(cut, names=names)


LOG = ragged([1, 5, 2], [6, 5], [2, 2, 6, 1])


def features(seed=0):
    return np.random.default_rng(seed).normal(size=(N_ITEMS, 3)).astype(np.float32)


def make_data(sequences=LOG, *, blocks=None, validation=None, counts=(2, 2, 3, 2)):
    blocks = [features()] if blocks is None else blocks
    trained = TrainedItems(KNOWN, np.array(counts))
    return TrainingData(TrainingSequences(sequences, 50), validation, blocks, trained, N_ITEMS)


def run(data=None, *, settings=SETTINGS, goal=GOAL, network=None, seed=0, **more):
    network = small_network(3, 4, 4, 4, own=own_of(4, 4)) if network is None else network
    data = make_data() if data is None else data
    return train_network(network, data, settings, goal, np.random.RandomState(seed), **more)


def test_items_are_called_what_the_network_knows_them_by():
    data = make_data(blocks=[features(), np.ones((N_ITEMS, 2), np.float32)])
    found = data.numbered_sequences().take(np.arange(3))
    assert [found[i].tolist() for i in range(3)] == [[1, 0, 2], [3, 0], [2, 2, 3, 1]]
    # next items: 5, 2; 5; 2, 6, 1
    assert data.count_targets().tolist() == [2, 1, 2, 1]
    assert data.n_features == (3, 2)


def test_the_loss_sees_trained_items_alone_in_their_order():
    seen = []
    network = small_network(3, 4, 4, 4, own=own_of(4, 4))
    torch.nn.init.normal_(network.items.id_vectors.weight)
    before = network.embed_items(
        to_feature_tensors([features()[KNOWN]], torch.device("cpu")), torch.arange(4)
    ).detach()

    def loss(predicted, items, targets, negatives, log_expected=None):
        seen.append((items.detach().clone(), sorted(targets.tolist())))
        return GOAL.loss(predicted, items, targets, negatives, log_expected=log_expected)

    run(network=network, settings=replace(SETTINGS, batch_size=3), goal=TrainingGoal(loss, None))
    ((items, targets),) = seen
    torch.testing.assert_close(items, before)
    assert targets == [0, 0, 1, 2, 2, 3]


def test_negatives_are_trained_items_too():
    drawn = []
    network = small_network(3, 4, 4, 4)
    features_of = to_feature_tensors([features()[KNOWN]], torch.device("cpu"))
    vectors = network.embed_items(features_of).detach()

    def loss(predicted, items, targets, negatives, log_expected=None):
        # only the items of a step are embedded, so these are not numbers of trained items
        apart = torch.cdist(items[negatives].detach(), vectors)
        drawn.extend((apart < 1e-5).nonzero()[:, 1].tolist())
        return GOAL.loss(predicted, items, targets, negatives, log_expected=log_expected)

    sampler = NegativeSampler(np.array([0, 1, 0, 1]), 20, 1.0)
    settings = replace(SETTINGS, batch_size=3)
    run(network=network, settings=settings, goal=TrainingGoal(loss, sampler))
    assert len(drawn) == 20
    assert set(drawn) == {1, 3}


@pytest.mark.parametrize("known", [KNOWN, np.arange(N_ITEMS)], ids=["some", "all in order"])
def test_validation_is_over_the_whole_catalogue(known):
    """Item 0 has features that every prediction likes best, whether training knows it or not."""
    block = np.zeros((N_ITEMS, 3), dtype=np.float32)
    network = small_network(3, 4, 4, 4)
    with torch.no_grad():
        block[0] = 1
        network.items.towers[0].output.bias.fill_(0.1)
        network.items.towers[0].weight.fill_(1)
        network.items.towers[0].output.weight.fill_(1)
        network.encoder.output.weight.zero_()
        network.encoder.output.bias.fill_(1)
    trained = TrainedItems(known, np.ones(len(known), dtype=np.int64))
    data = replace(make_data(blocks=[block], validation=ragged([1, 0], [5, 0])), trained=trained)
    settings = replace(SETTINGS, optimizer=Adam(1e-12))
    goal = replace(GOAL, monitor="hit_rate@1")
    found = run(data, network=network, settings=settings, goal=goal).log[0]
    assert found["valid_hit_rate@1"] == 1.0


VALIDATION = ragged([1, 2], [5, 6])
SPARSE = sp.csr_array((np.ones(2, np.float32), [0, 2], [0, 1, 1, 2, 2, 2, 2, 2]), (N_ITEMS, 3))
#: The same numbers in the same order, in other rows.
SHIFTED = sp.csr_array((np.ones(2, np.float32), [0, 2], [0, 0, 1, 2, 2, 2, 2, 2]), (N_ITEMS, 3))
OTHER_RUNS = {
    "seed": lambda: run_id(seed=1),
    "weights": lambda: run_id(network=changed_network()),
    "batch size": lambda: run_id(settings=replace(SETTINGS, batch_size=3)),
    "epochs": lambda: run_id(settings=replace(SETTINGS, max_epochs=2)),
    "average": lambda: run_id(settings=replace(SETTINGS, ema_decay=0.9)),
    "parts": lambda: run_id(parts={"optimizer": {"learning_rate": 0.02}}),
    "an item": lambda: run_id(make_data(ragged([1, 5, 2], [6, 5], [2, 2, 6, 2]))),
    "where sequences end": lambda: run_id(make_data(ragged([1, 5], [2, 6, 5], [2, 2, 6, 1]))),
    "users": lambda: run_id(make_data(replace(LOG, names=np.array([3, 1, 2])))),
    "counts": lambda: run_id(make_data(counts=(2, 2, 3, 3))),
    "features": lambda: run_id(make_data(blocks=[features(1)])),
    "sparse features": lambda: run_id(make_data(blocks=[SPARSE])),
    "rows of sparse features": lambda: run_id(make_data(blocks=[SHIFTED])),
    "validation": lambda: run_id(make_data(validation=VALIDATION)),
    "an item of validation": lambda: run_id(make_data(validation=ragged([1, 2], [5, 1]))),
    "ends of validation": lambda: run_id(make_data(validation=ragged([1], [2, 5, 6]))),
    "users of validation": lambda: run_id(
        make_data(validation=replace(VALIDATION, names=np.array([1, 2])))
    ),
}


def changed_network():
    network = small_network(3, 4, 4, 4, own=own_of(4, 4))
    with torch.no_grad():
        network.encoder.output.bias[0] += 1
    return network


class Stop(Exception):
    """Ends a run before its first step."""


def run_id(data=None, **more):
    """Ask what a run is called in the folder of its checkpoints."""
    called = []

    class Folder:
        def __init__(self, folder, *, run_id):
            called.append(run_id)
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("embrec.training.run.CheckpointFolder", Folder)
        with pytest.raises(Stop):
            run(data, checkpoint_dir="anywhere", **more)
    return called[0]


def test_every_other_run_is_called_something_else():
    names = {"the first": run_id(), **{what: make() for what, make in OTHER_RUNS.items()}}
    assert len(set(names.values())) == len(names), names


def test_what_is_the_same_run():
    sparse = []
    for dtype in (np.int32, np.int64):
        sparse.append(SPARSE.copy())
        for part in ("indices", "indptr"):
            setattr(sparse[-1], part, getattr(SPARSE, part).astype(dtype))
    assert run_id(make_data(blocks=sparse[:1])) == run_id(make_data(blocks=sparse[1:]))
    with np.printoptions(linewidth=200, threshold=5):
        printed = run_id()
    fortran = run_id(make_data(blocks=[np.asfortranarray(features())]))
    shown = run_id(settings=replace(SETTINGS, verbose=2))
    assert {printed, fortran, shown} == {run_id()}


def test_a_folder_of_another_run_is_left_alone(tmp_path):
    first = run(checkpoint_dir=tmp_path)
    before = sorted(tmp_path.iterdir())
    assert before
    assert run(checkpoint_dir=tmp_path).log == first.log  # read, and not trained again
    with pytest.raises(CheckpointError, match="another run, of other settings or data"):
        run(checkpoint_dir=tmp_path, seed=1)
    assert sorted(tmp_path.iterdir()) == before
