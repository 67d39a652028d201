"""A fitted recommender for services without embrec: ONNX or torch.export, and plain arrays."""

import json
import logging
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch.export import ExportedProgram

from embrec._utils.files import write_folder
from embrec._utils.moments import as_of_now
from embrec._utils.optional import import_optional
from embrec._version import __version__
from embrec.network import SequenceNetwork
from embrec.network.exportable import export_item_tower, export_session_step
from embrec.network.items import TowerItems
from embrec.network.weights import copy_network
from embrec.persistence.arrays import write_arrays
from embrec.recommenders.trained import TrainedRecommender

META = "embrec-export.json"
ARRAYS = "arrays.safetensors"
ITEMS = "items.json"
#: Raised when what is written changes so that older readers would misread it.
FORMAT = 2

_Write = Callable[[ExportedProgram, Path, list[str]], None]


def to_onnx(recommender: TrainedRecommender, path: str | Path) -> None:
    """Export a recommender to a folder that onnxruntime can serve.

    The folder holds ``embrec-export.json``, which says how all this fits together, and in a
    sub-folder of the names it gives: ``session_step.onnx``, which turns states and the vectors of
    the items just touched into new states and queries; ``item_tower.onnx``, which turns the
    features of new items into vectors; ``arrays.safetensors`` with ``item_vectors``, ``active`` and
    ``initial_state``; and ``items.json`` with the ids of their rows. An item's score is the inner
    product of the query and its vector. A model that reads events takes their features beside the
    vectors, and ``events_0``, ``events_1``, ... are those of an event of which nothing is known.
    Featurizers are not part of it.

    Parameters
    ----------
    recommender : fitted EmbRecEstimator, GRU4RecRecommender or TransRecRecommender
    path : str or Path
        Folder to write. A former export is replaced, as a whole, once everything is written.

    Raises
    ------
    ImportError
        Without the extra ``onnx``.
    FileExistsError
        If ``path`` is there and is no export.
    """
    import_optional("onnxscript", extra="onnx", purpose="to_onnx")
    _export(recommender, Path(path), ".onnx", _write_onnx)


def to_torch(recommender: TrainedRecommender, path: str | Path) -> None:
    """Export a recommender to a folder that torch can serve, without embrec.

    As `to_onnx`, with ``session_step.pt2`` and ``item_tower.pt2`` for ``torch.export.load``, which
    AOTInductor compiles for services in C++.

    Parameters
    ----------
    recommender : fitted EmbRecEstimator, GRU4RecRecommender or TransRecRecommender
    path : str or Path
        Folder to write. A former export is replaced, as a whole, once everything is written.

    Raises
    ------
    FileExistsError
        If ``path`` is there and is no export.
    """
    _export(recommender, Path(path), ".pt2", _write_torch)


def _export(recommender: Any, path: Path, suffix: str, write: _Write) -> None:
    if not isinstance(recommender, TrainedRecommender):
        raise TypeError(
            "Expected a fitted EmbRecEstimator, or another that trains a network; got "
            f"{type(recommender).__name__}. Take the last step of a Pipeline, and best_estimator_ "
            "of a search."
        )
    check_is_fitted(recommender)
    recommender = as_of_now(recommender)
    if not recommender.network_.state_size:
        raise ValueError(
            "This encoder keeps no state: it reads a history anew at every step, so there is no "
            "step to export. Serve it with recommend, or choose another encoder."
        )
    write_folder(
        path,
        partial(_write_all, recommender, suffix=suffix, write=write),
        marker=META,
        what="export of embrec",
        former=(ARRAYS, ITEMS, f"session_step{suffix}", f"item_tower{suffix}"),
    )


def _write_all(
    recommender: TrainedRecommender, folder: Path, *, suffix: str, write: _Write
) -> dict[str, Any]:
    network = copy_network(recommender.network_, torch.device("cpu"))
    step, tower = f"session_step{suffix}", None
    with warnings.catch_warnings():
        # torch warns of its own use of what it deprecates
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        write(export_session_step(network), folder / step, ["new_states", "queries"])
        if isinstance(network.items, TowerItems):  # else new items are like all others
            tower = f"item_tower{suffix}"
            write(export_item_tower(network.items), folder / tower, ["vectors"])
    with recommender.catalog_.writing():
        snapshot = recommender.index_.snapshot
        ids = recommender.catalog_.ids.take(np.arange(snapshot.n_rows)).tolist()
    own = None
    if network.items.has_ids:
        own = recommender.trained_places(np.arange(snapshot.n_rows))
    arrays = {
        "item_vectors": snapshot.whole(),
        "active": snapshot.active,
        "initial_state": network.initial_states(1)[0].detach().numpy(),
        **({} if own is None else {"own": own}),
        **{f"events_{i}": mean[0].numpy() for i, mean in enumerate(_mean_events(network))},
    }
    write_arrays(arrays, folder / ARRAYS)
    (folder / ITEMS).write_text(json.dumps(ids), encoding="utf-8")
    return _describe(network, recommender.fingerprint_, folder.name, step, tower)


def _mean_events(network: SequenceNetwork) -> list[torch.Tensor]:
    return [] if network.events is None else network.events.means


def _write_onnx(program: ExportedProgram, path: Path, outputs: list[str]) -> None:
    # it tells of operators of torchvision that it does without
    talker = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = talker.level
    talker.setLevel(logging.ERROR)
    try:
        made = torch.onnx.export(program, output_names=outputs, dynamo=True, verbose=False)
    finally:
        talker.setLevel(level)
    if made is None:
        raise RuntimeError("torch.onnx.export made nothing.")
    made.save(str(path))


def _write_torch(program: ExportedProgram, path: Path, outputs: list[str]) -> None:
    torch.export.save(program, path)


def _describe(
    network: SequenceNetwork, fingerprint: str, folder: str, step: str, tower: str | None
) -> dict[str, Any]:
    items = network.items
    n_features = list(items.n_features) if isinstance(items, TowerItems) else []
    features = [f"features_{i}" for i in range(len(n_features))]
    n_event_features = [mean.shape[1] for mean in _mean_events(network)]
    events = [f"events_{i}" for i in range(len(n_event_features))]
    return {
        "format": FORMAT,
        "embrec_version": __version__,
        "fingerprint": fingerprint,
        "state_size": network.state_size,
        "vector_size": network.vector_size,
        "n_features": n_features,
        "n_event_features": n_event_features,
        "session_step": {
            "file": f"{folder}/{step}",
            "inputs": ["states", "vectors", *events],
            "outputs": ["new_states", "queries"],
        },
        "item_tower": None
        if tower is None
        else {
            "file": f"{folder}/{tower}",
            "inputs": [*features, "own"] if items.has_ids else features,
            "outputs": ["vectors"],
        },
        "items": f"{folder}/{ITEMS}",
        "arrays": f"{folder}/{ARRAYS}",
    }
