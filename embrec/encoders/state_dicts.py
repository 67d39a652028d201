"""Weights of networks in files: read, checked, put in place."""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from embrec.encoders.files import check_file

#: How many keys an error names.
N_NAMED = 3


def read_state_dict(path: Any) -> dict[str, torch.Tensor]:
    """Read the weights of a network.

    Parameters
    ----------
    path : str or path-like
        A ``.safetensors`` file, or one that torch saved: nothing but tensors is unpickled. A
        checkpoint of which the weights are the entry "state_dict" will do, and so will the
        weights of a network that was wrapped for training on several devices.

    Returns
    -------
    dict of str to Tensor
        On the CPU.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds no weights.
    """
    found = check_file(path, "weights")
    try:
        content = _read(found)
    except UnpicklingError as error:  # torch's own message advises to trust the file
        raise ValueError(
            f"weights={str(path)!r} is no file of torch, or holds more than tensors. Expected what "
            "torch.save(network.state_dict(), path) or safetensors writes."
        ) from error
    except Exception as error:  # torch raises from half a dozen libraries
        raise ValueError(f"weights={str(path)!r} could not be read: {error}") from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    is_state = isinstance(content, Mapping) and all(
        isinstance(value, torch.Tensor) for value in content.values()
    )
    if not is_state or not content:
        raise ValueError(f"weights={str(path)!r} holds no state dict: names of tensors.")
    wrapped = all(name.startswith("module.") for name in content)
    return {name.removeprefix("module.") if wrapped else name: content[name] for name in content}


def put_weights(
    network: nn.Module, state: Mapping[str, torch.Tensor], *, head: str | tuple[str, ...] = ()
) -> None:
    """Put weights into a network, which may be on the meta device.

    Parameters
    ----------
    network : torch.nn.Module
    state : mapping of str to Tensor
    head : str or tuple of str, default=()
        How names begin that `state` may hold and the network does not: those of its classifier.

    Raises
    ------
    ValueError
        If names or shapes differ; the network is then as it was.
    """
    own = network.state_dict()
    # counters that networks saved before 2018 lack
    missing = [n for n in own if n not in state and not n.endswith("num_batches_tracked")]
    unexpected = [n for n in state if n not in own and not n.startswith(head)]
    reshaped = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    faults = {"missing": missing, "unexpected": unexpected, "of other shapes": reshaped}
    if any(faults.values()):
        said = "; ".join(f"{kind}: {_name(names)}" for kind, names in faults.items() if names)
        raise ValueError(f"The weights are not those of {type(network).__name__}: {said}.")
    fitting = {name: state[name].to(own[name].dtype) for name in own if name in state}
    network.load_state_dict(fitting, strict=False, assign=True)


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _name(names: list[str]) -> str:
    more = len(names) - N_NAMED
    return ", ".join(names[:N_NAMED]) + (f" and {more} more" if more > 0 else "")
