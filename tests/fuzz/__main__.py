"""The long campaign: ``make fuzz SECONDS=60``, ``make fuzz INPUTS=10000 TARGETS="sessions"``."""

import argparse
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

import torch

from tests.fuzz import targets  # noqa: F401 - each names itself
from tests.fuzz.campaign import TARGETS, run

FRAME = re.compile(r'File ".*", line \d+')


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--inputs", type=int, help="per target")
    parser.add_argument("--seconds", type=float, help="per target, instead of --inputs")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    options = parser.parse_args()
    if options.inputs is None and options.seconds is None:
        options.inputs = 1000
    torch.set_num_threads(1)
    n_faults = 0
    print(f"{'target':<18}{'tried':>9}{'refused':>9}{'accepted':>9}{'left out':>9}{'faults':>8}")
    for name in options.targets or TARGETS:
        outcome = run(name, inputs=options.inputs, seconds=options.seconds, first=options.first)
        n_faults += len(outcome.faults)
        counts = outcome.tried, outcome.refused, outcome.accepted, outcome.skipped
        print(f"{name:<18}" + "".join(f"{n:>9}" for n in counts) + f"{len(outcome.faults):>8}")
        kinds = {}
        for number, told in outcome.faults:
            kinds.setdefault(tuple(FRAME.findall(told)[-1:]) or told, []).append((number, told))
        for alike in kinds.values():
            print(f"--- {len(alike)} of a kind, the first: {name} --first {alike[0][0]} --inputs 1")
            print(alike[0][1])
        sys.stdout.flush()
    return n_faults > 0


if __name__ == "__main__":
    sys.exit(main())
