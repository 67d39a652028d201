"""What training makes smaller: a loss of the next items, over all items or a fresh sample."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from embrec.network.features import FeatureTensor, select_features
from embrec.network.losses import cross_entropy, shared_cross_entropy
from embrec.network.model import SequenceNetwork
from embrec.network.packing import PackedBatch
from embrec.training.negatives import NegativeSample, NegativeSampler

#: Predicted embeddings, items, targets, negatives and ``log_expected=``, to a mean over steps.
LossFunction: TypeAlias = Callable[..., Tensor]


class Objective:
    """The loss of a batch.

    The first items count too, as cross-entropy; they train the state before any item, and nothing
    else. Items are embedded once: for the encoder's input and for the scores alike. With sampled
    negatives only those are embedded that the batch needs.

    Parameters
    ----------
    loss : callable
        ``loss(predicted, items, targets, negatives, log_expected=)``.
    sampler : NegativeSampler or None
        None sets next items against all items.
    features : list of Tensor, SparseMatrix or StoredMatrix
        One feature block per tower, on the network's device, one row per item.
    ids : Tensor of shape (n_items,), int64, or None
        Rows of the items' own vectors.
    """

    def __init__(
        self,
        loss: LossFunction,
        sampler: NegativeSampler | None,
        features: Sequence[FeatureTensor],
        ids: Tensor | None,
    ) -> None:
        self.loss = loss
        self.features = features
        self.ids = ids
        self._sampler = sampler

    @property
    def is_sampled(self) -> bool:
        """Whether a step uses but some of the items, so that only their weights need a change."""
        return self._sampler is not None

    def __call__(
        self, network: SequenceNetwork, batch: PackedBatch, rng: np.random.RandomState
    ) -> Tensor:
        """Mean loss over the next items of a batch.

        Parameters
        ----------
        network : SequenceNetwork
        batch : PackedBatch
            With targets.
        rng : RandomState
            Draws negatives.

        Returns
        -------
        Tensor of shape ()
        """
        assert batch.targets is not None
        if self._sampler is None:
            items = network.embed_items(self.features, self.ids)
            return self._loss(network, items, batch)
        also = batch.targets.cpu().numpy() if self._sampler.in_batch else None
        return self._sampled(network, batch, self._sampler.draw(rng, also))

    def _sampled(
        self, network: SequenceNetwork, batch: PackedBatch, sample: NegativeSample
    ) -> Tensor:
        assert batch.targets is not None
        device = batch.rows.device
        wanted = (batch.rows.cpu().numpy(), batch.targets.cpu().numpy(), sample.rows)
        used, places = np.unique(np.concatenate(wanted), return_inverse=True)
        on_device = torch.from_numpy(places).to(device)
        rows, targets, negatives = torch.split(on_device, [len(part) for part in wanted])
        ids = None if self.ids is None else self.ids[torch.from_numpy(used).to(device)]
        items = network.embed_items(select_features(self.features, used), ids)
        log_expected = torch.from_numpy(sample.log_expected).to(device)
        among_used = replace(batch, rows=rows, targets=targets)
        return self._loss(network, items, among_used, (negatives, log_expected))

    def _loss(
        self,
        network: SequenceNetwork,
        items: Tensor,
        batch: PackedBatch,
        sample: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Mean loss over a batch of rows of ``items``."""
        rows, packing = batch.rows, batch.packing
        # not items[rows], whose gradient is summed in an order that differs from run to run
        known = batch.event_tensors(rows.device), batch.visitor_tensors(rows.device)
        first, predicted = network.predict_all(F.embedding(rows, items), packing, *known)
        total, n_steps = self._sum_over_steps(predicted, items, batch, sample), len(predicted)
        negatives = None if sample is None else sample[0]
        penalty = network.penalty(items, batch, negatives)
        if penalty is not None:
            total = total + n_steps * penalty
        if first is None:
            return total / n_steps
        firsts, weights = rows[: packing.n_sequences], batch.first_weights
        if weights is None or bool(weights.any()):
            start = _first_loss(first, items.detach(), firsts, sample, weights)
            total = total + (len(firsts) if weights is None else weights.sum()) * start
        return total / (n_steps + len(firsts))

    def _sum_over_steps(
        self,
        predicted: Tensor,
        items: Tensor,
        batch: PackedBatch,
        sample: tuple[Tensor, Tensor] | None,
    ) -> Tensor:
        """Loss over the steps, each as much as its next item weighs: 1 on the whole."""
        targets, weights, more = batch.targets, batch.weights, {}
        assert targets is not None
        if weights is not None:
            counted = torch.nonzero(weights)[:, 0]
            predicted, targets, weights = predicted[counted], targets[counted], weights[counted]
            if len(counted) == 0:
                return 0 * (predicted.sum() + items.sum())
            if bool((weights != weights[0]).any()):
                _check_takes_weights(self.loss)
                more = {"weights": weights}
        negatives, log_expected = (None, None) if sample is None else sample
        corrected = self._sampler is not None and self._sampler.logq
        mean = self.loss(
            predicted,
            items,
            targets,
            negatives,
            log_expected=log_expected if corrected else None,
            **more,
        )
        return mean * (len(targets) if weights is None else weights.sum())


def _check_takes_weights(loss: LossFunction) -> None:
    parameters = inspect.signature(loss).parameters.values()
    if not any(p.name == "weights" or p.kind == p.VAR_KEYWORD for p in parameters):
        raise ValueError(
            "Events that count differently (sample_weight) need a loss that takes weights=, a "
            "Tensor of shape (n_steps,), for a weighted mean; this one does not. Weights of 0 and "
            "1 are for any loss."
        )


def _first_loss(
    first: Tensor,
    items: Tensor,
    first_items: Tensor,
    sample: tuple[Tensor, Tensor] | None,
    weights: Tensor | None,
) -> Tensor:
    if sample is None and len(first) == 1:
        return shared_cross_entropy(first, items, first_items, weights=weights)
    queries = first.expand(len(first_items), -1)
    negatives, log_expected = (None, None) if sample is None else sample
    return cross_entropy(
        queries, items, first_items, negatives, log_expected=log_expected, weights=weights
    )
