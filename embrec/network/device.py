"""Where to compute."""

import torch

from embrec._utils.warn import warn


def resolve_device(device: str | torch.device) -> torch.device:
    """Turn a ``device`` parameter into a torch device.

    Parameters
    ----------
    device : str or torch.device
        "auto" is CUDA if there is any, else the CPU.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If torch knows no such device, or finds none.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device must be 'auto' or a device of torch, such as 'cpu' or 'cuda:0'; "
            f"got {device!r}."
        ) from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={device!r}, but torch finds no CUDA device; use 'auto' or 'cpu'.")
    return resolved


def available_device(device: str | torch.device) -> torch.device:
    """Resolve the device of a model made elsewhere: the CPU, with a warning, if it is absent.

    Parameters
    ----------
    device : str or torch.device

    Returns
    -------
    torch.device
    """
    try:
        return resolve_device(device)
    except ValueError as error:
        warn(f"The model goes to the CPU: {error}")
        return torch.device("cpu")


def score_precision(precision: str, device: torch.device) -> torch.dtype | None:
    """Turn a ``precision`` parameter into the type that scores are computed in, in training.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        "auto" is bfloat16 where the hardware multiplies it faster than float32.
    device : torch.device

    Returns
    -------
    torch.dtype or None
        None is the type of the network.
    """
    if precision == "auto":
        return torch.bfloat16 if _has_fast_bfloat16(device) else None
    return torch.bfloat16 if precision == "bfloat16" else None


def _has_fast_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    # private names, which some builds of torch lack
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in checks)
