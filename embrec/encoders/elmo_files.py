"""Published models of ELMo: the network in options.json and weights.hdf5."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from embrec._utils.optional import import_optional
from embrec.encoders.elmo_characters import N_CHARACTERS
from embrec.encoders.elmo_network import ElmoNetwork
from embrec.encoders.elmo_options import PUBLISHED, ElmoOptions, read_options
from embrec.encoders.files import Stamp, check_file, file_stamp, hash_arrays
from embrec.network.device import resolve_device

#: How many faults an error names.
N_NAMED = 3
#: How many times larger than its file a network may be, since HDF5 can compress.
MOST_SQUEEZED = 20


@dataclass(frozen=True)
class ElmoModel:
    """A network with weights, in evaluation mode, and the hash of both."""

    network: ElmoNetwork
    fingerprint: str


@dataclass(frozen=True)
class ElmoFiles:
    """Files of a network, and the device that it is for.

    Parameters
    ----------
    options_file, weight_file : str
    stamps : tuple
        Which versions of the files.
    device : str
    """

    options_file: str
    weight_file: str
    stamps: tuple[Stamp, Stamp]
    device: str = "auto"

    @classmethod
    def of(cls, options_file: Any, weight_file: Any, device: str = "auto") -> "ElmoFiles":
        """Make one of files that are there.

        Raises
        ------
        FileNotFoundError
        """
        options = check_file(options_file, "options_file")
        weights = check_file(weight_file, "weight_file")
        return cls(str(options), str(weights), (file_stamp(options), file_stamp(weights)), device)

    def load(self) -> ElmoModel:
        """Read the network.

        Raises
        ------
        ImportError
            If h5py is missing.
        ValueError
            If a file is not what it should be, or the two do not belong together.
        """
        # before anything else: without it nothing can be read
        h5py = import_optional("h5py", extra="elmo", purpose="ElmoItemFeaturizer")
        device = resolve_device(self.device)
        options = read_options(Path(self.options_file))
        weights = _read_weights(h5py, Path(self.weight_file), options)
        with torch.device("meta"):
            network = ElmoNetwork(options)
        network.load_state_dict(_name_parameters(weights, options), assign=True)
        network.to(device).eval().requires_grad_(False)
        return ElmoModel(network, hash_arrays(weights, *astuple(options)))


def dataset_shapes(options: ElmoOptions) -> dict[str, tuple[int, ...]]:
    """Say what weights.hdf5 holds: names and shapes of its datasets.

    Parameters
    ----------
    options : ElmoOptions

    Returns
    -------
    dict of str to tuple of int
    """
    dim, cell_dim, n_filters = options.projection_dim, options.cell_dim, options.n_filters
    shapes: dict[str, tuple[int, ...]] = {"char_embed": (N_CHARACTERS, options.character_dim)}
    for i, (width, n) in enumerate(options.filters):
        shapes[f"CNN/W_cnn_{i}"] = (1, width, options.character_dim, n)
        shapes[f"CNN/b_cnn_{i}"] = (n,)
    for i in range(options.n_highway):
        for part in ("carry", "transform"):
            shapes[f"CNN_high_{i}/W_{part}"] = (n_filters, n_filters)
            shapes[f"CNN_high_{i}/b_{part}"] = (n_filters,)
    shapes["CNN_proj/W_proj"] = (n_filters, dim)
    shapes["CNN_proj/b_proj"] = (dim,)
    for layer in range(options.n_layers):
        for direction in range(2):
            cell = _cell(direction, layer)
            shapes[f"{cell}/W_0"] = (2 * dim, 4 * cell_dim)
            shapes[f"{cell}/B"] = (4 * cell_dim,)
            shapes[f"{cell}/W_P_0"] = (cell_dim, dim)
    return shapes


def _name_parameters(
    weights: Mapping[str, np.ndarray], options: ElmoOptions
) -> dict[str, torch.Tensor]:
    """Bring datasets into the names and the layout of the network."""
    named = {"characters.embedding.weight": weights["char_embed"]}
    for i in range(len(options.filters)):
        named[f"characters.convolutions.{i}.weight"] = weights[f"CNN/W_cnn_{i}"][0].T
        named[f"characters.convolutions.{i}.bias"] = weights[f"CNN/b_cnn_{i}"]
    for i in range(options.n_highway):
        for part in ("carry", "transform"):
            name = f"characters.highways.{i}.{part}"
            named[f"{name}.weight"] = weights[f"CNN_high_{i}/W_{part}"].T
            named[f"{name}.bias"] = weights[f"CNN_high_{i}/b_{part}"]
    named["characters.projection.weight"] = weights["CNN_proj/W_proj"].T
    named["characters.projection.bias"] = weights["CNN_proj/b_proj"]
    for layer in range(options.n_layers):
        for ours, theirs in {"weight": "W_0", "bias": "B", "projection": "W_P_0"}.items():
            both = [weights[f"{_cell(direction, layer)}/{theirs}"] for direction in range(2)]
            named[f"layers.{layer}.{ours}"] = np.stack(both)
    return {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in named.items()}


def _cell(direction: int, layer: int) -> str:
    return f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"


def _read_weights(h5py: Any, path: Path, options: ElmoOptions) -> dict[str, np.ndarray]:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(
            f"weight_file={str(path)!r} is not HDF5, or is damaged: {error}. Expected a file such "
            f"as {PUBLISHED}_weights.hdf5; download it again."
        ) from error
    try:
        with file:
            return _read_datasets(file, path, dataset_shapes(options))
    except (KeyError, OSError, RuntimeError, OverflowError, TypeError) as error:
        raise ValueError(
            f"weight_file={str(path)!r} is damaged: {error}. Download it again."
        ) from error


def _read_datasets(
    file: Any, path: Path, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    faults = [fault for name in shapes if (fault := _fault(file, name, shapes[name]))]
    if faults:
        more = f" and {len(faults) - N_NAMED} more" if len(faults) > N_NAMED else ""
        raise ValueError(
            f"weight_file={str(path)!r} does not fit the options: "
            f"{'; '.join(faults[:N_NAMED])}{more}. Pass the weights that were published with "
            f"the options_file, as {PUBLISHED}_weights.hdf5 with {PUBLISHED}_options.json."
        )
    n_bytes, room = sum(file[name].nbytes for name in shapes), path.stat().st_size
    if n_bytes > MOST_SQUEEZED * room:  # before memory is taken for what was never written
        raise ValueError(
            f"weight_file={str(path)!r} is damaged: it names {n_bytes} bytes of weights, and holds "
            f"{room}. Download it again."
        )
    weights = {name: np.asarray(file[name], dtype=np.float32) for name in shapes}
    broken = [name for name, array in weights.items() if not np.isfinite(array).all()]
    if broken:
        raise ValueError(
            f"weight_file={str(path)!r} is damaged: NaN or infinite numbers in {broken[0]}. "
            "Download it again."
        )
    return weights


def _fault(file: Any, name: str, shape: tuple[int, ...]) -> str | None:
    found = file.get(name)
    if not hasattr(found, "shape"):  # nothing, a group or a named type
        return f"dataset {name} is missing, expected {shape}"
    try:
        dtype = found.dtype
    except (TypeError, ValueError) as error:  # numpy has no such type
        return f"dataset {name} cannot be read ({error}), expected {shape} of float"
    if not found.id.get_storage_size():
        return f"dataset {name} was declared and never written"
    if found.shape != shape or dtype.kind != "f":
        return f"dataset {name} has shape {found.shape} of {dtype}, expected {shape} of float"
    return None
