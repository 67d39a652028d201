"""Files and arrays that hold weights."""

import numpy as np
import pytest
import torch
from torch import nn

from embrec.encoders.files import (
    absolute_folder,
    check_file,
    file_stamp,
    folder_stamp,
    hash_arrays,
    network_stamp,
)


def test_a_file_is_found_from_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "w.pth").write_bytes(b"1")
    monkeypatch.chdir(tmp_path)
    assert check_file("w.pth", "weights") == tmp_path / "w.pth"
    assert absolute_folder(".") == str(tmp_path)
    assert absolute_folder("no/such-model") == "no/such-model"
    with pytest.raises(FileNotFoundError, match="weights='none'"):
        check_file("none", "weights")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        check_file(tmp_path, "weights")


def test_stamps_tell_versions_apart(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    before = file_stamp(tmp_path / "a"), folder_stamp(tmp_path)
    assert before == (file_stamp(tmp_path / "a"), folder_stamp(tmp_path))
    (tmp_path / "a").write_bytes(b"12")
    assert file_stamp(tmp_path / "a") != before[0]
    assert folder_stamp(tmp_path) != before[1]


def test_names_types_shapes_and_settings_count():
    ones = np.ones((2, 3), dtype=np.float32)
    hashes = [
        hash_arrays({"a": ones}),
        hash_arrays({"b": ones}),
        hash_arrays({"a": ones.astype(np.float64)}),
        hash_arrays({"a": ones.T}),
        hash_arrays({"a": ones * 2}),
        hash_arrays({"a": ones}, 1),
    ]
    assert len(set(hashes)) == len(hashes)
    assert hash_arrays({"a": ones, "b": ones}) == hash_arrays({"b": ones, "a": np.copy(ones, "F")})


def test_networks_by_layers_and_weights():
    network = nn.Linear(2, 3)
    before = network_stamp(network)
    assert network_stamp(network) == before
    network.weight.data[0, 0] += 1
    assert network_stamp(network) != before
    assert network_stamp(nn.Sequential(nn.ReLU())) != network_stamp(nn.Sequential(nn.Tanh()))
    assert network_stamp(nn.BatchNorm1d(2).to(torch.float64)) != network_stamp(nn.BatchNorm1d(2))
    network.scale = 2  # layers do not show it
    before = network_stamp(network)
    network.scale = 3
    assert network_stamp(network) != before
