"""From whatever a transformer returns to a float32 matrix that a network can take."""

from typing import Any

import narwhals as nw
import numpy as np
import scipy.sparse as sp

from embrec.data.memmaps import is_stored, row_blocks
from embrec.data.tables import is_table


def as_block(output: Any, name: str, n_items: int) -> "np.ndarray | sp.csr_array":
    """Check the output of a transformer and convert it.

    Parameters
    ----------
    output : sparse matrix, array-like or table of shape (n_items, n_features)
        Any numbers or booleans. It is not changed.
    name : str
        Name of the block in error messages.
    n_items : int
        How many rows it must have.

    Returns
    -------
    csr_array or ndarray of shape (n_items, n_features), float32
        CSR, if `output` is sparse: without duplicates, column indices sorted, and int32 where they
        fit. Otherwise C-contiguous and writeable, or as it is if it is floats in a memory-mapped
        file.

    Raises
    ------
    ValueError
        If it is no matrix, holds anything but numbers, has another number of rows or no columns,
        or if some values are NaN or infinite (in float32).
    """
    matrix = output if sp.issparse(output) else _to_array(output, name)
    if matrix.dtype.kind not in "biuf":
        raise _error(name, f"holds values of dtype {matrix.dtype}", "numbers", _ENCODE)
    if matrix.ndim != 2:
        hint = "Make its transform return a column per feature, for one feature .reshape(-1, 1)."
        raise _error(name, f"has shape {matrix.shape}", "shape (n_items, n_features)", hint)
    if matrix.shape[0] != n_items:
        raise _error(
            name,
            f"has {matrix.shape[0]} rows",
            f"{n_items}, one per item",
            "Its transform must keep all rows, in order.",
        )
    if matrix.shape[1] == 0:
        hint = "Check which columns its transformer selects, or leave it out."
        raise _error(name, "has no columns", "at least one", hint)
    # what float32 cannot hold becomes infinite, and is reported as such
    with np.errstate(over="ignore"):
        if sp.issparse(matrix):
            block = _to_csr(matrix)
            _check_finite(block.data, block.tocoo().coords[0], name, n_items)
            return block
        if is_stored(matrix) and matrix.dtype.kind == "f":
            for start, rows in row_blocks(matrix):
                _check_finite(rows.astype(np.float32), None, name, n_items, start)
            return matrix
        dense = np.require(matrix, dtype=np.float32, requirements=["C", "W"])
    _check_finite(dense, None, name, n_items)
    return dense


_ENCODE = "Encode them, for example with OneHotEncoder or TfidfItemFeaturizer."


def _error(name: str, got: str, expected: str, to_do: str) -> ValueError:
    return ValueError(f"Feature block {name!r} {got}; expected {expected}. {to_do}")


def _to_array(output: Any, name: str) -> np.ndarray:
    if not is_table(output):
        return np.asarray(output)
    frame = nw.from_native(output, eager_only=True)
    others = {
        column: dtype
        for column, dtype in frame.schema.items()
        if not (dtype.is_numeric() or dtype == nw.Boolean or _is_half(frame[column]))
    }
    if others:
        column, dtype = next(iter(others.items()))
        got = f"has {len(others)} columns without numbers, such as {column!r} of dtype {dtype}"
        raise _error(name, got, "numbers", _ENCODE)
    # column by column: whole tables of several dtypes, or with nulls, become arrays of objects
    columns = [_to_floats(series) for series in frame.iter_columns()]
    return np.column_stack(columns) if columns else np.empty((len(frame), 0))


def _is_half(series: "nw.Series[Any]") -> bool:
    """Whether a column is float16 of pandas, which narwhals 1 has no name for."""
    return str(getattr(series.to_native(), "dtype", None)) == "float16"


def _to_floats(series: "nw.Series[Any]") -> np.ndarray:
    if int(series.is_null().sum()):
        series = series.cast(nw.Float64)
    return series.to_numpy().astype(np.float64)


def _to_csr(matrix: Any) -> "sp.csr_array":
    csr = sp.csr_array(matrix)
    if not csr.has_canonical_format:
        csr = csr.copy()  # it may share its arrays with the output
        csr.sum_duplicates()
    index_dtype = sp.get_index_dtype(maxval=max(csr.nnz, csr.shape[1]))
    return sp.csr_array(
        (
            csr.data.astype(np.float32, copy=False),
            csr.indices.astype(index_dtype, copy=False),
            csr.indptr.astype(index_dtype, copy=False),
        ),
        shape=csr.shape,
    )


def _check_finite(
    values: np.ndarray, rows: np.ndarray | None, name: str, n_items: int, start: int = 0
) -> None:
    bad = ~np.isfinite(values)
    if not bad.any():
        return
    # the values of a CSR matrix come with their rows
    bad_rows = np.unique(np.nonzero(bad)[0] + start if rows is None else rows[bad])
    raise _error(
        name,
        f"holds {int(bad.sum())} values that are NaN or infinite, in {len(bad_rows)} of {n_items} "
        f"rows (the first is row {bad_rows[0]})",
        "finite numbers within the range of float32",
        "Fill them in, for example with SimpleImputer.",
    )
