"""Item features as tensors; sparse ones stay sparse up to the product with the first weights."""

import warnings
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor


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
        self._csr = _to_torch(matrix, device)
        self._transposed: Tensor | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __matmul__(self, weight: Tensor) -> Tensor:
        product: Tensor = _SparseProduct.apply(weight, self)  # type: ignore[no-untyped-call]
        return product

    def product(self, weight: Tensor) -> Tensor:
        """Multiply without a gradient."""
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


FeatureTensor: TypeAlias = Tensor | SparseMatrix


def to_feature_tensors(blocks: Sequence[Any], device: torch.device) -> list[FeatureTensor]:
    """Move feature blocks to a device.

    Parameters
    ----------
    blocks : list of ndarray or CSR of shape (n_items, n_features), float32
    device : torch.device

    Returns
    -------
    list of Tensor or SparseMatrix
    """
    return [
        SparseMatrix(block, device) if sp.issparse(block) else torch.as_tensor(block, device=device)
        for block in blocks
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
    squares = block.multiply(block).sum(axis=1) if sp.issparse(block) else (block**2).sum(axis=1)
    squares = np.asarray(squares, dtype=np.float64).ravel()
    filled = squares > 0
    return float(squares[filled].mean()) if filled.any() else 1.0


def _to_torch(matrix: sp.csr_matrix | sp.csr_array, device: torch.device) -> Tensor:
    index_dtype = np.int64 if matrix.nnz > np.iinfo(np.int32).max else np.int32
    with warnings.catch_warnings():
        # torch calls its CSR support beta
        warnings.filterwarnings("ignore", message=r".*[Ss]parse", category=UserWarning)
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(index_dtype)),
            torch.from_numpy(matrix.indices.astype(index_dtype)),
            torch.from_numpy(np.ascontiguousarray(matrix.data)),
            size=matrix.shape,
            check_invariants=False,
        ).to(device)
