"""A folder of training checkpoints, whole whenever the run that writes them is killed."""

import operator
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from embrec._utils.warn import warn
from embrec.training.checkpoint_file import (
    CheckpointError,
    CheckpointFile,
    DamagedError,
    write_checkpoint,
)

__all__ = ["CheckpointError", "CheckpointFolder"]

_NAME = re.compile(r"step-(\d{10,})\.ckpt")
_UNFINISHED = re.compile(_NAME.pattern + r"\.tmp")


class CheckpointFolder:
    """Keeps the newest checkpoints of a run, and its best one.

    One process at a time may write to a folder. Files in it that are not checkpoints stay as they
    are.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    run_id : str
        Tells runs apart: a fingerprint of settings, data and network.
    keep_last : int, default=2
        Checkpoints to keep, beside the best one.

    Raises
    ------
    OSError
        If it is no folder, or cannot be written to.
    """

    def __init__(self, folder: str | Path, *, run_id: str, keep_last: int = 2) -> None:
        if keep_last < 1:
            raise ValueError(f"keep_last must be at least 1, got {keep_last}.")
        self.folder = Path(folder)
        self.run_id = run_id
        self.keep_last = keep_last
        self._is_best: dict[int, bool] | None = None  # of all good ones; None: not looked yet
        self._warned: set[Path] = set()
        _make_writable_folder(self.folder)
        self._remove_unfinished()

    def write(self, step: int, state: Mapping[str, Any], *, is_best: bool = False) -> Path:
        """Keep a state, and remove what is neither among the last ones nor the best.

        Parameters
        ----------
        step : int
            Its place in the order of checkpoints; one of the same step is replaced.
        state : dict
            Dicts, lists and tuples of tensors, arrays and plain values. It comes back as it was,
            but tensors on the CPU, and subclasses of dict and tuple as these.
        is_best : bool, default=False
            Whether this is the best one from now on.

        Returns
        -------
        Path
            The file, which is on disk and complete.

        Raises
        ------
        CheckpointError
            If the folder belongs to another run, or nothing in it can be read.
        TypeError
            If the state holds something else.
        OSError
            If it cannot be written; earlier checkpoints are as they were.
        """
        step = operator.index(step)
        if step < 0:
            raise ValueError(f"step must be 0 or more, got {step}.")
        known = self._look()
        path = self._path(step)
        write_checkpoint(path, self._about(step, is_best), state)
        known[step] = is_best
        self._remove_older(step, known)
        return path

    def newest(self) -> Mapping[str, Any] | None:
        """Return the state of the newest good checkpoint; None if there are no checkpoints.

        Raises
        ------
        CheckpointError
            If it is of another run or a newer embrec, or if there are checkpoints but no good one.
        """
        return _state_of(next(self._good(), None))

    def best(self) -> Mapping[str, Any] | None:
        """Return the state of the best checkpoint; None if there is none. Raises as `newest`."""
        return _state_of(next((found for found in self._good() if found.is_best), None))

    # ---- what is there

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:010d}.ckpt"

    def _steps(self) -> list[int]:
        """Tell the steps there are checkpoints of, good or not, the newest first."""
        paths = [path for path in self.folder.iterdir() if path.is_file()]
        names = [(path, _NAME.fullmatch(path.name)) for path in paths]
        steps = [(path, int(name[1])) for path, name in names if name]
        return sorted((step for path, step in steps if path == self._path(step)), reverse=True)

    def _look(self) -> dict[int, bool]:
        if self._is_best is None:
            self._is_best = {checkpoint.step: checkpoint.is_best for checkpoint in self._good()}
        return self._is_best

    def _good(self) -> Iterator["CheckpointFile"]:
        """Read good checkpoints, the newest first; warn of others on the way."""
        damaged = []
        steps = self._steps()
        for step in steps:
            path = self._path(step)
            try:
                checkpoint = CheckpointFile.read(path)
                self._check(checkpoint)
            except (DamagedError, OSError) as error:
                self._warn(path, error)
                damaged.append(f"{path.name} ({error})")
            else:
                yield checkpoint
        if steps and len(damaged) == len(steps):
            raise CheckpointError(
                f"No checkpoint in {self.folder} can be read: {', '.join(damaged)}. Remove them "
                "to train from the start, or choose another checkpoint_dir."
            )

    def _warn(self, path: Path, error: Exception) -> None:
        if path not in self._warned:
            self._warned.add(path)
            warn(f"Skipped the checkpoint {path}: {error}. Remove it if it stays so.")

    def _check(self, checkpoint: "CheckpointFile") -> None:
        if checkpoint.path != self._path(checkpoint.step):
            raise DamagedError(f"it holds step {checkpoint.step}, not what its name says")
        if checkpoint.metadata["run_id"] != self.run_id:
            raise CheckpointError(
                f"{self.folder} holds checkpoints of another run, of other settings or data: "
                f"{checkpoint.path.name} is of run {checkpoint.metadata['run_id']}, this is run "
                f"{self.run_id}. Choose another checkpoint_dir, remove the folder, or set the "
                "parameters, and pass the data, that it was written with."
            )

    def _about(self, step: int, is_best: bool) -> dict[str, str]:
        return {"run_id": self.run_id, "step": str(step), "is_best": str(int(is_best))}

    # ---- what goes

    def _remove_older(self, step: int, known: dict[int, bool]) -> None:
        # only what was seen to be good: what could not be read today may be the best one
        last = sorted(other for other in known if other <= step)[-self.keep_last :]
        best = max((other for other, is_best in known.items() if is_best), default=step)
        for other in list(known):
            if other < step and other not in last and other != best:
                self._path(other).unlink(missing_ok=True)
                del known[other]

    def _remove_unfinished(self) -> None:
        for path in self.folder.iterdir():
            if _UNFINISHED.fullmatch(path.name) and path.is_file():
                path.unlink(missing_ok=True)


def _state_of(checkpoint: CheckpointFile | None) -> Mapping[str, Any] | None:
    if checkpoint is None:
        return None
    try:
        return checkpoint.state()
    except DamagedError as error:  # no damage by chance: no older one goes on in its place
        raise CheckpointError(
            f"{checkpoint.path} cannot be used: {error}. Remove it to go on from the one before."
        ) from error


def _make_writable_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(
            f"Checkpoints need a folder, but {folder} is a file. Choose another checkpoint_dir."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # permissions alone do not tell
            pass
    except OSError as error:
        reason = f"{error.strerror}: no checkpoints can be written there; choose another folder"
        raise OSError(error.errno, reason, str(folder)) from error
