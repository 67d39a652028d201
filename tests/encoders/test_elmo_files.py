"""Files of ELMo: what they must hold, and what is said of others."""

import copy
import math

import numpy as np
import pytest
import torch

h5py = pytest.importorskip("h5py", reason="needs the extra 'elmo'")

from elmo_reference import (
    PUBLISHED_OPTIONS,
    random_weights,
    tiny_options,
    write_files,
    write_options,
)

from embrec.encoders.elmo_files import ElmoFiles, dataset_shapes
from embrec.encoders.elmo_network import ElmoNetwork
from embrec.encoders.elmo_options import read_options


def read(files):
    return ElmoFiles.of(*files, "cpu").load()


@pytest.fixture
def files(tmp_path):
    return write_files(tmp_path / "model")


# sizes and millions of parameters of the three models, from AllenNLP's page on ELMo
@pytest.mark.parametrize(
    ("cell_dim", "dim", "n_highway", "millions"),
    [(4096, 512, 2, 93.6), (2048, 256, 1, 28.0), (1024, 128, 1, 13.6)],
    ids=["original", "medium", "small"],
)
def test_number_of_parameters(tmp_path, cell_dim, dim, n_highway, millions):
    options = copy.deepcopy(PUBLISHED_OPTIONS)
    options["lstm"] |= {"dim": cell_dim, "projection_dim": dim}
    options["char_cnn"]["n_highway"] = n_highway
    read = read_options(write_options(tmp_path, options))
    with torch.device("meta"):
        model = ElmoNetwork(read)
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    characters = 261 * 16
    windows = 1 * 32 + 2 * 32 + 3 * 64 + 4 * 128 + 5 * 256 + 6 * 512 + 7 * 1024
    convolutions = 16 * windows + 2048
    highways = n_highway * 2 * (2048 * 2048 + 2048)
    projection = 2048 * dim + dim
    # four gates that read input and state, their bias, and the projection
    lstm = 2 * dim * 4 * cell_dim + 4 * cell_dim + cell_dim * dim
    assert n_parameters == characters + convolutions + highways + projection + 2 * 2 * lstm
    assert round(n_parameters / 1e6, 1) == millions
    assert sum(map(math.prod, dataset_shapes(read).values())) == n_parameters


def test_original_file(tmp_path):
    # 374 MB in single precision, as the file on the hub
    options = read_options(write_options(tmp_path, PUBLISHED_OPTIONS))
    n_numbers = sum(map(math.prod, dataset_shapes(options).values()))
    assert n_numbers == 93_600_848
    assert round(4 * n_numbers / 1e6) == 374
    assert (options.cell_clip, options.projection_clip, options.max_characters) == (3, 3, 50)


@pytest.mark.parametrize("missing", [0, 1], ids=["options", "weights"])
def test_no_such_file(files, missing):
    files[missing].unlink()
    what = ["options_file", "weight_file"][missing]
    with pytest.raises(FileNotFoundError, match=f"{what}=.*: there is no such file"):
        ElmoFiles.of(*files)


def test_no_hdf5(files):
    files[1].write_bytes(b"not HDF5")
    with pytest.raises(ValueError, match=r"weights\.hdf5' is not HDF5.*_weights\.hdf5; down"):
        read(files)


def test_cut_short(files):
    files[1].write_bytes(files[1].read_bytes()[:3000])
    with pytest.raises(ValueError, match="is not HDF5, or is damaged"):
        read(files)


def test_files_in_the_wrong_places(files):
    with pytest.raises(ValueError, match="options_file='.*hdf5' holds no options of ELMo"):
        read(files[::-1])


def test_a_dataset_is_missing(tmp_path):
    weights = random_weights()
    del weights["RNN_1/RNN/MultiRNNCell/Cell0/LSTMCell/W_P_0"]
    message = r"RNN_1/\S*/W_P_0 is missing, expected \(12, 6\)\. Pass the weights"
    with pytest.raises(ValueError, match=message):
        read(write_files(tmp_path, weights=weights))


def test_many_faults_are_counted(tmp_path):
    weights = {"CNN/W_cnn_0/oops": np.zeros(3)}  # a group in place of a dataset
    message = r"char_embed is missing.*CNN/W_cnn_0 is missing.* and \d\d more\."
    with pytest.raises(ValueError, match=message):
        read(write_files(tmp_path, weights=weights))


@pytest.mark.parametrize("name", sorted(random_weights()))
def test_every_shape_is_checked(tmp_path, name):
    weights = random_weights()
    weights[name] = np.concatenate([weights[name]] * 2)
    shape = str(weights[name].shape).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=f"{name} has shape {shape} of float32, expected"):
        read(write_files(tmp_path, weights=weights))


