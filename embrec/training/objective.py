"""What training makes smaller: a loss of the next items, over all items or a fresh sample."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from embrec.network.features import FeatureTensor, select_features
from embrec.network.losses import (
    bpr,
    bpr_max,
    cosine_distance,
    cross_entropy,
    shared_cross_entropy,
)
from embrec.network.packing import PackedBatch
from embrec.network.recurrent import SequenceNetwork
from embrec.training.negatives import NegativeSample, NegativeSampler


@dataclass(frozen=True)
class LossSettings:
    """Which loss, against which negatives.

    Parameters
    ----------
    name : {"cross_entropy", "bpr", "bpr_max", "cosine"}
    n_negatives : int or None
        Negatives drawn at every step; None is all items.
    sample_alpha : float
        Negatives are drawn in proportion to this power of their popularity.
    logq : bool
        Whether sampled cross-entropy is corrected for how items are drawn.
    bpr_max_reg : float
        Weight of BPR-max's regularisation.
    batch_negatives : bool
        Whether the next items of a batch are negatives of each other, besides those drawn.
    precision : torch.dtype or None
        Of the scores; None is that of the network.
    memory : int or None
        Bytes of scores held at a time; None chooses.
    """

    name: str = "cross_entropy"
    n_negatives: int | None = None
    sample_alpha: float = 1.0
    logq: bool = True
    bpr_max_reg: float = 1.0
    batch_negatives: bool = False
    precision: torch.dtype | None = None
    memory: int | None = None


class Objective:
    """The loss of a batch.

    The first items count too, as cross-entropy; they train the state before any item, and nothing
    else. Items are embedded once: for the GRU's input and for the scores alike. With sampled
    negatives only those are embedded that the batch needs.

    Parameters
    ----------
    settings : LossSettings
    features : list of Tensor, SparseMatrix or StoredMatrix
        One feature block per tower, on the network's device, one row per item.
    ids : Tensor of shape (n_items,), int64, or None
        Rows of the items' own vectors.
    counts : ndarray of shape (n_items,)
        Events of each item in training.
    n_targets : ndarray of shape (n_items,), optional
        How often each item is a next item; by default in proportion to ``counts``.
    """

    def __init__(
        self,
        settings: LossSettings,
        features: Sequence[FeatureTensor],
        ids: Tensor | None,
        counts: np.ndarray,
        n_targets: np.ndarray | None = None,
    ) -> None:
        self.settings = settings
        self.features = features
        self.ids = ids
        self._sampler = None
        if settings.n_negatives is not None:
            self._sampler = NegativeSampler(
                counts, settings.n_negatives, settings.sample_alpha, n_targets
            )

    @property
    def uses_few_items(self) -> bool:
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
        also = batch.targets.cpu().numpy() if self.settings.batch_negatives else None
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
        assert batch.targets is not None
        rows, batch_sizes = batch.rows, batch.batch_sizes
        # not items[rows], whose gradient is summed in an order that differs from run to run
        predicted = network.predict_steps(F.embedding(rows, items), batch_sizes)
        n_steps, n_sequences = len(predicted), int(batch_sizes[0])
        steps = self._contrast(predicted, items, batch.targets, sample)
        if not network.learns_start:
            return steps
        first_items, first = rows[:n_sequences], network.predict_first()
        if sample is None:
            start = shared_cross_entropy(first, items.detach(), first_items)
        else:
            start = cross_entropy(
                first.expand(n_sequences, -1),
                items.detach(),
                first_items,
                sample[0],
                log_expected=sample[1],
            )
        return (n_steps * steps + n_sequences * start) / (n_steps + n_sequences)

    def _contrast(
        self,
        predicted: Tensor,
        items: Tensor,
        targets: Tensor,
        sample: tuple[Tensor, Tensor] | None,
    ) -> Tensor:
        settings = self.settings
        if settings.name == "cosine":
            return cosine_distance(predicted, items, targets)
        negatives, log_expected = (None, None) if sample is None else sample
        loss: Any = {"bpr": bpr, "bpr_max": bpr_max, "cross_entropy": cross_entropy}[settings.name]
        if settings.name == "bpr_max":
            loss = partial(loss, regularization=settings.bpr_max_reg)
        elif settings.name == "cross_entropy" and settings.logq:
            loss = partial(loss, log_expected=log_expected)
        found: Tensor = loss(
            predicted,
            items,
            targets,
            negatives,
            memory=settings.memory,
            precision=settings.precision,
        )
        return found
