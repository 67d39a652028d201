"""Item featurizers: scikit-learn transformers over the rows of a catalogue."""

from embrec.encoders.running import forget_encoders
from embrec.featurizers._category_paths import CategoryPathFeaturizer
from embrec.featurizers._elmo import ElmoItemFeaturizer
from embrec.featurizers._image import ImageFeaturizer, UnreadablePictureWarning
from embrec.featurizers._numbers import NumberFeaturizer
from embrec.featurizers._text_encoder import TextEncoderItemFeaturizer
from embrec.featurizers._tfidf import TfidfItemFeaturizer
from embrec.featurizers._times import TimeFeaturizer
from embrec.featurizers._word_vectors import WordVectorItemFeaturizer

__all__ = [
    "CategoryPathFeaturizer",
    "ElmoItemFeaturizer",
    "ImageFeaturizer",
    "NumberFeaturizer",
    "TextEncoderItemFeaturizer",
    "TfidfItemFeaturizer",
    "TimeFeaturizer",
    "UnreadablePictureWarning",
    "WordVectorItemFeaturizer",
    "forget_encoders",
]
