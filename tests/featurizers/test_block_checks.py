"""Whatever a transformer returns becomes a float32 matrix, or an error that names the block."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from embrec.featurizers._block_checks import as_block

VALUES = np.array([[1.0, 0.0, 2.5], [0.0, -3.0, 0.0]])
NAMES = ["a", "b", "c"]


@pytest.mark.parametrize(
    "output",
    [
        VALUES,
        VALUES.astype(np.float32),
        np.asfortranarray(VALUES.astype(np.float32)),
        VALUES.tolist(),
        pd.DataFrame(VALUES, columns=NAMES),
        pd.DataFrame(VALUES, columns=NAMES).convert_dtypes(),
        pl.DataFrame(VALUES, schema=NAMES),
        pa.table(dict(zip(NAMES, VALUES.T, strict=True))),
        pd.DataFrame({"a": [1, 0], "b": [0, -3], "c": [2.5, 0]}),
    ],
    ids=lambda output: type(output).__name__,
)
def test_dense(output):
    block = as_block(output, "text", 2)
    assert isinstance(block, np.ndarray)
    assert block.dtype == np.float32
    assert block.flags.c_contiguous
    assert block.flags.writeable
    np.testing.assert_array_equal(block, VALUES)


@pytest.mark.parametrize("format_", ["csr", "csc", "coo", "dok", "lil", "dia", "bsr"])
@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse(format_, kind, dtype):
    output = getattr(sp, f"{format_}_{kind}")(VALUES.astype(dtype))
    block = as_block(output, "text", 2)
    assert isinstance(block, sp.csr_array)
    assert block.dtype == np.float32
    assert block.indices.dtype == block.indptr.dtype == np.int32
    assert block.has_canonical_format
    np.testing.assert_array_equal(block.toarray(), VALUES)


def test_sparse_becomes_canonical_without_changing_the_output():
    data, indices, indptr = np.array([1.0, 2.0, 4.0]), np.array([2, 0, 2]), np.array([0, 3, 3])
    output = sp.csr_matrix((data, indices.astype(np.int64), indptr.astype(np.int64)), shape=(2, 3))
    block = as_block(output, "text", 2)
    assert block.has_canonical_format
    assert block.toarray().tolist() == [[2, 0, 5], [0, 0, 0]]
    assert output.indices.tolist() == [2, 0, 2]
    assert output.data.tolist() == [1, 2, 4]


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float16])
def test_every_number_is_taken(dtype):
    values = np.array([[0, 1], [1, 0]], dtype=dtype)
    for output in (values, pd.DataFrame(values, columns=["a", "b"])):
        np.testing.assert_array_equal(as_block(output, "text", 2), values.astype(np.float32))
    if dtype is not np.float16:
        assert as_block(sp.csr_array(values), "text", 2).dtype == np.float32


def test_read_only_output_is_copied():
    output = VALUES.astype(np.float32)
    output.flags.writeable = False
    assert as_block(output, "text", 2).flags.writeable


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (VALUES[:, 0], r"has shape \(2,\); expected shape \(n_items, n_features\).*reshape"),
        (pd.Series([1.0, 2.0]), r"has shape \(2,\)"),
        (sp.coo_array(np.ones(2)), r"has shape \(2,\)"),
        (VALUES[None], r"has shape \(1, 2, 3\)"),
        (3.0, r"has shape \(\)"),
        (None, "holds values of dtype object"),
        (VALUES.astype(object), "holds values of dtype object; expected numbers.*OneHotEncoder"),
        (VALUES.astype(str), "holds values of dtype <U"),
        (VALUES.astype(complex), "holds values of dtype complex128"),
        (sp.csr_array(VALUES.astype(complex)), "holds values of dtype complex128"),
        (VALUES.astype("M8[s]"), "holds values of dtype datetime64"),
        (
            pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
            "has 1 columns without numbers, such as 'b' of",
        ),
        (
            pl.DataFrame({"a": ["x", "y"], "b": ["x", "y"]}),
            "has 2 columns without numbers, such as 'a'",
        ),
        (np.ones((3, 1)), "has 3 rows; expected 2, one per item.*keep all rows"),
        (sp.csr_array((1, 4)), "has 1 rows; expected 2"),
        (np.empty((2, 0)), "has no columns; expected at least one"),
        (sp.csr_array((2, 0)), "has no columns"),
        (pd.DataFrame(index=[0, 1]), "has no columns"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else type(value).__name__,
)
def test_errors_name_the_block(output, message):
    with pytest.raises(ValueError, match="^Feature block 'text' " + message):
        as_block(output, "text", 2)


NULLS = {"a": [1, None, 3], "b": [1.5, None, float("nan")]}


@pytest.mark.parametrize(
    "output",
    [
        pd.DataFrame(NULLS),
        pd.DataFrame(NULLS).convert_dtypes(),
        pl.DataFrame(NULLS),
        pa.table(NULLS),
        np.array([[1, 1.5], [np.nan, np.inf], [3, -np.inf]]),
        sp.csr_array(np.array([[1, 1.5], [np.nan, np.inf], [3, -np.inf]])),
        sp.csc_array(np.array([[1, 1.5], [np.nan, np.inf], [3, -np.inf]])),
        np.array([[1, 1.5], [1e300, 1e39], [3, -1e39]]),
    ],
    ids=lambda output: type(output).__name__,
)
def test_values_that_are_not_finite_are_counted(output):
    with pytest.raises(
        ValueError,
        match=r"^Feature block 'text' holds 3 values that are NaN or infinite, in 2 of 3 rows "
        r"\(the first is row 1\); expected finite numbers.*SimpleImputer",
    ):
        as_block(output, "text", 3)


finite = st.floats(-1e6, 1e6, width=32)


@given(npst.arrays(np.float64, npst.array_shapes(min_dims=2, max_dims=2), elements=finite))
def test_dense_and_sparse_agree(values):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dense = as_block(values, "x", len(values))
        sparse = as_block(sp.coo_array(values), "x", len(values))
    np.testing.assert_array_equal(dense, values)
    np.testing.assert_array_equal(sparse.toarray(), dense)
