"""Shared by the benchmarks: data, versions, timing."""

import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from embrec.datasets import load_parquet_pair

RESULTS = Path(__file__).parent / "results"
#: What was compared before weights were averaged is compared without.
AS_BEFORE = {"ema_decay": 0.0}
#: Options that say where things are kept.
PLACES = ("--folder", "--out", "--result")


def data_folder(name: str) -> Path:
    """Find a data set: EMBREC_DATA, or ../shared/data beside the checkout."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("EMBREC_DATA", default)) / name
    if not folder.is_dir():
        sys.exit(f"{name} is not here; set EMBREC_DATA to the folder that holds it.")
    return folder


def load_office() -> Any:
    """Load Amazon 2014 Office 5-core."""
    return load_parquet_pair(data_folder("amazon2014_office_5core"))


def median_seconds(function: Callable[[], Any], repeats: int) -> float:
    """Time a call, after one to warm up: the median of some."""
    return float(np.median(_seconds(function, repeats)))


def _seconds(function: Callable[[], Any], repeats: int) -> list[float]:
    function()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return times


def gemm_gflops(dtype: torch.dtype, n: int = 2048) -> float:
    """Measure what this machine reaches at best: one large product."""
    a, b = torch.randn(n, n).to(dtype), torch.randn(n, n).to(dtype)
    return 2 * n**3 / min(_seconds(lambda: a @ b, 25)) / 1e9


def rss_mib() -> float:
    """Resident memory of this process, MiB (Linux)."""
    return _status("VmRSS") / 1024


def peak_mib() -> float:
    """Its peak since `reset_peak`, MiB."""
    return _status("VmHWM") / 1024


def reset_peak() -> None:
    """Forget the peak so far."""
    Path("/proc/self/clear_refs").write_text("5")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field)))


def machine() -> dict[str, Any]:
    """Tell what the figures were measured with."""
    packages = ("torch", "scikit-learn", "numpy", "pandas")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
    }


def _told(arguments: list[str]) -> list[str]:
    """Leave out where things are kept, which changes no figure."""
    told, skipped = [], False
    for argument in arguments:
        if skipped or argument in PLACES:
            skipped = not skipped
        else:
            told.append(Path(argument).name if Path(argument).is_absolute() else argument)
    return told


def command() -> str:
    """Say how this script was called."""
    return "python " + shlex.join([f"benchmarks/{Path(sys.argv[0]).name}", *_told(sys.argv[1:])])


def write_result(name: str, figures: dict[str, Any], folder: Path = RESULTS) -> dict[str, Any]:
    """Write figures as JSON beside the script, with the command that made them."""
    folder.mkdir(exist_ok=True, parents=True)
    record = {"command": command(), "machine": machine(), **figures}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten to {path.parent.name}/{path.name}")
    return record
