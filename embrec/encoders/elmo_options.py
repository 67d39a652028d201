"""Sizes and switches of an ELMo network, from options.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embrec.encoders.elmo_characters import N_CHARACTERS

#: How the names of the published files begin.
PUBLISHED = "elmo_2x4096_512_2048cnn_2xhighway"
ACTIVATIONS = ("relu", "tanh")
#: Layers, and characters of a word, at most: what a file says is believed before weights are seen.
AT_MOST = 1000


@dataclass(frozen=True)
class ElmoOptions:
    """Sizes and switches of the network.

    Parameters
    ----------
    character_dim : int
        Length of the vector of a character.
    filters : tuple of (width, n_filters)
        The convolutions over characters.
    n_highway : int
        Number of highway layers.
    activation : {"relu", "tanh"}
        What follows the convolutions.
    max_characters : int
        How many characters a word has, its marks included.
    cell_dim : int
        Length of the memory of an LSTM.
    projection_dim : int
        Length of the vector of a word, and of the output of each direction.
    n_layers : int
        Number of recurrent layers.
    cell_clip, projection_clip : float or None
        Memory and output stay between minus this and this.
    use_skip_connections : bool
        Whether recurrent layers after the first add their input to their output.
    """

    character_dim: int
    filters: tuple[tuple[int, int], ...]
    n_highway: int
    activation: str
    max_characters: int
    cell_dim: int
    projection_dim: int
    n_layers: int
    cell_clip: float | None
    projection_clip: float | None
    use_skip_connections: bool

    @property
    def n_filters(self) -> int:
        """Number of filters of all widths."""
        return sum(n_filters for _, n_filters in self.filters)


def read_options(path: Path) -> ElmoOptions:
    """Read options.json.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ElmoOptions

    Raises
    ------
    ValueError
        If it is no JSON, or lacks an option that the network needs, or has an impossible one.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return _parse(content)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(
            f"options_file={str(path)!r} holds no options of ELMo: {said}. Expected JSON with "
            f"'char_cnn' and 'lstm', as in {PUBLISHED}_options.json."
        ) from error


def _parse(content: Any) -> ElmoOptions:
    cnn, lstm = _section(content, "char_cnn"), _section(content, "lstm")
    if cnn.get("n_characters", N_CHARACTERS) not in (N_CHARACTERS, N_CHARACTERS + 1):
        raise ValueError(f"n_characters={cnn['n_characters']!r} is neither 261 nor 262")
    if cnn["activation"] not in ACTIVATIONS:
        raise ValueError(f"activation={cnn['activation']!r} is none of {ACTIVATIONS}")
    max_characters = _count(cnn, "max_characters_per_token", at_least=3, at_most=AT_MOST)
    filters = tuple((width, n) for width, n in cnn["filters"])
    if not filters or not all(
        type(width) is type(n) is int and 1 <= width <= max_characters and n >= 1
        for width, n in filters
    ):
        raise ValueError(f"filters={cnn['filters']!r} are no pairs of a width and a number")
    return ElmoOptions(
        character_dim=_count(_section(cnn, "embedding"), "dim"),
        filters=filters,
        n_highway=_count(cnn, "n_highway", at_least=0, at_most=AT_MOST)
        if "n_highway" in cnn
        else 0,
        activation=cnn["activation"],
        max_characters=max_characters,
        cell_dim=_count(lstm, "dim"),
        projection_dim=_count(lstm, "projection_dim"),
        n_layers=_count(lstm, "n_layers", at_most=AT_MOST),
        cell_clip=_limit(lstm, "cell_clip"),
        projection_clip=_limit(lstm, "proj_clip"),
        use_skip_connections=bool(lstm.get("use_skip_connections", False)),
    )


def _section(content: Any, name: str) -> Mapping[str, Any]:
    section = content[name]
    if not isinstance(section, Mapping):
        raise ValueError(f"{name}={section!r} is no object")
    return section


def _count(
    section: Mapping[str, Any], name: str, at_least: int = 1, at_most: int = 2**31 - 1
) -> int:
    value = section[name]
    if type(value) is not int or not at_least <= value <= at_most:
        raise ValueError(f"{name}={value!r} is no integer from {at_least} to {at_most}")
    return value


def _limit(section: Mapping[str, Any], name: str) -> float | None:
    value = section.get(name)
    # weights are float32, in which torch clips
    if value is not None and not (type(value) in (int, float) and 0 < value < 2**127):
        raise ValueError(f"{name}={value!r} is no positive number of float32")
    return None if value is None else float(value)
