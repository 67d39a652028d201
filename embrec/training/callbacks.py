"""What may watch training, and stop it."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

#: Figures of one epoch, by name.
EpochRecord = dict[str, Any]


@dataclass
class TrainingProgress:
    """Where training is, as callbacks see it.

    Parameters
    ----------
    network : Module
        The network in training; at the end of an epoch the one that was validated, whose weights
        are averages if ``ema_decay`` asks for them. Look, and leave it as it is.
    n_steps : int
        Steps per epoch.
    max_epochs : int
    epoch : int
        From 1 on.
    step : int
        Steps taken in this epoch.
    loss : float
        Mean loss of the last step.
    record : dict
        At the end of an epoch: its figures, as in ``training_log_``. Others may be added: numbers
        or strings.
    """

    network: nn.Module
    n_steps: int
    max_epochs: int
    epoch: int = 0
    step: int = 0
    loss: float = float("nan")
    record: EpochRecord = field(default_factory=dict)


class Callback:
    """Base of what watches training: inherit and overwrite what you need.

    A method that returns True stops training: after this step, or this epoch. What was learned is
    kept as if the last epoch were over: with early stopping, the weights of the best epoch. An
    exception ends training too, and leaves the estimator as it was: a tuner's way to give a trial
    up.
    """

    def on_step_end(self, progress: TrainingProgress) -> bool | None:
        """Look at a step.

        Parameters
        ----------
        progress : TrainingProgress

        Returns
        -------
        bool or None
            True stops training.
        """

    def on_epoch_end(self, progress: TrainingProgress) -> bool | None:
        """Look at an epoch, after validation.

        Parameters
        ----------
        progress : TrainingProgress
            Its record holds the epoch's figures.

        Returns
        -------
        bool or None
            True stops training.
        """
