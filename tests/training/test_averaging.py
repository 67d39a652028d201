"""The moving average of weights, against its definition."""

import numpy as np
import pytest
import torch
from small_network import small_network
from torch import nn

from embrec.components import Adam, CrossEntropy
from embrec.data.ragged import Ragged
from embrec.network import to_feature_tensors
from embrec.training import (
    Callback,
    Objective,
    TrainingSequences,
    TrainingSettings,
    train,
)
from embrec.training.averaging import STEPS_BETWEEN, WeightAverage
from embrec.training.best_epoch import BestEpoch


def keep(step, decay):
    return min(decay, (1 + step) / (10 + step))


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_it_follows_its_definition(decay):
    network = nn.Linear(2, 2).double()
    average = WeightAverage(network, decay)
    expected, seen = network.weight.detach().clone(), 0
    generator = torch.Generator().manual_seed(0)
    for step in range(1, 30):
        with torch.no_grad():
            network.weight.add_(torch.randn(2, 2, generator=generator, dtype=torch.float64))
        average.step()
        if step % STEPS_BETWEEN == 0:
            share = keep(step, decay) ** (step - seen)
            expected = share * expected + (1 - share) * network.weight.detach()
            seen = step
        torch.testing.assert_close(average.network.weight.detach(), expected)
    average.look()
    share = keep(29, decay) ** (29 - seen)
    expected = share * expected + (1 - share) * network.weight.detach()
    torch.testing.assert_close(average.network.weight.detach(), expected)
    average.look()  # nothing happened since
    torch.testing.assert_close(average.network.weight.detach(), expected)


N_ITEMS = 12


class Watch(Callback):
    """Averages the weights it sees, as the definition says."""

    def __init__(self, network, decay):
        self.mean = {k: v.detach().clone() for k, v in network.state_dict().items()}
        self.decay, self.step, self.seen = decay, 0, 0

    def on_step_end(self, progress):
        self.step, self.raw = self.step + 1, progress.network
        if self.step - self.seen >= STEPS_BETWEEN:
            self.look(self.raw)

    def on_epoch_end(self, progress):
        if self.step > self.seen:
            self.look(self.raw)
        for name, weights in progress.network.state_dict().items():  # what was validated
            torch.testing.assert_close(weights, self.mean[name])

    def look(self, network):
        share = keep(self.step, self.decay) ** (self.step - self.seen)
        for name, weights in network.state_dict().items():
            self.mean[name] = share * self.mean[name] + (1 - share) * weights
        self.seen = self.step


@pytest.mark.parametrize("patience", [None, 2])
def test_training_validates_and_keeps_the_average(patience):
    network = small_network(N_ITEMS)
    features = to_feature_tensors([np.eye(N_ITEMS, dtype=np.float32)], torch.device("cpu"))
    rows = np.random.default_rng(0).integers(0, N_ITEMS, 500).astype(np.int32)
    sequences = TrainingSequences(Ragged.from_lengths(rows, np.full(100, 5)), 50)
    stopping = None if patience is None else BestEpoch(patience)
    settings = TrainingSettings(Adam(0.01), 8, 3, stopping, ema_decay=0.9)
    watch, validated = Watch(network, 0.9), []

    def validate(network):
        validated.append({k: v.clone() for k, v in network.state_dict().items()})
        return {"hit_rate": len(validated) / 10, "mrr": 0.0}  # the last epoch is the best

    train(
        network,
        Objective(CrossEntropy()._build(), None, features, None),
        sequences,
        settings,
        rng=np.random.RandomState(0),
        callbacks=[watch],
        validate=validate,
    )
    for name, weights in network.state_dict().items():
        torch.testing.assert_close(weights, watch.mean[name])
        torch.testing.assert_close(weights, validated[-1][name])
