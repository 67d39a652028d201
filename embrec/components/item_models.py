"""How items become vectors."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from embrec._utils.compat import Interval, StrOptions
from embrec.components.base import Component

if TYPE_CHECKING:
    from embrec.network import ItemModule


class ItemModel(Component, ABC):
    """Base of item models: from features, and from what is learned of known items, to vectors."""

    #: whether content features are read
    reads_content: ClassVar[bool] = True
    #: whether anything is learned of items
    learns_items: ClassVar[bool] = True
    #: whether items that become known later start at random, and not as their content says
    draws_items: ClassVar[bool] = False

    @property
    def knows_ids(self) -> bool:
        """Whether known items have something of their own."""
        return False

    @abstractmethod
    def _build(self, n_features: tuple[int, ...], n_ids: int) -> "ItemModule":
        """Make the torch module.

        Parameters
        ----------
        n_features : tuple of int
            Columns of each feature block.
        n_ids : int
            Items that may have something of their own.
        """

    def _prepare(
        self,
        module: "ItemModule",
        blocks: Sequence[Any],
        trained_rows: np.ndarray,
        rng: np.random.RandomState,
    ) -> None:
        """Fit a new module to the features that it will read.

        Parameters
        ----------
        module : ItemModule
        blocks : list of ndarray or CSR of shape (n_items, n_features)
        trained_rows : ndarray of int
            Rows of the items that are trained on.
        rng : RandomState
        """


class IdEmbeddings(Component):
    """A learned vector of each known item's own, added to what its content says.

    It is zero at the start, so new items are known by content alone.

    Parameters
    ----------
    dropout : float, default=0.5
        Probability to leave an item's own vector out at a step of training.
    bound : float, default=3.0
        Greatest length of an item's own vector.
    shrinkage : float, default=10.0
        An item of ``n`` events gets ``n / (n + shrinkage)`` of its own vector.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "bound": [Interval(Real, 0, None, closed="left")],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
    }
    _free_parameters = ("dropout", "bound", "shrinkage")

    def __init__(
        self, dropout: float = 0.5, *, bound: float = 3.0, shrinkage: float = 10.0
    ) -> None:
        self.dropout = dropout
        self.bound = bound
        self.shrinkage = shrinkage


class ItemBias(Component):
    """A learned bias of each known item, added to its score. Other items get the mean of all.

    Parameters
    ----------
    shrinkage : float, default=10.0
        An item of ``n`` events gets ``n / (n + shrinkage)`` of its bias.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "shrinkage": [Interval(Real, 0, None, closed="left")],
    }
    _free_parameters = ("shrinkage",)

    def __init__(self, shrinkage: float = 10.0) -> None:
        self.shrinkage = shrinkage


class ItemTowers(ItemModel):
    """One tower per content source, Linear-ReLU-Linear, joined (thesis section 3.4.3).

    Parameters
    ----------
    embedding_dim : int, default=128
        Width of each tower's output. An item embedding has ``embedding_dim`` numbers per tower.
    tower_size : int, default=128
        Width of each tower's hidden layer.
    dropout : float, default=0.0
        Probability to drop a hidden unit of the towers.
    ids : IdEmbeddings or None, default=None
        Whether items that training has seen also get a learned vector of their own.
    bias : bool or ItemBias, default=False
        Whether they get a learned bias. True is ``ItemBias()``.
    similarity : {"inner_product", "cosine", "euclidean"}, default="inner_product"
        What scores an item: the inner product of the predicted embedding and its own, times 5;
        their cosine, times a scale that is learned; or ``-5 |p - e|² / 2``, the squared distance,
        up to what is the same for all items of a visitor.

    Examples
    --------
    >>> from embrec.components import IdEmbeddings, ItemTowers
    >>> ItemTowers(ids=IdEmbeddings(dropout=0.3), bias=True)
    ItemTowers(bias=True, ids=IdEmbeddings(dropout=0.3))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "tower_size": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "ids": [IdEmbeddings, None],
        "bias": ["boolean", ItemBias],
        "similarity": [StrOptions({"inner_product", "cosine", "euclidean"})],
    }
    _free_parameters = ("dropout",)
    _short_for = {"ids": {None: IdEmbeddings}, "bias": {True: ItemBias}}

    def __init__(
        self,
        embedding_dim: int = 128,
        tower_size: int = 128,
        *,
        dropout: float = 0.0,
        ids: IdEmbeddings | None = None,
        bias: bool | ItemBias = False,
        similarity: str = "inner_product",
    ) -> None:
        self.embedding_dim = embedding_dim
        self.tower_size = tower_size
        self.dropout = dropout
        self.ids = ids
        self.bias = bias
        self.similarity = similarity

    def _normalize(self) -> None:
        if self.bias is True:
            self.bias = ItemBias()

    @property
    def knows_ids(self) -> bool:
        """Whether known items have something of their own."""
        return self.ids is not None or self.bias is not False

    def _build(self, n_features: tuple[int, ...], n_ids: int) -> "ItemModule":
        from embrec.network.id_vectors import IdVectors
        from embrec.network.items import TowerItems

        dim = self.embedding_dim * len(n_features)
        vectors = biases = None
        if self.ids is not None:
            ids = self.ids
            vectors = IdVectors(n_ids, dim, ids.dropout, bound=ids.bound, shrinkage=ids.shrinkage)
        if self.bias is not False:
            bias = self.bias if isinstance(self.bias, ItemBias) else ItemBias()
            biases = IdVectors(n_ids, 1, shrinkage=bias.shrinkage)
        return TowerItems(
            n_features,
            self.embedding_dim,
            self.tower_size,
            self.dropout,
            vectors,
            biases,
            self.similarity,
        )

    def _prepare(
        self,
        module: "ItemModule",
        blocks: Sequence[Any],
        trained_rows: np.ndarray,
        rng: np.random.RandomState,
    ) -> None:
        from embrec.network.items import TowerItems

        assert isinstance(module, TowerItems)
        module.fit_scales(blocks)


