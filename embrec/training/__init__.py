"""Training: sequences, batches, losses, the loop, early stopping. Item rows and tensors only."""

from embrec.training.callbacks import Callback, EpochRecord, TrainingProgress
from embrec.training.checkpoint import CheckpointError, CheckpointFolder
from embrec.training.loop import DivergedError, TrainingRun, TrainingSettings, train
from embrec.training.objective import LossSettings, Objective
from embrec.training.optimization import OptimizerSettings
from embrec.training.sequences import TrainingSequences
from embrec.training.validation import Encode, NextItemValidation

__all__ = [
    "Callback",
    "CheckpointError",
    "CheckpointFolder",
    "DivergedError",
    "Encode",
    "EpochRecord",
    "LossSettings",
    "NextItemValidation",
    "Objective",
    "OptimizerSettings",
    "TrainingProgress",
    "TrainingRun",
    "TrainingSequences",
    "TrainingSettings",
    "train",
]
