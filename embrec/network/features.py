"""Item features as tensors; sparse ones stay sparse up to the product with the first weights."""

import warnings
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from embrec.data.memmaps import is_stored, row_blocks


class SparseMatrix:
    """A constant CSR matrix whose product with dense weights has a fast gradient.

    The gradient is a product with the transpose, kept as CSR too: three times faster on a CPU than
    ``embedding_bag`` or a COO product (benchmarks/kernels.py).

    Parameters
    ----------
    matrix : CSR of shape (n_rows, n_columns)
        float32, or whatever the weights are of.
    device : torch.device
    """

    def __init__(self, matrix: sp.csr_matrix | sp.csr_array, device: torch.device) -> None:
        self.shape: tuple[int, int] = matrix.shape
        self.device = device
        self._scipy = matrix
        self._csr: Tensor | None = None
        self._transposed: Tensor | None = None

        self._slices: dict[tuple[int, int], SparseMatrix] = {}

    def __len__(self) -> int:
        return self.shape[0]

    def rows(self, start: int, stop: int) -> "SparseMatrix":
        """Slice rows; a slice is made once, since training asks for the same ones at every step."""
        if (start, stop) not in self._slices:
            self._slices[start, stop] = SparseMatrix(self._scipy[start:stop], self.device)
        return self._slices[start, stop]

    def select(self, rows: np.ndarray) -> "SparseMatrix":
        """Gather rows."""
        return SparseMatrix(self._scipy[rows], self.device)

    def __matmul__(self, weight: Tensor) -> Tensor:
        product: Tensor = _SparseProduct.apply(weight, self)  # type: ignore[no-untyped-call]
        return product

    def product(self, weight: Tensor) -> Tensor:
        """Multiply without a gradient."""
        if self._csr is None:
            self._csr = _to_torch(self._scipy, self.device)
        return torch.sparse.mm(self._csr, weight)

    def transposed_product(self, gradient: Tensor) -> Tensor:
        """Multiply the transpose with ``gradient`` of shape (n_rows, d)."""
        if self._transposed is None:
            self._transposed = _to_torch(self._scipy.T.tocsr(), self.device)
        return torch.sparse.mm(self._transposed, gradient)


class _SparseProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, matrix: SparseMatrix) -> Tensor:
        ctx.matrix = matrix
        return matrix.product(weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.matrix.transposed_product(gradients[0]), None


class StoredMatrix:
    """A matrix of features on disk, of which rows are read when they are needed.

    Parameters
    ----------
    matrix : ndarray or CSR of shape (n_rows, n_columns)
        Memory-mapped; dense ones of any float type.
    device : torch.device
        Where rows go.
    chosen : ndarray of shape (n_chosen,), int64, optional
        Rows of ``matrix`` that this one has; all by default.
    """

    def __init__(self, matrix: Any, device: torch.device, chosen: np.ndarray | None = None) -> None:
        self.device = device
        self._matrix = matrix
        self._chosen = chosen
        n_rows = matrix.shape[0] if chosen is None else len(chosen)
        self.shape: tuple[int, int] = (n_rows, matrix.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def rows(self, start: int, stop: int) -> "Tensor | SparseMatrix":
        """Read a stretch of rows."""
        if self._chosen is not None:
            return self._read(self._chosen[start:stop])
        return self._read(slice(start, stop))

    def select(self, rows: np.ndarray) -> "Tensor | SparseMatrix":
        """Read rows."""
        return self._read(rows if self._chosen is None else self._chosen[rows])

    def _read(self, rows: Any) -> "Tensor | SparseMatrix":
        part = self._matrix[rows]
        if sp.issparse(part):
            return SparseMatrix(part, self.device)
        # a copy: the pages of the file can go, and torch does not see a read-only array
        return torch.from_numpy(np.array(part, dtype=np.float32)).to(self.device)


FeatureTensor: TypeAlias = Tensor | SparseMatrix | StoredMatrix


def to_feature_tensors(
    blocks: Sequence[Any], device: torch.device, rows: np.ndarray | None = None
) -> list[FeatureTensor]:
    """Move feature blocks to a device; memory-mapped ones stay where they are.

    Parameters
    ----------
    blocks : list of ndarray or CSR of shape (n_items, n_features)
        float32; memory-mapped dense ones may be of another float type.
    device : torch.device
    rows : ndarray of shape (n_chosen,), int64, optional
        Rows to take; all by default.

    Returns
    -------
    list of Tensor, SparseMatrix or StoredMatrix
    """
    return [_to_feature_tensor(block, device, rows) for block in blocks]


def _to_feature_tensor(block: Any, device: torch.device, rows: np.ndarray | None) -> FeatureTensor:
    if rows is not None and len(rows) == block.shape[0] and (np.diff(rows) == 1).all():
        rows = None
    if is_stored(block):
        return StoredMatrix(block, device, rows)
    block = block if rows is None else block[rows]
    if sp.issparse(block):
        return SparseMatrix(block, device)
    return torch.as_tensor(np.asarray(block, dtype=np.float32), device=device)


def feature_rows(feature: FeatureTensor, start: int, stop: int) -> Tensor | SparseMatrix:
    """Slice rows of features."""
    return feature[start:stop] if isinstance(feature, Tensor) else feature.rows(start, stop)


def select_features(features: Sequence[FeatureTensor], rows: np.ndarray) -> list[FeatureTensor]:
    """Gather rows of all feature blocks.

    Parameters
    ----------
    features : list of Tensor, SparseMatrix or StoredMatrix of n_items rows
    rows : ndarray of shape (n,), int64

    Returns
    -------
    list of Tensor or SparseMatrix of n rows
    """
    return [
        feature[torch.from_numpy(rows).to(feature.device)]
        if isinstance(feature, Tensor)
        else feature.select(rows)
        for feature in features
    ]


def mean_square_length(block: Any) -> float:
    """Mean squared length of the rows that are not all zero; 1 if all are.

    Parameters
    ----------
    block : ndarray or CSR of shape (n_items, n_features)

    Returns
    -------
    float
    """
    total, n_filled = 0.0, 0
    for _, part in row_blocks(block):
        squares = part.multiply(part) if sp.issparse(part) else np.square(part, dtype=np.float32)
        squares = np.asarray(squares.sum(axis=1), dtype=np.float64).ravel()
        total += float(squares.sum())
        n_filled += int(np.count_nonzero(squares))
    return total / n_filled if n_filled else 1.0


def _to_torch(matrix: sp.csr_matrix | sp.csr_array, device: torch.device) -> Tensor:
    index_dtype = np.int64 if matrix.nnz > np.iinfo(np.int32).max else np.int32
    with warnings.catch_warnings():
        # torch calls its CSR support beta
        warnings.filterwarnings("ignore", message=r".*[Ss]parse", category=UserWarning)
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(index_dtype, copy=False)),
            torch.from_numpy(matrix.indices.astype(index_dtype, copy=False)),
            torch.from_numpy(np.ascontiguousarray(matrix.data)),
            size=matrix.shape,
            check_invariants=False,
        ).to(device)
