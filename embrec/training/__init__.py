"""Training: batches, the loop, early stopping. Item rows and tensors; no ids, no scikit-learn."""

from embrec.training.data import hold_out_last_events, trainable
from embrec.training.loop import DivergedError, EpochRecord, TrainingRun, TrainingSettings, train
from embrec.training.validation import NextItemValidation

__all__ = [
    "DivergedError",
    "EpochRecord",
    "NextItemValidation",
    "TrainingRun",
    "TrainingSettings",
    "hold_out_last_events",
    "train",
    "trainable",
]