class FixedItems(ItemModel):
    """Features as they are, cut to a width and scaled to length 1; nothing is learned of items.

    This is what `CosineDistance` needs. More features than ``embedding_dim`` are cut by truncated
    SVD. Predictions are of length 1 too.

    Parameters
    ----------
    embedding_dim : int, default=128
        Width per content source.
    """

    learns_items = False
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, embedding_dim: int = 128) -> None:
        self.embedding_dim = embedding_dim

    def _build(self, n_features: tuple[int, ...], n_ids: int) -> "ItemModule":
        from embrec.network.items import UnitItems

        return UnitItems(n_features, self.embedding_dim)

    def _prepare(
        self,
        module: "ItemModule",
        blocks: Sequence[Any],
        trained_rows: np.ndarray,
        rng: np.random.RandomState,
    ) -> None:
        from embrec.components._projection import directions
        from embrec.network.items import UnitItems

        assert isinstance(module, UnitItems)
        seed = int(rng.randint(2**31))
        for number, block in enumerate(blocks):
            if block.shape[1] > self.embedding_dim:
                module.set_projection(
                    number, directions(block[trained_rows], self.embedding_dim, seed)
                )


class ItemVectors(ItemModel):
    """A learned vector and a bias per known item, and nothing else: what GRU4Rec knows of items.

    Items that training has not seen have a vector of 0 and the mean of all biases.

    Parameters
    ----------
    embedding_dim : int, default=128
        Width.
    """

    reads_content = False
    draws_items = True
    knows_ids = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, embedding_dim: int = 128) -> None:
        self.embedding_dim = embedding_dim

    def _build(self, n_features: tuple[int, ...], n_ids: int) -> "ItemModule":
        from embrec.network.items import VectorItems

        return VectorItems(n_ids, self.embedding_dim)


class ItemPoints(ItemVectors):
    """A learned point and a bias per known item, scored by distance: what TransRec knows of items.

    Parameters
    ----------
    embedding_dim : int, default=32
        Dimensions of the space.
    """

    def __init__(self, embedding_dim: int = 32) -> None:
        self.embedding_dim = embedding_dim

    def _build(self, n_features: tuple[int, ...], n_ids: int) -> "ItemModule":
        from embrec.network.items import PointItems

        return PointItems(n_ids, self.embedding_dim)
