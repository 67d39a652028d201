"""Weights in files, and put in place."""

import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from embrec.encoders.alexnet import AlexNet
from embrec.encoders.state_dicts import put_weights, read_state_dict


def small():
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))


def test_weights_by_safetensors_and_torch(tmp_path):
    state = {"scale": torch.tensor([3.0, 2.0, 1.0])}
    save_file(state, tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        torch.testing.assert_close(read_state_dict(tmp_path / name), state)


def test_weights_within_a_checkpoint(tmp_path):
    state = {"a.weight": torch.ones(2), "b.bias": torch.zeros(1)}
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    for content in (
        wrapped,
        {"state_dict": state, "epoch": 3},
        {"state_dict": wrapped, "epoch": 3},
    ):
        torch.save(content, tmp_path / "w.pth")
        torch.testing.assert_close(read_state_dict(tmp_path / "w.pth"), state)
    # a part may be called module without the whole being wrapped
    torch.save({"module.weight": torch.ones(2), "head.bias": torch.zeros(1)}, tmp_path / "w.pth")
    assert list(read_state_dict(tmp_path / "w.pth")) == ["module.weight", "head.bias"]


def test_files_that_hold_no_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match="weights="):
        read_state_dict(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("weights")
    (tmp_path / "text.safetensors").write_text("weights")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({}, tmp_path / "empty.pth")
    torch.save({"weight": torch.ones(2), "epoch": 3}, tmp_path / "mixed.pth")
    for name in ("text.pth", "text.safetensors", "list.pth", "empty.pth", "mixed.pth"):
        with pytest.raises(ValueError, match=name):
            read_state_dict(tmp_path / name)


def test_a_file_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return sys.exit, ("ran",)

    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="holds more than tensors. Expected") as caught:
        read_state_dict(tmp_path / "evil.pth")
    assert "weights_only" not in str(caught.value)


def test_weights_of_another_network():
    with torch.device("meta"):
        network = AlexNet()
    state = {name: p for name, p in network.state_dict().items() if "classifier" not in name}
    state["features.0.bias"] = torch.zeros(96)
    state["conv1.bias"] = torch.zeros(96)
    message = (
        "not those of AlexNet: missing: classifier.1.weight, classifier.1.bias, "
        r"classifier.4.weight and 1 more; unexpected: conv1.bias; of other shapes: "
        r"features.0.bias \(96,\) instead of \(64,\)\."
    )
    with pytest.raises(ValueError, match=message):
        put_weights(network, state)


def test_a_failure_leaves_the_network_as_it_was():
    network = small()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = {name: tensor + 1 for name, tensor in before.items()}
    state["2.bias"] = torch.zeros(2)
    with pytest.raises(ValueError, match=r"of other shapes: 2.bias \(2,\) instead of \(1,\)"):
        put_weights(network, state)
    torch.testing.assert_close(dict(network.state_dict()), before)


def test_a_head_may_be_left_over():
    network = small()
    state = {name: tensor + 1 for name, tensor in network.state_dict().items()}
    more = {"fc.weight": torch.ones(4), "aux.fc.bias": torch.ones(4)}
    put_weights(network, {**state, **more}, head=("fc.", "aux."))
    torch.testing.assert_close(dict(network.state_dict()), state)
    with pytest.raises(ValueError, match=r"unexpected: aux.fc.bias\.$"):
        put_weights(network, {**state, **more}, head="fc.")


def test_weights_keep_the_type_of_the_network():
    network = small()
    state = {name: tensor.half() for name, tensor in network.state_dict().items()}
    put_weights(network, state)
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert torch.equal(network[0].weight, state["0.weight"].float())


def test_counters_of_old_batch_norm_may_be_missing():
    state = {
        name: torch.full_like(tensor, 7)
        for name, tensor in nn.BatchNorm2d(3).state_dict().items()
        if "num_batches" not in name
    }
    network = nn.BatchNorm2d(3)
    put_weights(network, state)
    put = network.state_dict()
    assert put.pop("num_batches_tracked") == 0
    torch.testing.assert_close(put, state, check_device=False)
    assert len(put) == 4
