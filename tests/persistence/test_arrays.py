"""Arrays and matrices in a file: what is written is what is read, copied or mapped."""

import os

import numpy as np
import pytest
import scipy.sparse as sp
from safetensors.numpy import load_file

from embrec.data.memmaps import is_stored
from embrec.persistence.arrays import (
    describe_matrix,
    map_items,
    pack_matrix,
    unpack_matrix,
    write_arrays,
)

DENSE = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_arrays_of_any_layout_are_read_as_they_look(tmp_path):
    arrays = {"turned": DENSE.T, "every other": DENSE[:, ::2], "none": DENSE[:0], "n": np.array(7)}
    write_arrays(arrays, tmp_path / "file")
    for read in (load_file, map_items):
        found = read(tmp_path / "file")
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype


@pytest.mark.skipif(os.name == "nt", reason="modes are of Unix")
@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755], ids=oct)
def test_a_file_is_read_by_whom_its_folder_lets_in(mode, tmp_path):
    tmp_path.chmod(mode)
    write_arrays({"x": DENSE}, tmp_path / "file")
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode & 0o666


def test_what_grows_with_the_catalogue_is_mapped_and_the_rest_can_be_written_to(tmp_path):
    names = ["vectors", "block:0", "block:1:data", "state:counts", "ids:ends"]
    write_arrays(dict.fromkeys(names, DENSE), tmp_path / "file")
    found = map_items(tmp_path / "file")
    assert [name for name in names if is_stored(found[name])] == names[:3]
    assert [name for name in names if found[name].flags.writeable] == names[3:]


@pytest.mark.parametrize(
    "matrix",
    [DENSE, sp.csr_array(DENSE * (DENSE % 3 == 0)), sp.csr_array((0, 5), dtype=np.float32)],
    ids=["dense", "sparse", "no rows"],
)
def test_a_matrix_is_taken_apart_and_put_together(matrix):
    arrays, description = pack_matrix(matrix, "block:0"), describe_matrix(matrix)
    assert all(type(array) is np.ndarray for array in arrays.values())
    found = unpack_matrix({"block:1": DENSE, **arrays}, "block:0", description)
    assert sp.issparse(found) is sp.issparse(matrix)
    assert (found.shape, found.dtype) == (matrix.shape, np.float32)
    dense = [each.toarray() if sp.issparse(each) else each for each in (found, matrix)]
    np.testing.assert_array_equal(*dense)


def test_floats_of_another_width_stay_where_they_are_on_disk_alone(tmp_path):
    half = DENSE.astype(np.float16)
    description = describe_matrix(half)
    assert unpack_matrix({"vectors": half}, "vectors", description).dtype == np.float32
    write_arrays({"vectors": half}, tmp_path / "file")
    mapped = unpack_matrix(map_items(tmp_path / "file"), "vectors", description)
    assert mapped.dtype == np.float16
    assert is_stored(mapped)
