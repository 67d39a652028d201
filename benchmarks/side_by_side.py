"""Steps of training and clicks of two checkouts, one after the other in turns.

    python benchmarks/side_by_side.py OTHER [--pairs 15]

Each checkout has a process of its own, which waits for its turn; so what else the machine does meets
both alike. For each case: the median over pairs of this checkout's seconds divided by the other's,
by the clock and in CPU time, with the quartiles of the former. The other checkout must have
``benchmarks/training_step.py`` and the interface that is used here.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from _common import write_result

HERE = Path(__file__).resolve().parents[1]
CASES = {
    "step, 2,420 items, float32": ("float32", 2420),
    "step, 2,420 items, auto": ("auto", 2420),
    "step, 2,420 items, 2048 negatives": ("2048 negatives", 2420),
    "step, 22,154 items, float32": ("float32", 22154),
    "step, 22,154 items, auto": ("auto", 22154),
    "step, 22,154 items, 2048 negatives": ("2048 negatives", 22154),
    "click and top 10": ("click", 2400),
    "256 clicks and top 10": ("clicks", 2400),
    "recommend to 2,000": ("recommend", 2400),
    "add an item": ("add", 2400),
    "top 10 of 2,000 queries, 25,000 vectors": ("top", 25_000),
    "top 500 of 2,000 queries, 25,000 vectors": ("top 500", 25_000),
    "ranks of 2,000 targets, 25,000 vectors": ("ranks", 25_000),
    "top 10 of one query, 25,000 vectors": ("top of one", 25_000),
    "top 10, half of the vectors equal": ("top, half equal", 25_000),
    "ranks, half of the vectors equal": ("ranks, half equal", 25_000),
}
WORKER = """
import sys, time, torch
sys.path.insert(0, "benchmarks")
way, n = sys.argv[1], int(sys.argv[2])
if way in ("click", "clicks", "recommend", "add"):
    import numpy as np
    from embrec import EmbRecEstimator, TfidfItemFeaturizer
    from embrec.datasets import make_shop
    torch.set_num_threads(1)
    shop = make_shop(n_users=300, n_items=n, random_state=0)
    model = EmbRecEstimator(
        TfidfItemFeaturizer(columns=["title"]), max_epochs=1, random_state=0, index="exact"
    ).fit(shop.interactions, items=shop.items)
    ids = shop.items["item"].tolist()
    rows = np.random.default_rng(0).integers(0, n, (2000, 8))
    histories = [[ids[i] for i in row] for row in rows]
    one, many = model.start_session(ids[:3]), model.start_sessions([h[:3] for h in histories[:256]])
    touched, count = [h[0] for h in histories[:256]], iter(range(10**9))
    rename = lambda: shop.items.head(1).assign(item=[f"new-{next(count)}"])
    call = {
        "click": lambda: [one.add(ids[i]).recommend(10) for i in range(50)],
        "clicks": lambda: many.add(touched).recommend(10),
        "recommend": lambda: model.recommend(histories, 10),
        "add": lambda: model.add_items(rename()),
    }[way]
elif way.startswith(("top", "ranks")):
    import numpy as np
    from embrec.index import ExactIndex
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(n, 128)).astype("f4")
    queries = rng.normal(size=(2000, 128)).astype("f4")
    if way.endswith("half equal"):
        vectors[::2] = vectors[0]
        queries += vectors[0] / 5  # so that some lists end among them
    index, targets = ExactIndex(precision="float32").fit(vectors), rng.integers(0, n, 2000)
    call = {
        "top": lambda: index.search(queries, 10),
        "top 500": lambda: index.search(queries, 500),
        "top of one": lambda: [index.search(queries[i : i + 1], 10) for i in range(200)],
        "ranks": lambda: index.rank(queries, targets),
    }[way.removesuffix(", half equal")]
else:
    from training_step import WAYS
    torch.manual_seed(0)
    call = WAYS[way](n)
call()
print("ready", flush=True)
for line in sys.stdin:
    clock, cpu = time.perf_counter(), time.process_time()
    call()
    print(time.perf_counter() - clock, time.process_time() - cpu, flush=True)
"""


def start(checkout: Path, case: tuple[str, int]) -> "subprocess.Popen[str]":
    """Start a process that waits for its turns."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WORKER, case[0], str(case[1])],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process


def turn(process: "subprocess.Popen[str]") -> list[float]:
    """Let a process have its turn: seconds by the clock, and of CPU time."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    return [float(value) for value in process.stdout.readline().split()]


def compare(other: Path, case: tuple[str, int], pairs: int) -> dict[str, float]:
    """Take turns, and return the ratios."""
    theirs, ours = start(other, case), start(HERE, case)
    taken = []
    for number in range(pairs):
        first, second = (theirs, ours) if number % 2 else (ours, theirs)
        times = {first.pid: turn(first), second.pid: turn(second)}
        taken.append(np.divide(times[ours.pid], times[theirs.pid]))
    for process in (theirs, ours):
        process.communicate()
    clock, cpu = np.array(taken).T
    low, middle, high = np.quantile(clock, [0.25, 0.5, 0.75])
    return {"clock": middle, "low": low, "high": high, "cpu": float(np.median(cpu))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("other", type=Path, help="another checkout")
    parser.add_argument("--pairs", type=int, default=15)
    options = parser.parse_args()
    figures = {}
    for name, case in CASES.items():
        found = compare(options.other.resolve(), case, options.pairs)
        figures[name] = {key: round(float(value), 4) for key, value in found.items()}
        print(f"{name:40} {json.dumps(figures[name])}", flush=True)
    write_result("side_by_side", {"ratios": figures, "pairs": options.pairs})


if __name__ == "__main__":
    main()
