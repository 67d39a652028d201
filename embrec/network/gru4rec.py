"""The GRU4Rec network: items are known by a learned vector each, which is input and output."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from embrec.network.features import FeatureTensor
from embrec.network.id_vectors import IdVectors
from embrec.network.recurrent import Dropout, SequenceNetwork


@dataclass(frozen=True)
class GRU4RecSize:
    """What the network needs to know to be built.

    Parameters
    ----------
    n_ids : int
        Items that have a vector.
    hidden_size : int
        Width of the GRU and of an item's vector.
    n_layers : int
        Layers of the GRU.
    """

    n_ids: int
    hidden_size: int
    n_layers: int = 1


class GRU4RecNetwork(SequenceNetwork):
    """Scores items by ``h_t . E_j + b_j`` with ``h_t = GRU(h_{t-1}, E_i)``, ``i`` the item at t.

    One matrix ``E`` serves the input and the output ("constrained embeddings"). The GRU starts at
    0, so that what scores best before any item is what has the largest bias.

    Parameters
    ----------
    size : GRU4RecSize
    dropout : Dropout
        ``input`` is that of the embeddings, ``output`` that of the hidden states.
    """

    learns_start = False
    id_vectors: IdVectors
    id_biases: IdVectors

    def __init__(self, size: GRU4RecSize, dropout: Dropout) -> None:
        super().__init__(
            embedding_size=size.hidden_size,
            hidden_size=size.hidden_size,
            n_layers=size.n_layers,
            dropout=dropout,
            has_biases=True,
        )
        self.size = size
        self.gru = self._new_gru()
        self.register_buffer("initial", torch.zeros(self.state_size))
        self.id_vectors = IdVectors(size.n_ids, size.hidden_size)
        self.id_biases = IdVectors(size.n_ids, 1)
        # Glorot's bound, as in the authors' code
        bound = (6 / (size.n_ids + size.hidden_size)) ** 0.5
        nn.init.uniform_(self.id_vectors.weight, -bound, bound)

    def embed_items(self, blocks: Sequence[FeatureTensor], ids: Tensor | None = None) -> Tensor:
        """Look up items' vectors; ``blocks`` are not read.

        Parameters
        ----------
        blocks : list
        ids : Tensor of shape (n_items,), int64
            Rows of their vectors; -1 for items that training has not seen, which get a vector of 0
            and the mean of all biases.

        Returns
        -------
        Tensor of shape (n_items, hidden_size + 1)
            Embedding and bias.
        """
        assert ids is not None
        return self.add_own(self.initial.new_zeros(len(ids), self.embedding_size), ids)
