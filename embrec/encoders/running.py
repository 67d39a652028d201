"""Contents to vectors: batches of similar length, here or in other processes."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from tqdm import tqdm

from embrec.encoders.protocol import Encoder, EncoderSpec

#: How many models a process keeps; clones and calls share them.
N_KEPT = 4
#: Pieces of work for each process, so that a slow one does not hold up the rest.
PIECES_PER_JOB = 4

_LOADED: OrderedDict[Any, Any] = OrderedDict()
_LOCK = threading.RLock()


def get_encoder(source: EncoderSpec | Encoder) -> Encoder:
    """Return the encoder of a spec, loading it once per process.

    Parameters
    ----------
    source : EncoderSpec or Encoder
        An encoder is returned as it is.

    Returns
    -------
    Encoder
    """
    encoder: Encoder = load_once(source) if isinstance(source, EncoderSpec) else source
    return encoder


def load_once(spec: Any) -> Any:
    """Return what ``spec.load()`` gives, called once per process for equal specs.

    Parameters
    ----------
    spec : object
        With a method ``load``. One that is not hashable (for a parameter of the user's) is loaded
        every time.

    Returns
    -------
    object
    """
    try:
        hash(spec)
    except TypeError:
        return spec.load()
    with _LOCK:
        if spec in _LOADED:
            _LOADED.move_to_end(spec)
        else:
            _LOADED[spec] = spec.load()
        while len(_LOADED) > N_KEPT:
            _LOADED.popitem(last=False)
        return _LOADED[spec]


def forget_encoders() -> None:
    """Free the memory of the models that this process has loaded; they are loaded again if needed.

    Featurizers share loaded models, so that clones (in a grid search, say) do not load them again.
    """
    with _LOCK:
        _LOADED.clear()


def encode(
    source: EncoderSpec | Encoder,
    contents: Sequence[Any],
    *,
    batch_size: int,
    n_jobs: int | None = None,
    verbose: int = 0,
    what: str = "items",
) -> np.ndarray:
    """Compute the vectors of contents.

    Batches do not depend on `n_jobs`, and so neither do the vectors, but for rounding where
    processes have different numbers of threads.

    Parameters
    ----------
    source : EncoderSpec or Encoder
    contents : sequence of length n
        Whatever the encoder reads.
    batch_size : int
        How many go through the model together.
    n_jobs : int or None, default=None
        How many joblib workers share the batches; None is one, or what
        :class:`joblib.parallel_config` says.
    verbose : int, default=0
        1 shows a progress bar.
    what : str, default="items"
        What the bar counts.

    Returns
    -------
    ndarray of shape (n, n_features), float32
    """
    encoder = get_encoder(source)
    vectors = np.empty((len(contents), encoder.n_features), dtype=np.float32)
    if not len(contents):
        return vectors
    costs = np.fromiter(map(encoder.cost, contents), dtype=np.int64, count=len(contents))
    # the longest first: if memory does not suffice, it shows at once
    order = np.argsort(-costs, kind="stable")
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    n_workers = min(effective_n_jobs(n_jobs), len(batches))
    if n_workers == 1:
        with tqdm(total=len(contents), unit=f" {what}", disable=not verbose) as bar:
            for rows, part in zip(batches, _run(encoder, contents, batches), strict=True):
                vectors[rows] = part
                bar.update(len(rows))
        return vectors
    n_pieces = min(len(batches), n_workers * PIECES_PER_JOB)
    pieces = [batches[i::n_pieces] for i in range(n_pieces)]
    results = Parallel(n_jobs=n_jobs, verbose=10 * bool(verbose))(
        delayed(_encode_piece)(source, [[contents[i] for i in rows] for rows in piece])
        for piece in pieces
    )
    for piece, parts in zip(pieces, results, strict=True):
        for rows, part in zip(piece, parts, strict=True):
            vectors[rows] = part
    return vectors


def _run(
    encoder: Encoder, contents: Sequence[Any], batches: Sequence[np.ndarray]
) -> Iterator[np.ndarray]:
    return encoder.encode([contents[i] for i in rows] for rows in batches)


def _encode_piece(
    source: EncoderSpec | Encoder, batches: Sequence[Sequence[Any]]
) -> list[np.ndarray]:
    return list(get_encoder(source).encode(batches))
