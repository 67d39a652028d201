"""Sparse products and their gradients, against dense ones."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from embrec.network.features import SparseMatrix, mean_square_length, to_feature_tensors

CPU = torch.device("cpu")


def sparse_block(n=30, m=17, density=0.2, seed=0):
    return sp.random(n, m, density, format="csr", rng=np.random.default_rng(seed)).astype(
        np.float32
    )


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csr_array])
def test_product_and_gradient_equal_dense_ones(kind):
    block = kind(sparse_block())
    matrix = SparseMatrix(block, CPU)
    weight = torch.randn(17, 5, requires_grad=True)
    dense_weight = weight.detach().double().requires_grad_()
    upstream = torch.randn(30, 5)
    (matrix @ weight).backward(upstream)
    dense = torch.from_numpy(block.toarray()).double()
    (dense @ dense_weight).backward(upstream.double())
    close = {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close((matrix @ weight).double(), dense @ dense_weight, **close)
    torch.testing.assert_close(weight.grad.double(), dense_weight.grad, **close)
    assert len(matrix) == 30


def test_rows_without_entries_give_zeros():
    matrix = SparseMatrix(sp.csr_matrix((3, 4), dtype=np.float32), CPU)
    assert torch.equal(matrix @ torch.ones(4, 2), torch.zeros(3, 2))


def test_blocks_keep_their_kind():
    dense = np.ones((3, 2), dtype=np.float32)
    sparse, tensor = to_feature_tensors([sparse_block(), dense], CPU)
    assert isinstance(sparse, SparseMatrix)
    assert isinstance(tensor, torch.Tensor)


def test_mean_square_length_leaves_empty_rows_out():
    dense = np.array([[3, 4], [0, 0], [1, 0]], dtype=np.float32)
    assert mean_square_length(dense) == pytest.approx((25 + 1) / 2)
    assert mean_square_length(sp.csr_array(dense)) == pytest.approx(13)
    assert mean_square_length(np.zeros((2, 2), dtype=np.float32)) == 1


def test_gradcheck():
    matrix = SparseMatrix(sparse_block(6, 5, 0.4).astype(np.float64), CPU)
    weight = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: matrix @ w, weight)
    # the matrix of the first product serves the second
    assert torch.autograd.gradcheck(lambda w: (matrix @ w).relu() ** 2, weight)


def test_a_weight_that_needs_no_gradient_gets_none():
    matrix = SparseMatrix(sparse_block(), CPU)
    with torch.no_grad():
        assert not (matrix @ torch.ones(17, 2)).requires_grad