def test_options_of_another_model(tmp_path):
    options = tiny_options()
    options["lstm"]["dim"] = 13
    message = r"W_0 has shape \(12, 48\) of float32, expected \(12, 52\).*published with"
    with pytest.raises(ValueError, match=message):
        read(write_files(tmp_path, options, random_weights()))


def test_weights_that_are_no_floats(tmp_path):
    weights = random_weights()
    weights["char_embed"] = weights["char_embed"].astype(np.int32)
    with pytest.raises(ValueError, match=r"char_embed has shape \(261, 3\) of int32"):
        read(write_files(tmp_path, weights=weights))


def test_weights_that_are_no_numbers(tmp_path):
    weights = random_weights()
    weights["CNN_proj/b_proj"][1] = np.nan
    with pytest.raises(ValueError, match="is damaged: NaN or infinite numbers in CNN_proj/b_proj"):
        read(write_files(tmp_path, weights=weights))


def test_a_type_in_place_of_a_dataset(tmp_path):
    with pytest.raises(ValueError, match="dataset char_embed is missing"):
        read(write_files(tmp_path, weights={**random_weights(), "char_embed": np.dtype("f4")}))


def test_floats_that_numpy_has_no_type_for(tmp_path):
    weights = random_weights()
    shape = weights.pop("CNN_proj/b_proj").shape
    files = write_files(tmp_path, weights=weights)
    with h5py.File(files[1], "a") as file:
        wide = h5py.h5t.IEEE_F64LE.copy()
        wide.set_fields(63, 40, 23, 0, 40)  # 23 bits of exponent, 40 of fraction
        h5py.h5d.create(file.id, b"CNN_proj/b_proj", wide, h5py.h5s.create_simple(shape))
    with pytest.raises(ValueError, match=r"b_proj cannot be read \(Insufficient precision.*float"):
        read(files)


def test_a_dataset_that_nobody_has_written(tmp_path):
    """HDF5 reads it as zeros."""
    weights = random_weights()
    shape = weights.pop("CNN_proj/b_proj").shape
    files = write_files(tmp_path, weights=weights)
    with h5py.File(files[1], "a") as file:
        file.create_dataset("CNN_proj/b_proj", shape, "f4")
    with pytest.raises(ValueError, match="CNN_proj/b_proj was declared and never written"):
        read(files)


def test_sizes_that_are_only_declared(tmp_path):
    """Refused before memory is taken: HDF5 writes only what somebody has filled."""
    options, weights = tiny_options(), random_weights()
    options["char_cnn"]["embedding"]["dim"] = 2**30
    del weights["char_embed"]
    for i in range(len(options["char_cnn"]["filters"])):
        del weights[f"CNN/W_cnn_{i}"]
    files = write_files(tmp_path, options, weights)
    with h5py.File(files[1], "a") as file:
        file.create_dataset("char_embed", (261, 2**30), "f4", chunks=(1, 1))[0, 0] = 1
        for i, (width, n) in enumerate(options["char_cnn"]["filters"]):
            shape = (1, width, 2**30, n)
            file.create_dataset(f"CNN/W_cnn_{i}", shape, "f4", chunks=(1, 1, 1, 1))[0, 0, 0, 0] = 1
    with pytest.raises(
        ValueError, match=r"is damaged: it names \d{12,} bytes of weights, and holds"
    ):
        read(files)


def test_half_precision_files(tmp_path):
    weights = {n: a.astype(np.float16) for n, a in random_weights().items()}
    half = read(write_files(tmp_path / "half", weights=weights))
    same = {n: a.astype(np.float32) for n, a in weights.items()}
    single = read(write_files(tmp_path / "single", weights=same))
    torch.testing.assert_close(half.network.state_dict(), single.network.state_dict())
    assert half.network.layers[0].weight.dtype == torch.float32
    assert half.fingerprint == single.fingerprint


def test_the_network_is_frozen(files):
    network = read(files).network
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_versions_of_a_file_are_told_apart(files):
    before = ElmoFiles.of(*files)
    assert ElmoFiles.of(*files) == before
    for path, name in zip(files, ("options", "weights"), strict=True):
        path.write_bytes(path.read_bytes() + b" ")
        after = ElmoFiles.of(*files)
        assert after != before, name
        before = after


def test_other_switches_of_equal_weights_are_another_model(tmp_path):
    fingerprints = set()
    for number, switch in enumerate(({}, {"proj_clip": 0.25}, {"use_skip_connections": False})):
        options = tiny_options()
        options["lstm"] |= switch
        fingerprints.add(read(write_files(tmp_path / str(number), options)).fingerprint)
    assert len(fingerprints) == 3
