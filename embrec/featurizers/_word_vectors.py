"""Items as the mean of the vectors of their words."""

from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from embrec._utils.compat import HasMethods, Interval, StrOptions
from embrec.encoders.word_files import LoadedVectorsSpec, TableSpec, WordFileSpec
from embrec.encoders.word_mean import WordMeanEncoder, WordReader, WordWeights, check_tokens
from embrec.encoders.word_table import Subwords, WordTable
from embrec.encoders.word_training import SkipGramSettings, train_skip_gram
from embrec.featurizers._frozen import FrozenFeaturizer
from embrec.featurizers._frozen_text import FrozenTextFeaturizer
from embrec.featurizers._text_base import TextReader


class WordVectorItemFeaturizer(FrozenTextFeaturizer):
    """The mean of the vectors of an item's words (EmbRec thesis, section 3.4.1).

    Vectors come from a file, or are trained on the catalogue's own text with the skip-gram model of
    Mikolov et al. (2013). Needs the extra ``words``.

    Parameters
    ----------
    columns : str, array-like of str or None, default=None
        Columns of the table that make up the text, in this order, joined with a space. None means
        all of them.
    vectors : str, path-like, KeyedVectors or None, default=None
        A file of word2vec (text or binary), GloVe or fastText (``.bin`` with subwords, or
        ``.vec``), plain or gzipped; or vectors that gensim has loaded. None trains skip-gram
        vectors on the text of the items that ``fit`` is given.
    file_format : {"auto", "word2vec", "glove", "fasttext", "gensim"}, default="auto"
        Format of the file. Files of gensim itself are pickles, and so are read only if asked for.
    limit : int or None, default=None
        How many words of a file are read, the first ones. Ignored for fastText's ``.bin``.
    weighting : {"idf", "mean"}, default="idf"
        Whether words found in few items count more, or all the same, as in the thesis.
    norm : {"l2"} or None, default=None
        Scale each item's vector to unit length.
    max_words : int or None, default=250
        How many words of the joined text count. None means all of them.
    strip_html : bool, default=True
        Remove HTML tags, comments and scripts from the text, and resolve entities.
    lowercase : bool, default=True
        Ignore case. Some files have words in both cases: set it to False for them.
    tokenizer : callable or None, default=None
        Splits a text into words. None splits at whatever is no letter, digit, mark or underscore.
    vector_size : int, default=250
        Length of the vectors to train. This and what follows is ignored if `vectors` is given.
    window : int, default=5
        How far two words may be apart to predict each other.
    min_count : int, default=2
        Words found less often get no vector.
    n_negatives : int, default=5
        How many random words each true one is told from.
    epochs : int, default=50
        How often the text is read. Few suffice for catalogues of millions of words.
    subwords : bool, default=False
        Train vectors of groups of 3 to 6 characters too, as in fastText (Bojanowski et al. 2017),
        so that words that ``fit`` never saw have a vector.
    n_buckets : int, default=50000
        Size of the table of groups of characters.
    random_state : int, RandomState instance or None, default=None
        Seed of the training. With an int it runs in one thread, and gives the same vectors again.
    batch_size : int, default=1024
        How many texts are averaged together.
    memory : str, path-like, joblib.Memory or None, default=None
        Where to keep the vectors of items, so that each text is read once; with a
        Memory of ``mmap_mode="r"``, ``transform`` returns a memory map.
    n_jobs : int or None, default=None
        How many joblib workers share the texts; without a seed, how many threads train too.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    words_ : ndarray of str or None
        Words that vectors were trained for; None if they come from a file.
    word_vectors_ : ndarray of shape (n_words, vector_size), float32, or None
        Their vectors.
    subword_vectors_ : ndarray of shape (n_buckets, vector_size), float32, or None
        Vectors of groups of characters.
    idf_words_, idf_ : ndarray of str and of float, or None
        Weights of the words that ``fit`` saw.
    n_words_ : int
        Occurrences of words in the text that ``fit`` saw.
    n_unknown_words_ : int
        Occurrences of words without a vector among them.
    n_features_out_ : int
        Length of the vectors.
    model_fingerprint_ : str
        Hash of the vectors and settings. ``transform`` refuses a file with another one.
    n_features_in_ : int
        Number of columns seen during ``fit``; 1 for ready-made texts.
    feature_names_in_ : ndarray of str
        Names of the columns seen during ``fit``. Defined only if `X` was a table whose column
        names are all strings.

    See Also
    --------
    TfidfItemFeaturizer : The bag of words itself, which did better in the thesis (Figure 11).
    TextEncoderItemFeaturizer : Vectors of whole texts.

    Notes
    -----
    Words without a vector are skipped, and `unknown_words` counts them; an item without a known
    word has zeros. A pickle holds trained vectors, but only the path of a file.

    References
    ----------
    Mikolov et al. (2013), Distributed representations of words and phrases and their
    compositionality. Bojanowski et al. (2017), Enriching word vectors with subword information.

    Examples
    --------
    >>> from embrec.featurizers import WordVectorItemFeaturizer
    >>> items = ["red pen", "blue pen", "red ink", "blue ink"]
    >>> featurizer = WordVectorItemFeaturizer(vector_size=8, random_state=0)
    >>> featurizer.fit_transform(items).shape
    (4, 8)
    >>> featurizer.unknown_words(["red pen", "green pen"])
    {'green': 1}
    """

    _model_parameters = (
        "vectors",
        "file_format",
        "limit",
        "norm",
        "lowercase",
        "tokenizer",
        "max_words",
    )
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TextReader._text_constraints,
        **{k: v for k, v in FrozenFeaturizer._shared_constraints.items() if k != "device"},
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "vectors": [None, str, HasMethods(["__fspath__"]), HasMethods(["get_vector"])],
        "file_format": [StrOptions({"auto", "word2vec", "glove", "fasttext", "gensim"})],
        "limit": [Interval(Integral, 1, None, closed="left"), None],
        "weighting": [StrOptions({"idf", "mean"})],
        "norm": [StrOptions({"l2"}), None],
        "lowercase": ["boolean"],
        "tokenizer": [callable, None],
        **{
            name: [Interval(Integral, 1, None, closed="left")]
            for name in ("vector_size", "window", "min_count", "n_negatives", "epochs", "n_buckets")
        },
        "subwords": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        columns: str | Sequence[str] | None = None,
        *,
        vectors: Any = None,
        file_format: str = "auto",
        limit: int | None = None,
        weighting: str = "idf",
        norm: str | None = None,
        max_words: int | None = 250,
        strip_html: bool = True,
        lowercase: bool = True,
        tokenizer: Callable[[str], Iterable[str]] | None = None,
        vector_size: int = 250,
        window: int = 5,
        min_count: int = 2,
        n_negatives: int = 5,
        epochs: int = 50,
        subwords: bool = False,
        n_buckets: int = 50_000,
        random_state: Any = None,
        batch_size: int = 1024,
        memory: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.columns = columns
        self.vectors = vectors
        self.file_format = file_format
        self.limit = limit
        self.weighting = weighting
        self.norm = norm
        self.max_words = max_words
        self.strip_html = strip_html
        self.lowercase = lowercase
        self.tokenizer = tokenizer
        self.vector_size = vector_size
        self.window = window
        self.min_count = min_count
        self.n_negatives = n_negatives
        self.epochs = epochs
        self.subwords = subwords
        self.n_buckets = n_buckets
        self.random_state = random_state
        self.batch_size = batch_size
        self.memory = memory
        self.n_jobs = n_jobs
        self.verbose = verbose

    def unknown_words(self, X: Any) -> dict[str, int]:
        """Count the words of items that have no vector.

        Where vectors were trained, that is also so for words that ``fit`` saw less than
        `min_count` times.

        Parameters
        ----------
        X : table, array-like of shape (n_items, n_columns), or sequence of n_items str
            The items.

        Returns
        -------
        dict of str to int
            Occurrences, the most frequent first.
        """
        check_is_fitted(self)
        _, unknown = self._source().unknown_words(self._contents(X))
        return dict(unknown.most_common())

    def _fit(self, X: Any) -> list[Any]:
        reader = self._reader()
        items, texts = self._read(X)
        sentences = check_tokens(reader, texts)
        table = self._train(sentences) if self.vectors is None else self._given_table()
        weights = None
        if self.weighting == "idf":
            weights = WordWeights.inverse_document_frequency(sentences)
        encoder = WordMeanEncoder(
            table, reader, weights or WordWeights(), unit_length=self.norm == "l2"
        )
        n_words, unknown = encoder.unknown_words(texts)
        if unknown.total() == n_words:
            raise ValueError(
                f"None of the {n_words} words of {len(texts)} items has a vector: "
                f"{', '.join(map(repr, list(unknown)[:5]))}. Are the vectors of another language, "
                "or of words in both cases, which lowercase=False reads?"
            )
        # assigned last: a fit that fails leaves an earlier one intact
        self._check_items(items, reset=True)
        self._set_fitted(encoder)
        self._keep_table(table)
        self._keep_weights(weights)
        self.n_words_, self.n_unknown_words_ = n_words, unknown.total()
        return texts

    def _reader(self) -> WordReader:
        return WordReader(self.tokenizer, bool(self.lowercase), self.max_words)

    @property
    def _max_blank_separated(self) -> int | None:
        return None  # the reader cuts, by its own words

    def _train(self, sentences: Sequence[Sequence[str]]) -> WordTable:
        seeded = isinstance(self.random_state, Integral)
        settings = SkipGramSettings(
            vector_size=int(self.vector_size),
            window=int(self.window),
            min_count=int(self.min_count),
            n_negatives=int(self.n_negatives),
            epochs=int(self.epochs),
            n_buckets=int(self.n_buckets) if self.subwords else None,
            seed=int(check_random_state(self.random_state).randint(1, 2**31)),
            n_threads=1 if seeded else effective_n_jobs(self.n_jobs),
        )
        return train_skip_gram(sentences, settings)

    def _given_table(self) -> TableSpec:
        if hasattr(self.vectors, "get_vector"):
            return LoadedVectorsSpec(self.vectors)
        return WordFileSpec.of(self.vectors, self.file_format, self.limit)

    def _keep_table(self, table: WordTable | TableSpec) -> None:
        own = table if isinstance(table, WordTable) else None
        subwords = own.subwords if own is not None else None
        self._own_table = own
        self.words_ = np.array(own.words) if own is not None else None
        self.word_vectors_ = own.vectors if own is not None else None
        self.subword_vectors_ = subwords.vectors if subwords is not None else None
        self._subword_sizes = (subwords.min_n, subwords.max_n) if subwords is not None else None

    def __getstate__(self) -> dict[str, Any]:
        # these are made of the attributes
        made = ("_own_table", "_own_weights")
        return {k: v for k, v in super().__getstate__().items() if k not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "n_features_out_" not in state:
            return
        self._own_weights = WordWeights()
        if self.idf_words_ is not None and self.idf_ is not None:
            of_word = dict(zip(self.idf_words_.tolist(), self.idf_.tolist(), strict=True))
            self._own_weights = WordWeights(of_word, self._idf_of_others)
        self._own_table = None
        if self.words_ is not None and self.word_vectors_ is not None:
            subwords = None
            if self.subword_vectors_ is not None and self._subword_sizes is not None:
                subwords = Subwords(self.subword_vectors_, *self._subword_sizes)
            self._own_table = WordTable(self.words_.tolist(), self.word_vectors_, subwords)

    def _keep_weights(self, weights: WordWeights | None) -> None:
        self._own_weights = weights or WordWeights()
        self.idf_words_ = np.array(list(weights.of_word)) if weights is not None else None
        self.idf_ = np.array(list(weights.of_word.values())) if weights is not None else None
        self._idf_of_others = weights.default if weights is not None else 1.0

    def _source(self) -> WordMeanEncoder:
        table = self._given_table() if self._own_table is None else self._own_table
        unit_length = self.norm == "l2"
        return WordMeanEncoder(table, self._reader(), self._own_weights, unit_length=unit_length)
