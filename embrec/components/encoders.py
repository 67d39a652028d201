"""What reads a history: one state per visitor, one step per item."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

from embrec._utils.compat import Interval
from embrec.components.base import Component

if TYPE_CHECKING:
    from embrec.network import SequenceModule


class Encoder(Component, ABC):
    """Base of encoders: from the embeddings of a history to that of the next item."""

    @abstractmethod
    def _build(self, embedding_size: int) -> "SequenceModule":
        """Make the torch module.

        Parameters
        ----------
        embedding_size : int
            Width of item embeddings: what it reads, and what it predicts.

        Returns
        -------
        SequenceModule
            With weights drawn from torch's global generator, which is seeded.
        """

    def _build_for(self, embedding_size: int, sources: Sequence[str]) -> "SequenceModule":
        """Make the torch module of one that tells content sources apart; by default, `_build`.

        Parameters
        ----------
        embedding_size : int
        sources : list of str
            Names of the content sources. Each has an equal part of an embedding, in this order.
            None are named if items are known by id alone.

        Returns
        -------
        SequenceModule
        """
        return self._build(embedding_size)

    def check_sources(self, sources: Sequence[str]) -> None:
        """Raise if it cannot read these content sources: before features are computed.

        Parameters
        ----------
        sources : sequence of str
            Their names, in the order of the towers.

        Raises
        ------
        ValueError
        """


class GRUEncoder(Encoder):
    """A gated recurrent unit over item embeddings (thesis section 3.4.4).

    ``h_t = GRU(h_{t-1}, e_t)``, ``ê_t = output(h_t) + e_t``. The state before any item is learned.

    Parameters
    ----------
    hidden_size : int, default=128
        Width of the GRU.
    n_layers : int, default=1
        Layers of the GRU.
    dropout : float, default=0.3
        Probability to DROP an element of the GRU's outputs in training, and between its layers.
    input_dropout : float, default=0.5
        Probability to drop an element of the item embeddings that the GRU reads.
    residual : bool, default=True
        Whether the last item's embedding is added to the predicted one, so that the GRU learns what
        the next item has different. False is the thesis' network.

    Examples
    --------
    >>> from embrec.components import GRUEncoder
    >>> GRUEncoder(hidden_size=192, dropout=0.2)
    GRUEncoder(dropout=0.2, hidden_size=192)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
        "residual": ["boolean"],
    }
    _free_parameters = ("dropout", "input_dropout")

    def __init__(
        self,
        hidden_size: int = 128,
        *,
        n_layers: int = 1,
        dropout: float = 0.3,
        input_dropout: float = 0.5,
        residual: bool = True,
    ) -> None:
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.residual = residual

    def _build(self, embedding_size: int) -> "SequenceModule":
        from embrec.network.gru import GRUModule

        return GRUModule(
            embedding_size,
            self.hidden_size,
            self.n_layers,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            residual=self.residual,
        )


class SelfAttentionEncoder(Encoder):
    """Causal self-attention over item embeddings (Kang & McAuley 2018).

    Each block reads the last ``window`` items, weighed by what they are and by how many came after
    them, and adds to what it read; ``ê_t = norm(h_t) / 10 + e_t``. Blocks are as wide as item
    embeddings, and normalise before, not after, each of their parts. What comes before any item is
    learned.

    Parameters
    ----------
    n_layers : int, default=1
        Blocks.
    n_heads : int, default=2
        Heads of attention in a block.
    window : int, default=50
        How many of the last items a block reads, the newest among them. A session keeps what the
        blocks made of these, ``2 * n_layers * window`` times the width.
    dropout : float, default=0.3
        Probability to DROP an element of what a block adds, and of the last block's output.
    input_dropout : float, default=0.5
        Probability to drop an element of the item embeddings that the first block reads.
    residual : bool, default=True
        Whether the last item's embedding is added to the predicted one.

    Examples
    --------
    >>> from embrec.components import SelfAttentionEncoder
    >>> SelfAttentionEncoder(window=20, n_layers=2)
    SelfAttentionEncoder(n_layers=2, window=20)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
        "window": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
        "residual": ["boolean"],
    }
    _free_parameters = ("dropout", "input_dropout")

    def __init__(
        self,
        *,
        n_layers: int = 1,
        n_heads: int = 2,
        window: int = 50,
        dropout: float = 0.3,
        input_dropout: float = 0.5,
        residual: bool = True,
    ) -> None:
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.window = window
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.residual = residual

    def _build(self, embedding_size: int) -> "SequenceModule":
        from embrec.network.attention import SelfAttentionModule

        return SelfAttentionModule(
            embedding_size,
            self.n_layers,
            n_heads=self.n_heads,
            window=self.window,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            residual=self.residual,
        )
