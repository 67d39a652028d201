"""Texts to vectors with sentence-transformers, which reads plain Hugging Face models too."""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from embrec._utils.optional import import_optional
from embrec.encoders.files import absolute_folder, folder_stamp, hash_arrays, network_stamp
from embrec.encoders.sentence_modules import (
    depends_on_batch,
    describe_modules,
    describe_tokenizer,
    encode_options,
    reading_module,
    reads_whole,
)
from embrec.network.device import resolve_device

#: What can be a model, besides a path: its name, or a SentenceTransformer.
MODEL_TYPES = (str, nn.Module)


@dataclass(frozen=True)
class SentenceSpec:
    """A text model by name or path, and how to use it.

    Parameters
    ----------
    model : str or SentenceTransformer
        Name on the hub, path of a folder, or a model in memory.
    device : str
    max_length : int or None
        How many tokens are read; None is the model's own limit.
    prompt : str or None
        What goes before every text.
    normalize : bool
        Whether vectors have unit length.
    truncate_dim : int or None
        Keep this many dimensions.
    revision : str or None
    trust_remote_code : bool
    stamp : object
        Which version of the files, if `model` is a folder, or of the weights in memory.
    """

    model: Any
    device: str = "auto"
    max_length: int | None = None
    prompt: str | None = None
    normalize: bool = True
    truncate_dim: int | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    stamp: Any = None

    @classmethod
    def of(cls, model: Any, **settings: Any) -> "SentenceSpec":
        """Make a spec, and see whether a model is a folder."""
        if isinstance(model, os.PathLike):
            model = os.fspath(model)
        if not isinstance(model, str):
            in_memory = network_stamp(model) if isinstance(model, nn.Module) else None
            return cls(model, **settings, stamp=in_memory)
        model = absolute_folder(model)
        is_folder = Path(model).is_dir()
        return cls(model, **settings, stamp=folder_stamp(Path(model)) if is_folder else None)

    def load(self) -> "SentenceEncoder":
        """Read the model; it may be downloaded by the library's own loader."""
        library = import_optional(
            "sentence_transformers", extra="text", purpose="TextEncoderItemFeaturizer"
        )
        device = str(resolve_device(self.device))
        if isinstance(self.model, str):
            with _quiet() if self.stamp is not None else nullcontext():
                model = self._read(library, device)
        else:
            model = getattr(self.model, "_orig_mod", self.model)  # of torch.compile
            if not isinstance(model, library.SentenceTransformer):
                raise ValueError(
                    f"model is a {type(model).__name__}; expected a SentenceTransformer. For a "
                    "model of transformers, save it with its tokenizer by save_pretrained and pass "
                    "the path of the folder."
                )
            model = model.to(device)
        return SentenceEncoder(model.eval(), self)

    def _read(self, library: Any, device: str) -> Any:
        try:
            # the library makes up weights that a file lacks (often the pooler, which is not used):
            # always the same here, or the fingerprint would be another one in each process
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(0)
                return library.SentenceTransformer(
                    self.model,
                    device=device,
                    revision=self.revision,
                    trust_remote_code=self.trust_remote_code,
                )
        except RuntimeError as error:
            if "floating point" not in str(error):
                raise
            raise ValueError(
                f"model={self.model!r} has integers for weights, as a model of model2vec in 8 bits "
                "does; expected floating point. Read it by model2vec with quantize_to='float32', "
                "and save it again."
            ) from error
        except (OSError, ValueError) as error:
            raise ValueError(
                f"model={self.model!r} could not be loaded: {str(error).rstrip('. ')}. Pass the "
                "name of a model of sentence-transformers or Hugging Face, or the path of a folder "
                f"that holds one. {_connection()}"
            ) from error


class SentenceEncoder:
    """Encodes texts with a SentenceTransformer.

    Parameters
    ----------
    model : SentenceTransformer
        In evaluation mode.
    spec : SentenceSpec
    """

    def __init__(self, model: Any, spec: SentenceSpec) -> None:
        self._model = model
        self._spec = spec
        # tokenizers in Rust fail if two threads use one at a time
        self._lock = threading.Lock()
        self._reader = reading_module(model)
        self._options = encode_options(model)
        self._is_alone = depends_on_batch(model)
        self._check_limit()
        self.n_features = self._count_features()
        asked = spec.truncate_dim
        if asked is not None and asked > self.n_features:
            raise ValueError(
                f"truncate_dim={asked}, but the vectors of the model have {self.n_features} "
                "dimensions. Pass that or less."
            )
        self.fingerprint = self._hash()

    def cost(self, content: str) -> int:
        """Return the length of a text."""
        return len(content)

    def encode(self, batches: Iterable[Sequence[str]]) -> Iterator[np.ndarray]:
        """Yield the vectors of each batch: (n, n_features) float32."""
        return map(self._encode, batches)

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        with self._lock, torch.inference_mode():
            limit = getattr(self._reader, "max_seq_length", None)
            is_limited = self._limit(limit) != limit
            if is_limited:
                self._reader.max_seq_length = self._limit(limit)
            try:
                vectors = self._model.encode(
                    list(texts),
                    prompt=self._spec.prompt,
                    batch_size=1 if self._is_alone else len(texts),
                    show_progress_bar=False,
                    normalize_embeddings=False,
                    **self._options,
                )
            finally:
                if is_limited:
                    self._reader.max_seq_length = limit
        vectors = np.asarray(vectors[:, : self._spec.truncate_dim], dtype=np.float32)
        if not self._spec.normalize:
            return vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)

    def _check_limit(self) -> None:
        """Refuse a limit of tokens for what reads texts whole, such as a StaticEmbedding."""
        own = getattr(self._reader, "max_seq_length", None)
        if self._limit(own) != own and reads_whole(self._reader):
            raise ValueError(
                f"max_length={self._spec.max_length}, but this model, whose first module is a "
                f"{type(self._reader).__name__}, reads texts whole. Pass max_length=None; "
                "max_words= cuts texts for any model."
            )

    def _count_features(self) -> int:
        try:
            return self._encode([""]).shape[1]
        except KeyError as error:
            if error.args != ("sentence_embedding",):
                raise
            raise ValueError(
                f"The last module of the model is a {type(self._model[-1]).__name__}, which makes "
                "no vector of a text. Append one that does, such as Pooling of "
                "sentence-transformers, and save the model again."
            ) from error

    def _limit(self, own: int | None) -> int | None:
        asked = self._spec.max_length
        if asked is None or own is None:
            return asked if own is None else own
        return min(asked, own)

    def _hash(self) -> str:
        weights = {
            name: tensor.detach().to("cpu", torch.float32).numpy()
            for name, tensor in self._model.state_dict().items()
        }
        model, spec = self._model, self._spec
        prompt = spec.prompt if spec.prompt is not None else _default_prompt(model)
        settings = (
            self._limit(getattr(self._reader, "max_seq_length", None)),
            prompt,
            spec.normalize,
            self.n_features,
            describe_modules(model),
            describe_tokenizer(getattr(self._reader, "tokenizer", None)),
        )
        return hash_arrays(weights, *settings)


def _default_prompt(model: Any) -> str | None:
    prompt: str | None = model.prompts.get(model.default_prompt_name)
    return prompt


def _connection() -> str:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        return "HF_HUB_OFFLINE is set, so that nothing is downloaded."
    return "HF_HUB_OFFLINE=1 finds what was downloaded before without a connection."


@contextmanager
def _quiet() -> Iterator[None]:
    """Show no progress of what takes a moment; downloads show theirs."""
    logging = import_module("transformers.utils.logging")
    was_shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_shown:
            logging.enable_progress_bar()
