"""Training: batches, the loop, early stopping. Item rows and tensors; no ids, no scikit-learn."""

from embrec.training.loop import DivergedError, EpochRecord, TrainingRun, TrainingSettings, train
from embrec.training.validation import NextItemValidation

__all__ = [
    "DivergedError",
    "EpochRecord",
    "NextItemValidation",
    "TrainingRun",
    "TrainingSettings",
    "train",
]
