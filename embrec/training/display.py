"""What training shows of itself."""

import sys
from typing import Any

from tqdm.auto import tqdm

from embrec.training.callbacks import EpochRecord


class Display:
    """A progress bar, and a line per epoch, on standard error.

    Parameters
    ----------
    verbose : int
        0 shows nothing; 1 a progress bar; 2 a line per epoch as well.
    max_epochs, n_steps : int
        Epochs at most, and steps in each.
    """

    def __init__(self, verbose: int, max_epochs: int, n_steps: int) -> None:
        self._verbose = verbose
        self._max_epochs = max_epochs
        self._n_steps = n_steps
        self._bar: Any = tqdm(
            total=max_epochs * n_steps, disable=not verbose, unit="step", dynamic_ncols=True
        )

    def start_epoch(self, epoch: int, step: int) -> None:
        """Go to a step of an epoch."""
        self._bar.set_description(f"epoch {epoch}/{self._max_epochs}", refresh=False)
        self._bar.update((epoch - 1) * self._n_steps + step - self._bar.n)

    def step(self) -> None:
        """Count a step."""
        self._bar.update()

    def end_epoch(self, record: EpochRecord) -> None:
        """Show an epoch's figures."""
        shown = {"loss": f"{record['loss']:.3f}", "events/s": f"{record['events_per_second']:,.0f}"}
        if "valid_hit_rate" in record:
            shown["valid hit rate@50"] = f"{record['valid_hit_rate']:.3f}"
        self._bar.set_postfix(shown, refresh=False)
        if self._verbose >= 2:
            figures = "  ".join(f"{name} {value}" for name, value in shown.items())
            line = f"epoch {int(record['epoch'])}  {figures}  {record['seconds']:.1f} s"
            self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()
