"""The figure that early stopping watches."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from embrec._utils.parameters import did_you_mean
from embrec.data.ragged import Ragged
from embrec.network.features import FeatureTensor
from embrec.network.inference import embed_items, encode_queries
from embrec.scoring.ranks import rank_targets

_MONITOR = re.compile(r"(hit_rate|ndcg)@([1-9][0-9]*)|mrr")


def parse_monitor(name: str) -> Callable[[np.ndarray], float]:
    """Turn the name of a figure into a function of ranks, 0 being best.

    Raises
    ------
    ValueError
        If there is no such figure.
    """
    found = _MONITOR.fullmatch(name)
    if found is None:
        raise ValueError(
            "monitor must be 'hit_rate@K', 'ndcg@K' or 'mrr', with K a number >= 1; "
            f"got {name!r}.{did_you_mean(name, ['hit_rate@50', 'ndcg@10', 'mrr'])}"
        )
    if name == "mrr":
        return lambda ranks: float(np.mean(1 / (ranks + 1)))
    k = int(found[2])
    if found[1] == "hit_rate":
        return lambda ranks: float(np.mean(ranks < k))
    return lambda ranks: float(np.mean(np.where(ranks < k, 1 / np.log2(ranks + 2), 0)))


class NextItemValidation:
    """Ranks each sequence's last item, given the ones before, among all items.

    Parameters
    ----------
    sequences : Ragged of item rows
        None of them empty.
    features : list of Tensor or SparseMatrix
        Feature blocks of all items, on the network's device.
    ids : Tensor of shape (n_items,), int64, optional
        Rows of the items' own vectors and biases, -1 where there are none.
    monitor : str, default="hit_rate@50"
        The figure that is watched.
    """

    def __init__(
        self,
        sequences: Ragged,
        features: Sequence[FeatureTensor],
        ids: Tensor | None = None,
        monitor: str = "hit_rate@50",
    ) -> None:
        self.features = features
        self.ids = ids
        self.histories = sequences.drop_last()
        self.targets = sequences.last()
        self.monitor = monitor

    def __call__(self, network: Any) -> dict[str, float]:
        """Evaluate a network, dropout off.

        Returns
        -------
        dict of str to float
            What is watched comes first. Then ``hit_rate``, at 50, and ``mrr``, the mean reciprocal
            rank, which tells epochs apart whose hit rates are level: on a catalogue of at most 50
            items they always are.
        """
        items = embed_items(network, self.features, self.ids)
        queries = encode_queries(network, items, self.histories)
        ranks, _ = rank_targets(queries, items, self.targets)
        names = {"hit_rate": "hit_rate@50", "mrr": "mrr"}
        if self.monitor not in names.values():
            names = {self.monitor: self.monitor, **names}
        elif self.monitor == "mrr":
            names = {"mrr": "mrr", "hit_rate": "hit_rate@50"}
        return {short: parse_monitor(name)(ranks) for short, name in names.items()}
