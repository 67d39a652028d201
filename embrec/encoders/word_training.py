"""Skip-gram vectors of a catalogue's own words."""

from collections.abc import Sequence
from dataclasses import dataclass

from embrec._utils.optional import import_optional
from embrec.encoders.word_files import as_word_table
from embrec.encoders.word_table import WordTable


@dataclass(frozen=True)
class SkipGramSettings:
    """How to train.

    Parameters
    ----------
    vector_size : int
    window : int
        How far two words may be apart to predict each other.
    min_count : int
        Words that are less frequent get no vector.
    n_negatives : int
    epochs : int
    n_buckets : int or None
        Size of the table of subwords, as in fastText; None means whole words alone.
    seed : int
    n_threads : int
        With more than one, the same seed gives other vectors each time.
    """

    vector_size: int
    window: int
    min_count: int
    n_negatives: int
    epochs: int
    n_buckets: int | None
    seed: int
    n_threads: int


def train_skip_gram(sentences: Sequence[Sequence[str]], settings: SkipGramSettings) -> WordTable:
    """Train the skip-gram model with negative sampling of Mikolov et al. (2013).

    Parameters
    ----------
    sentences : sequence of sequences of str
        Words of each text.
    settings : SkipGramSettings

    Returns
    -------
    WordTable

    Raises
    ------
    ValueError
        If no word is frequent enough.
    """
    models = import_optional("gensim.models", extra="words", purpose="WordVectorItemFeaturizer")
    options = {
        "vector_size": settings.vector_size,
        "window": settings.window,
        "min_count": settings.min_count,
        "negative": settings.n_negatives,
        "sg": 1,
        "seed": settings.seed,
        "workers": settings.n_threads,
    }
    if settings.n_buckets is None:
        model = models.Word2Vec(**options)
    else:
        model = models.FastText(**options, bucket=settings.n_buckets)
    model.build_vocab(sentences)
    if not len(model.wv):
        raise ValueError(
            f"No word occurs min_count={settings.min_count} times or more in {len(sentences)} "
            "texts, so that there is nothing to train. Check that columns= names columns of text, "
            "or lower min_count."
        )
    model.train(sentences, total_examples=model.corpus_count, epochs=settings.epochs)
    return as_word_table(model.wv)
