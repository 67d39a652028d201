"""Where to compute."""

import pytest
import torch

from embrec.network.device import resolve_device

CPU = torch.device("cpu")


def test_devices_are_resolved():
    assert resolve_device("cpu") == resolve_device(torch.device("cpu")) == CPU
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto").type == expected
    with pytest.raises(ValueError, match="must be 'auto' or a device of torch"):
        resolve_device("abacus")
