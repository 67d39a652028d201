"""Items as vectors of ELMo, the language model of the EmbRec thesis."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from embrec._utils.compat import HasMethods
from embrec.encoders.elmo import ElmoSpec
from embrec.encoders.elmo_options import PUBLISHED
from embrec.featurizers._frozen import FrozenFeaturizer
from embrec.featurizers._frozen_text import FrozenTextFeaturizer
from embrec.featurizers._text_base import TextReader


class ElmoItemFeaturizer(FrozenTextFeaturizer):
    """The mean of ELMo's vectors of an item's words (EmbRec thesis, section 3.4.1).

    A language model that reads words by their characters, so that none is unknown, and that reads
    each in its text, from both sides. The features of an item are the mean over its words and over
    the three layers of the model: 1,024 of them with the published weights. Needs the extra
    ``elmo``, and the two files of a model, which embrec does not bring.

    Parameters
    ----------
    columns : str, array-like of str or None, default=None
        Columns of the table that make up the text, in this order, joined with a space. None means
        all of them.
    options_file : str or path-like
        The sizes of the model: ``elmo_2x4096_512_2048cnn_2xhighway_options.json``, or that of
        another model of the same make.
    weight_file : str or path-like
        Its weights: ``elmo_2x4096_512_2048cnn_2xhighway_weights.hdf5``.
    max_words : int or None, default=250
        How many words are read: those that the tokenizer makes, marks of punctuation among them.
        None means all of them.
    strip_html : bool, default=True
        Remove HTML tags, comments and scripts from the text, and resolve entities.
    tokenizer : callable or None, default=None
        Splits a text into a list of words. None splits at white space and takes each mark of
        punctuation for a word, because the published models were trained on text split like that:
        to them ``"pen,"`` is a strange word.
    batch_size : int or "auto", default="auto"
        How many texts go through the model together; "auto" is 64 on a GPU, and on a CPU 32.
    device : str, default="auto"
        Where to compute; "auto" is CUDA if there is any, else the CPU.
    memory : str, path-like, joblib.Memory or None, default=None
        Where to keep vectors, so that each text is read once; with a Memory of
        ``mmap_mode="r"``, ``transform`` returns a memory map.
    n_jobs : int or None, default=None
        How many joblib workers share the batches; processes have a model of their own each.
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
    TextEncoderItemFeaturizer : Models of today, which are faster and come by themselves.
    TfidfItemFeaturizer : Needs no model, and did better in the thesis (Figure 11).

    Notes
    -----
    Texts are read one by one, each from a state of zeros: the features of an item depend on it
    alone. An item without words has zeros. A pickle holds the paths of the files, not the weights,
    and fitted featurizers of one process share a loaded model. On a CPU the published model reads
    about two hundred words a second and core: use a GPU, or `memory`.

    References
    ----------
    Peters et al. (2018), Deep contextualized word representations, arXiv:1802.05365.

    Examples
    --------
    >>> from embrec.featurizers import ElmoItemFeaturizer
    >>> model = "elmo_2x4096_512_2048cnn_2xhighway"
    >>> featurizer = ElmoItemFeaturizer(["title", "description"],
    ...                                 options_file=f"{model}_options.json",
    ...                                 weight_file=f"{model}_weights.hdf5")
    >>> featurizer.fit_transform(items).shape  # doctest: +SKIP
    (2420, 1024)
    """

    _cpu_batch = 32
    _model_parameters = ("options_file", "weight_file", "tokenizer", "max_words")
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TextReader._text_constraints,
        **FrozenFeaturizer._shared_constraints,
        "options_file": [None, str, HasMethods(["__fspath__"])],
        "weight_file": [None, str, HasMethods(["__fspath__"])],
        "tokenizer": [callable, None],
    }

    def __init__(
        self,
        columns: str | Sequence[str] | None = None,
        *,
        options_file: Any = None,
        weight_file: Any = None,
        max_words: int | None = 250,
        strip_html: bool = True,
        tokenizer: Callable[[str], Iterable[str]] | None = None,
        batch_size: int | str = "auto",
        device: str = "auto",
        memory: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.columns = columns
        self.options_file = options_file
        self.weight_file = weight_file
        self.max_words = max_words
        self.strip_html = strip_html
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.device = device
        self.memory = memory
        self.n_jobs = n_jobs
        self.verbose = verbose

    @property
    def _max_blank_separated(self) -> int | None:
        # a tokenizer cuts by its own words: some languages have no blanks
        return None if self.tokenizer is not None else self.max_words

    def _source(self) -> ElmoSpec:
        for name in ("options_file", "weight_file"):
            if getattr(self, name) is None:
                raise ValueError(
                    f"ElmoItemFeaturizer needs the files of a model: {name} is None. Pass "
                    f"options_file= and weight_file=, the paths of {PUBLISHED}_options.json and "
                    f"{PUBLISHED}_weights.hdf5, or of another model that AllenNLP published."
                )
        return ElmoSpec.of(
            self.options_file,
            self.weight_file,
            device=self.device,
            tokenizer=self.tokenizer,
            max_words=self.max_words,
        )
