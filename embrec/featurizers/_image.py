"""Items as vectors of their pictures."""

import os
from collections.abc import Callable, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from embrec._utils.compat import HasMethods, Interval, StrOptions
from embrec._utils.warn import warn
from embrec.encoders.picture_keys import Picture, tell_apart
from embrec.encoders.pictures import MAX_PIXELS, PictureError, decode
from embrec.encoders.protocol import Encoder
from embrec.encoders.vision import BACKBONE_TYPES, VisionSpec
from embrec.featurizers._frozen import FrozenFeaturizer
from embrec.featurizers._picture_columns import (
    PictureItems,
    pick_cells,
    read_cell,
    read_picture_items,
)

#: How many unreadable pictures a warning names.
N_NAMED = 3


class UnreadablePictureWarning(UserWarning):
    """Some pictures could not be read; their items have zeros for features."""


class ImageFeaturizer(FrozenFeaturizer):
    """Vectors of the pictures of items, by a pretrained network or by colours and edges.

    The default is that of the EmbRec thesis (section 3.4.2): AlexNet trained on ImageNet, the
    4,096 numbers of its second dense layer, as in [1]_. A picture that is missing or cannot be
    read does not stop the work: its item has zeros, and 1 in the last column.

    Parameters
    ----------
    columns : str, array-like of one str, or None, default=None
        The column of pictures; None if there is just one column. A picture is a path, a
        ``file://`` URL, the bytes of a file, a PIL image, or an array: (height, width), or
        (height, width, 1, 3 or 4), of dtype uint8, uint16 or bool, or floats from 0 to 1. None,
        NaN, NA and blank strings are missing.
    backbone : str or torch.nn.Module, default="alexnet"
        - "alexnet" : 4,096 features; needs the extra ``image``, as all do.
        - "descriptor" : 612 features that need no weights: 288 of colours and 324 of edges, see
          Notes.
        - "torchvision:<name>", "timm:<name>", "hf:<name or path>" : any network of these
          libraries without its classifier, with the preprocessing that it was trained with.
          Needs the extra ``vision``.
        - a network of one's own, (n, 3, height, width) to (n, n_features). It is copied, and
          pickles along.
    weights : str, path-like or None, default=None
        File of a state dict, by torch or safetensors, with or without the classifier. None means
        the library's own pretrained weights, which its loader downloads once.
    folder : str, path-like or None, default=None
        Where relative paths start; None is the working directory.
    preprocess : callable, default=None
        RGB PIL image to float tensor (3, height, width), instead of the backbone's own. None, for
        a network of one's own, is the standard for ImageNet: the shorter side to 256 pixels, the
        central 224 x 224, normalised. Called in threads.
    on_error : {"warn", "raise", "ignore"}, default="warn"
        What ``transform`` does about pictures that are there and cannot be read; missing ones are
        no error. ``fit`` alone opens none.
    missing_indicator : bool, default=True
        Whether there is a last column, 1 for items whose picture is missing or unreadable.
    max_pixels : int, default=89478485
        Pictures with more are not decoded, but count as unreadable.
    batch_size : int or "auto", default="auto"
        How many go through the network together; "auto" is 64 on a GPU, and on a CPU 4: its
        caches are small.
    n_decoders : int or None, default=None
        How many threads decode pictures ahead of the network, in each of the `n_jobs` workers; 1
        decodes in the calling thread. None is one per CPU, at most 8.
    device : str, default="auto"
        Where to compute; "auto" is CUDA if there is any, else the CPU.
    memory : str, path-like, joblib.Memory or None, default=None
        Where to keep vectors, so that each picture is decoded once, whatever its
        name; with a Memory of ``mmap_mode="r"``, ``transform`` returns a memory map.
    n_jobs : int or None, default=None
        How many joblib workers share the batches, each with a model of its own.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    n_features_out_ : int
        Number of columns of the output.
    model_fingerprint_ : str
        Hash of the weights, the preprocessing and `max_pixels`. ``transform`` refuses a model
        with another one.
    n_features_in_ : int
        Number of columns seen during ``fit``; 1 for a sequence of pictures.
    feature_names_in_ : ndarray of str
        Names of the columns seen during ``fit``. Defined only if `X` was a table whose column
        names are all strings.

    See Also
    --------
    TextEncoderItemFeaturizer : Vectors of the text of items.

    Notes
    -----
    Pictures are turned upright as EXIF says, put over white where they are transparent, and
    scaled to 8 bits; of moving pictures the first frame counts. Nothing is downloaded but
    weights: http(s) URLs count as unreadable. Large JPEGs are decoded at a fraction of their
    size.

    Pictures that look the same are encoded once. Without `memory` that means the same path; with
    it, the same content of the file.

    The columns of "descriptor": colours of the top left, top right, bottom left and bottom right
    quarter, 8 hues x 3 saturations x 3 values each, then a histogram of oriented gradients of 3 x
    3 blocks of 2 x 2 cells of 9 directions, all of the picture scaled to 128 x 128 pixels.

    A pickle holds the name of the backbone, not its weights, and fitted estimators of one process
    share a loaded model.

    References
    ----------
    .. [1] McAuley, J. et al., "Image-based recommendations on styles and substitutes", SIGIR, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from embrec.featurizers import ImageFeaturizer
    >>> red, blue = np.zeros((2, 40, 30, 3), dtype=np.uint8)
    >>> red[:, :, 0] = blue[:, :, 2] = 255
    >>> featurizer = ImageFeaturizer(backbone="descriptor")
    >>> vectors = featurizer.fit_transform([red, blue, red, None])
    >>> vectors.shape
    (4, 613)
    >>> vectors[:, -1]
    array([0., 0., 0., 1.], dtype=float32)
    """

    _unit = "pictures"
    _cpu_batch = 4
    _model_parameters = ("backbone", "weights", "preprocess", "max_pixels")
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **FrozenFeaturizer._shared_constraints,
        "columns": [None, str, "array-like"],
        "backbone": list(BACKBONE_TYPES),
        "weights": [None, str, HasMethods(["__fspath__"])],
        "folder": [None, str, HasMethods(["__fspath__"])],
        "preprocess": [None, callable],
        "on_error": [StrOptions({"warn", "raise", "ignore"})],
        "missing_indicator": ["boolean"],
        "max_pixels": [Interval(Integral, 1, None, closed="left")],
        "n_decoders": [None, Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        columns: str | Sequence[str] | None = None,
        *,
        backbone: Any = "alexnet",
        weights: Any = None,
        folder: Any = None,
        preprocess: Callable[[Any], Any] | None = None,
        on_error: str = "warn",
        missing_indicator: bool = True,
        max_pixels: int = MAX_PIXELS,
        batch_size: int | str = "auto",
        n_decoders: int | None = None,
        device: str = "auto",
        memory: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.columns = columns
        self.backbone = backbone
        self.weights = weights
        self.folder = folder
        self.preprocess = preprocess
        self.on_error = on_error
        self.missing_indicator = missing_indicator
        self.max_pixels = max_pixels
        self.batch_size = batch_size
        self.n_decoders = n_decoders
        self.device = device
        self.memory = memory
        self.n_jobs = n_jobs
        self.verbose = verbose

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the output's columns.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_features,), object
            ``imagefeaturizer0`` and so on; the last is ``imagefeaturizer_missing``, unless there
            is no such column.

        Raises
        ------
        NotFittedError
            If ``fit`` was not called.
        """
        names: np.ndarray = super().get_feature_names_out(input_features)
        if self._n_encoded == len(names):
            names[-1] = f"{type(self).__name__.lower()}_missing"
        return names

    def _read(self, X: Any) -> tuple[PictureItems, list[Any]]:
        items = read_picture_items(X)
        folder = self._folder()
        return items, [read_cell(cell, folder) for cell in self._pick_cells(items)]

    def _pick_cells(self, items: PictureItems) -> list[Any]:
        return pick_cells(items, self.columns)

    def _folder(self) -> Path:
        # workers may be in another folder
        return Path("" if self.folder is None else self.folder).expanduser().absolute()

    def _source(self) -> VisionSpec:
        return VisionSpec.of(
            self.backbone,
            weights=self.weights,
            preprocess=self.preprocess,
            device=self.device,
            max_pixels=self.max_pixels,
            n_decoders=self.n_decoders,
        )

    def _set_fitted(self, encoder: Encoder) -> None:
        super()._set_fitted(encoder)
        self._n_encoder_features = encoder.n_features
        self.n_features_out_ = encoder.n_features - (not self.missing_indicator)

    @property
    def _n_encoded(self) -> int:
        return self._n_encoder_features

    def _features(self, contents: Sequence[Any]) -> np.ndarray:
        pictures = tell_apart(
            contents, max_pixels=self.max_pixels, read_files=self.memory is not None
        )
        encoded = super()._features(pictures)
        self._report(contents, np.flatnonzero(encoded[:, -1]))
        return encoded[:, : self.n_features_out_]

    def _encode(self, contents: Sequence[Picture | None]) -> np.ndarray:
        vectors = super()._encode(contents)
        vectors[[picture is None for picture in contents], -1] = 1
        return vectors

    def _failed(self, vectors: np.ndarray) -> np.ndarray:
        failed: np.ndarray = vectors[:, -1] != 0
        return failed

    def _content_bytes(self, content: Picture) -> bytes:
        return content.key

    def _report(self, sources: Sequence[Any], without: np.ndarray) -> None:
        """Warn of pictures without features, or raise, but for those that are missing."""
        unreadable = [i for i in without if sources[i] is not None]
        if self.on_error == "ignore" or not unreadable:
            return
        # read once more for the reason, which neither a store nor another process can tell
        named = [
            f"{_name(sources[i], i)}: {_why(sources[i], self.max_pixels)}"
            for i in unreadable[:N_NAMED]
        ]
        more = len(unreadable) - len(named)
        message = (
            f"{len(unreadable)} of {len(sources)} pictures could not be read: {'; '.join(named)}"
            + (f"; and {more} more." if more else ".")
        )
        if any(_is_absent(sources[i]) for i in unreadable[:N_NAMED]):
            message += f" Relative paths start at {self._folder()}, as folder= says."
        if self.on_error == "raise":
            raise PictureError(f"{message} on_error='warn' goes on without them.")
        warn(f"{message} The features of these items are zeros.", UnreadablePictureWarning)


def _name(source: Any, position: int) -> str:
    if isinstance(source, Path | str):
        return str(source)
    return f"{type(source).__name__} of item {position}"


def _is_absent(source: Any) -> bool:
    # unlike Path.exists, for names of any kind
    return isinstance(source, Path) and not os.path.exists(source)


def _why(source: Any, max_pixels: int) -> str:
    try:
        decode(source, max_pixels=max_pixels)
    except PictureError as error:
        return str(error)
    return "was changed or away when it was read; transform again"
