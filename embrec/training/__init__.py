"""Training: sequences, batches, the loop, early stopping. Item rows and tensors only."""

from embrec.training.callbacks import Callback, EpochRecord, TrainingProgress
from embrec.training.checkpoint import CheckpointError, CheckpointFolder
from embrec.training.loop import DivergedError, TrainingRun, TrainingSettings, train
from embrec.training.objective import Objective
from embrec.training.sequences import TrainingSequences
from embrec.training.trained_items import TrainedItems
from embrec.training.validation import NextItemValidation

__all__ = [
    "Callback",
    "CheckpointError",
    "CheckpointFolder",
    "DivergedError",
    "EpochRecord",
    "NextItemValidation",
    "Objective",
    "TrainedItems",
    "TrainingProgress",
    "TrainingRun",
    "TrainingSequences",
    "TrainingSettings",
    "train",
]
