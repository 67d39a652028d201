"""Items as vectors of a pretrained text model."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

from embrec._utils.compat import HasMethods, Interval
from embrec.encoders.sentence import MODEL_TYPES, SentenceSpec
from embrec.featurizers._frozen import FrozenFeaturizer
from embrec.featurizers._frozen_text import FrozenTextFeaturizer
from embrec.featurizers._text_base import TextReader


class TextEncoderItemFeaturizer(FrozenTextFeaturizer):
    """Vectors of the text of items by any sentence-transformers or Hugging Face model.

    What ELMo was to the EmbRec thesis (section 3.4.1): a language model, trained elsewhere on
    much text, that reads words nobody in this shop has written before. Needs the extra ``text``.

    Parameters
    ----------
    columns : str, array-like of str or None, default=None
        Columns of the table that make up the text, in this order, joined with a space. None means
        all of them.
    model : str, path-like or SentenceTransformer, \
            default="sentence-transformers/all-MiniLM-L6-v2"
        Name of a model on the Hugging Face hub, which is downloaded once; path of a folder; or a
        model in memory, which pickles along. A plain Hugging Face model gets the mean over tokens.
        Of a Router the route for documents is taken.
    max_words : int or None, default=None
        How many words (separated by white space) of the joined text are read, before the model
        sees them. None means all of them, up to the limit of the model.
    strip_html : bool, default=True
        Remove HTML tags, comments and scripts from the text, and resolve entities.
    max_length : int or None, default=None
        How many tokens of the model are read, if that is less than its own limit.
    prompt : str or None, default=None
        What goes before every text, for models that were trained with it (``"passage: "``).
    normalize : bool, default=True
        Scale every vector to unit length.
    truncate_dim : int or None, default=None
        Keep this many dimensions, the first; for models that were trained for that.
    revision : str or None, default=None
        Branch, tag or commit on the hub.
    trust_remote_code : bool, default=False
        Run code that comes with the model.
    batch_size : int or "auto", default="auto"
        How many texts go through the model together; "auto" is 64 on a GPU, and on a CPU 16.
    device : str, default="auto"
        Where to compute; "auto" is CUDA if there is any, else the CPU.
    memory : str, path-like, joblib.Memory or None, default=None
        Where to keep vectors, so that each text is encoded once; with a Memory of
        ``mmap_mode="r"``, ``transform`` returns a memory map.
    n_jobs : int or None, default=None
        How many joblib workers share the batches, each with a model of its own.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    n_features_out_ : int
        Length of the vectors.
    model_fingerprint_ : str
        Hash of the weights and settings. ``transform`` refuses a model with another one.
    n_features_in_ : int
        Number of columns seen during ``fit``; 1 for ready-made texts.
    feature_names_in_ : ndarray of str
        Names of the columns seen during ``fit``. Defined only if `X` was a table whose column
        names are all strings.

    See Also
    --------
    TfidfItemFeaturizer : Needs no model, and often wins where a shop has its own vocabulary.

    Notes
    -----
    Equal texts are encoded once; an item without text has zeros. A pickle holds the name of the
    model, not its weights, and fitted estimators of one process share a loaded model.

    Examples
    --------
    >>> from embrec.featurizers import TextEncoderItemFeaturizer
    >>> featurizer = TextEncoderItemFeaturizer(["title"], model="intfloat/e5-small-v2",
    ...                                        prompt="passage: ")
    >>> featurizer.fit_transform(items).shape  # doctest: +SKIP
    (2420, 384)
    """

    _cpu_batch = 16
    _model_parameters = ("model", "max_length", "prompt", "normalize", "truncate_dim", "revision")
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TextReader._text_constraints,
        **FrozenFeaturizer._shared_constraints,
        "model": [*MODEL_TYPES, HasMethods(["__fspath__"])],
        "max_length": [Interval(Integral, 1, None, closed="left"), None],
        "prompt": [str, None],
        "normalize": ["boolean"],
        "truncate_dim": [Interval(Integral, 1, None, closed="left"), None],
        "revision": [str, None],
        "trust_remote_code": ["boolean"],
    }

    def __init__(
        self,
        columns: str | Sequence[str] | None = None,
        *,
        model: Any = "sentence-transformers/all-MiniLM-L6-v2",
        max_words: int | None = None,
        strip_html: bool = True,
        max_length: int | None = None,
        prompt: str | None = None,
        normalize: bool = True,
        truncate_dim: int | None = None,
        revision: str | None = None,
        trust_remote_code: bool = False,
        batch_size: int | str = "auto",
        device: str = "auto",
        memory: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.columns = columns
        self.model = model
        self.max_words = max_words
        self.strip_html = strip_html
        self.max_length = max_length
        self.prompt = prompt
        self.normalize = normalize
        self.truncate_dim = truncate_dim
        self.revision = revision
        self.trust_remote_code = trust_remote_code
        self.batch_size = batch_size
        self.device = device
        self.memory = memory
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _source(self) -> SentenceSpec:
        return SentenceSpec.of(
            self.model,
            device=self.device,
            max_length=self.max_length,
            prompt=self.prompt,
            normalize=bool(self.normalize),
            truncate_dim=self.truncate_dim,
            revision=self.revision,
            trust_remote_code=bool(self.trust_remote_code),
        )
