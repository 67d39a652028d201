"""The figure that early stopping watches."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

from embrec.data.ragged import Ragged
from embrec.network.features import FeatureTensor
from embrec.network.inference import embed_items, encode_queries
from embrec.scoring.ranks import rank_targets

#: Network, item vectors (n_items, d), histories of n rows: to query vectors (n, d).
Encode: TypeAlias = Callable[[Any, Tensor, Ragged], Tensor]


class NextItemValidation:
    """Ranks each sequence's last item, given the ones before, among all items.

    Parameters
    ----------
    sequences : Ragged of item rows
        None of them empty.
    features : list of Tensor or SparseMatrix
        Feature blocks of all items, on the network's device.
    k : int, default=50
        Cut-off of the hit rate.
    ids : Tensor of shape (n_items,), int64, optional
        Rows of the items' own vectors and biases, -1 where there are none.
    encode : callable, default=encode_queries
        Turns network, item vectors and histories into query vectors.
    """

    def __init__(
        self,
        sequences: Ragged,
        features: Sequence[FeatureTensor],
        k: int = 50,
        ids: Tensor | None = None,
        encode: Encode = encode_queries,
    ) -> None:
        self.features = features
        self.ids = ids
        self.histories = sequences.drop_last()
        self.targets = sequences.last()
        self.k = k
        self.encode = encode

    def __call__(self, network: Any) -> tuple[float, float]:
        """Evaluate a network, dropout off.

        Returns
        -------
        hit_rate, mrr : float
            The hit rate at ``k``, and the mean reciprocal rank, which tells epochs apart whose hit
            rates are level: on a catalogue of at most ``k`` items they always are.
        """
        items = embed_items(network, self.features, self.ids)
        queries = self.encode(network, items, self.histories)
        ranks, _ = rank_targets(queries, items, self.targets)
        return float(np.mean(ranks < self.k)), float(np.mean(1 / (ranks + 1)))
