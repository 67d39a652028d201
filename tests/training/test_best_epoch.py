"""The best epoch, and when to stop looking for a better one."""

import copy

import torch

from embrec.training.best_epoch import BestEpoch


def test_it_counts_from_the_last_best():
    network = torch.nn.Linear(1, 1)
    stopping = BestEpoch(patience=2)
    stops = [stopping.update(f, network, e) for e, f in enumerate([1, 0, 2, 2, 1], start=1)]
    assert stops == [False, False, False, False, True]
    assert stopping.best_epoch == 3


def follow(stopping, network, figures, first_epoch):
    """Change the network and tell the figure, epoch by epoch."""
    stops = []
    for epoch, figure in enumerate(figures, start=first_epoch):
        with torch.no_grad():
            network.weight.fill_(epoch)
        stops.append(stopping.update(figure, network, epoch))
    return stops


def test_the_weights_of_the_best_epoch_come_back():
    network, stopping = torch.nn.Linear(1, 1), BestEpoch(patience=9)
    stopping.restore(network)  # there are none yet
    # figures are compared as tuples are
    follow(stopping, network, [(0.5, 0.1), (0.5, 0.3), (0.4, 0.9), (0.5, 0.3)], 1)
    assert network.weight.item() == 4
    stopping.restore(network)
    assert network.weight.item() == 2


def test_its_state_can_be_taken_along():
    figures = [(1, 0), (3, 0), (2, 0), (3, 0), (3, 1), (2, 0), (1, 0), (0, 0)]
    network, stopping = torch.nn.Linear(1, 1), BestEpoch(patience=3)
    follow(stopping, network, figures[:4], 1)
    other, resumed = torch.nn.Linear(1, 1), BestEpoch(patience=3)
    resumed.load_state_dict(copy.deepcopy(stopping.state_dict()))
    stops = follow(stopping, network, figures[4:], 5)
    assert follow(resumed, other, figures[4:], 5) == stops == [False, False, False, True]
    assert resumed.best_epoch == stopping.best_epoch == 5
    for each in (network, other):
        stopping.restore(each)
        assert each.weight.item() == 5
