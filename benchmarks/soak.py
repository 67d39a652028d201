"""Visitors click in eight threads for a minute while another thread changes 10,000 items.

    python benchmarks/soak.py

A model serves a generated shop of 25,000 items. First the visitors are alone; then items are added,
updated and removed, some at a time, through `add_items` and its like, featurizer and all, and the
index is built anew in the background. New items have the content of old ones, so that they belong
in answers; half of the clicks are on the newest. It ends with an error if anything raised or
warned, an answer held an item that had been removed before it was asked for or fewer than ten, an
item that had just been added was not found (by exact search always, by approximate search in 95 of
100 cases), few answers held new items, not all changes were made, or nothing was built anew. What
the changes do to the p99 of a click is printed. It stops by itself.
"""

import argparse
import sys
import threading
import time
import warnings
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import rss_mib, write_result
from _vectors import SHOP, trained_model
from threadpoolctl import threadpool_limits

from embrec.datasets import make_shop
from embrec.index.choice import make_index

K = 10
#: Items in one call.
PER_CALL = 20
#: Calls after which items are removed again.
KEPT_FOR = 50
#: A findable item is among so many when its own vector is the query, if exact search says so.
FOUND_AMONG = 50
#: Answers that must hold new items, or the checks of them say nothing.
LEAST_SHOWN = 200


@dataclass
class Watch:
    """What threads tell each other.

    Parameters
    ----------
    removed : frozenset of ids
        Replaced as a whole, once a removal has returned.
    newest : list of ids
        Replaced as a whole, once they were added.
    """

    removed: frozenset[str] = frozenset()
    newest: list[str] = field(default_factory=list)
    n_shown: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    errors: list[str] = field(default_factory=list)
    seconds: "array[float]" = field(default_factory=lambda: array("d"))
    n_added: int = 0
    n_updated: int = 0
    n_removed: int = 0
    n_expected: int = 0
    n_found: int = 0


def click(model: Any, ids: list[str], watch: Watch, seed: int) -> None:
    """Be a visitor, and another, and another."""
    rng = np.random.default_rng(seed)
    try:
        while not watch.stop.is_set():
            session = model.start_session()
            for _ in range(10):
                gone, newest = watch.removed, watch.newest
                among = newest if newest and rng.random() < 0.5 else ids
                item = among[rng.integers(len(among))]
                started = time.perf_counter()
                found, _ = session.add(item).recommend(K)
                watch.seconds.append(time.perf_counter() - started)
                check_answer(found.tolist(), gone)
                watch.n_shown += any(item.startswith("new-") for item in found)
            similar, _ = model.similar_items([ids[rng.integers(len(ids))]], k=K)
            check_answer(similar[0].tolist(), gone)
    except Exception as error:
        watch.errors.append(f"{type(error).__name__}: {error}")
        watch.stop.set()


def check_answer(found: list[Any], gone: frozenset[str]) -> None:
    """Raise if an answer is not whole, or holds what was removed before it was asked for."""
    wrong = gone.intersection(found)
    if wrong:
        raise AssertionError(f"removed items came back: {sorted(wrong)[:3]}")
    if None in found or len(set(found)) < K:
        raise AssertionError(f"fewer than {K} items came back")


def change(model: Any, items: Any, watch: Watch, seconds: float) -> None:
    """Add all items, change and remove those of before, at a pace that takes the time given."""
    n_calls = len(items) // PER_CALL
    parts = [items[i * PER_CALL : (i + 1) * PER_CALL] for i in range(n_calls)]
    started = time.perf_counter()
    try:
        for i, new in enumerate(parts):
            if watch.stop.is_set():
                return
            model.add_items(new)
            check_found(model, new["item"].tolist(), watch)
            watch.newest = new["item"].tolist()
            watch.n_added += len(new)
            if i >= 1:
                model.update_items(parts[i - 1].assign(title=new["title"].tolist()))
                watch.n_updated += len(new)
            if i >= KEPT_FOR:
                remove(model, parts[i - KEPT_FOR], watch)
            time.sleep(max(0.0, started + (i + 1) * seconds / n_calls - time.perf_counter()))
        for part in parts[-KEPT_FOR:]:
            remove(model, part, watch)
    except Exception as error:
        watch.errors.append(f"{type(error).__name__}: {error}")
    finally:
        watch.stop.set()


def remove(model: Any, items: Any, watch: Watch) -> None:
    """Remove items, and say so once it is done."""
    gone = items["item"].tolist()
    model.remove_items(gone)
    watch.removed = watch.removed.union(gone)
    watch.n_removed += len(gone)


