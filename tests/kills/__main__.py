"""The whole campaign: ``make kills``, ``make kills KILLS=50 TARGETS="Stores"``."""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

import torch

from tests.kills import targets  # noqa: F401 - each names itself
from tests.kills.campaign import TARGETS, run


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--kills", type=int, default=200, help="per target")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    torch.set_num_threads(1)
    broken = False
    print(f"{'target':<14}{'killed':>8}{'old':>6}{'new':>6}{'ended':>7}{'seconds':>9}")
    for name in options.targets or TARGETS:
        started = time.monotonic()
        found = run(name, kills=options.kills, seed=options.seed)
        seconds = time.monotonic() - started
        counts = f"{found.killed:>8}{found.old:>6}{found.new:>6}{found.ended:>7}{seconds:>9.0f}"
        print(f"{name:<14}{counts}")
        if found.fault or found.left:
            broken = True
            print(f"--- {found.fault or f'left behind: {found.left}'}")
        elif found.killed < options.kills:
            broken = True
            print("--- too few were killed before they had ended")
        sys.stdout.flush()
    return broken


if __name__ == "__main__":
    sys.exit(main())
