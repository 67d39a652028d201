"""Item featurizers: scikit-learn transformers over the rows of a catalogue."""

from embrec.featurizers._tfidf import TfidfItemFeaturizer

__all__ = ["TfidfItemFeaturizer"]