def check_found(model: Any, new: list[str], watch: Watch) -> None:
    """See that items which were just added are found."""
    asked, _ = model.recommend([[]], k=len(new), include=new)
    if set(asked[0].tolist()) != set(new):
        raise AssertionError("items that were added are not found")
    vectors = model.item_embeddings(new)
    rows = model.catalog_.ids.rows(np.array(new, dtype=object))
    scores, exact = model.index_.search(vectors, FOUND_AMONG, exactly=True)
    # of items that score as the last does, either may be among the best
    surely = (exact == rows[:, None]) & (scores > scores[:, -1:] + 1e-4)
    expected = surely.any(axis=1)
    found = model.index_.search(vectors, FOUND_AMONG)[1]
    watch.n_expected += int(expected.sum())
    watch.n_found += int((found == rows[:, None]).any(axis=1)[expected].sum())


def run(model: Any, ids: list[str], n_threads: int, seconds: float, items: Any = None) -> Watch:
    """Let visitors click for a while; without items to change nothing else happens."""
    watch = Watch()
    threads = [
        threading.Thread(target=click, args=(model, ids, watch, seed)) for seed in range(n_threads)
    ]
    if items is None:
        threads.append(threading.Timer(seconds, watch.stop.set))
    else:
        threads.append(threading.Thread(target=change, args=(model, items, watch, seconds)))
    for thread in threads:
        thread.start()
    watch.stop.wait(timeout=3 * seconds)
    watch.stop.set()
    for thread in threads:
        thread.join(timeout=120)
        if thread.is_alive():
            watch.errors.append("a thread hangs")
    return watch


def quantiles(watch: Watch) -> dict[str, float]:
    """Summarise what clicks took, in milliseconds."""
    times = 1000 * np.array(watch.seconds)
    return {
        "clicks": len(times),
        "p50_ms": float(np.median(times)),
        "p99_ms": float(np.quantile(times, 0.99)),
        "max_ms": float(times.max()),
    }


def missing(row: dict[str, Any], n_changes: int, is_exact: bool) -> list[str]:
    """Say what did not happen that had to."""
    least_found = (1 if is_exact else 0.95) * row["expected_among_50"]
    happened = {
        "all items added and removed": row["added"] == row["removed"] == n_changes,
        "all but the last updated": row["updated"] == n_changes - PER_CALL,
        "added items found": row["expected_among_50"] > 0 and row["found_among_50"] >= least_found,
        "new items in answers": row["answers_with_new_items"] >= LEAST_SHOWN,
        "built anew": row["was_rebuilt"],
    }
    return [f"not {what}" for what, did in happened.items() if not did]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path(".vectors"), help="keeps the model")
    parser.add_argument("--index", nargs="*", default=["exact", "annoy", "faiss"])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--changes", type=int, default=10_000)
    parser.add_argument("--result", default="soak", help="name of the file of figures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    shop = make_shop(n_items=SHOP["n_items"], n_users=1, random_state=0).items
    new = shop.sample(options.changes, random_state=0)
    new = new.assign(item=[f"new-{i}" for i in range(len(new))])
    warnings.simplefilter("error")  # an index that could not be built anew, for one
    figures, failed = {}, False
    for name in options.index:
        model = trained_model(options.folder)
        model.catalog_.index = make_index(name).fit(model.index_.vectors)
        model.similar_items(shop["item"][:1].tolist())  # builds what it needs
        before = model.index_.snapshot.base
        with threadpool_limits(1):
            ids = shop["item"].tolist()
            run(model, ids, options.threads, options.seconds / 12)  # warms up
            quiet = run(model, ids, options.threads, min(options.seconds / 3, 60))
            memory = [rss_mib()]
            busy = run(model, ids, options.threads, options.seconds, new)
        memory.append(rss_mib())
        model.index_.wait()
        row = {
            "quiet": quantiles(quiet),
            "busy": quantiles(busy),
            "p99_ratio": quantiles(busy)["p99_ms"] / quantiles(quiet)["p99_ms"],
            "added": busy.n_added,
            "updated": busy.n_updated,
            "removed": busy.n_removed,
            "expected_among_50": busy.n_expected,
            "found_among_50": busy.n_found,
            "answers_with_new_items": busy.n_shown,
            "rss_mib": memory,
            "was_rebuilt": model.index_.snapshot.base is not before,
            "errors": quiet.errors + busy.errors,
        }
        row["errors"] += missing(row, options.changes, model.index_.recall_ == 1)
        figures[name] = row
        failed |= bool(row["errors"])
        print(name, row, flush=True)
    write_result(
        options.result, {"threads": options.threads, "seconds": options.seconds, "table": figures}
    )
    if failed:
        sys.exit("The soak found errors.")


if __name__ == "__main__":
    main()
