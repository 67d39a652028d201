"""Time and memory."""

from typing import Any

from pages.text import read, source, table


def training_step() -> str:
    """A step against plain PyTorch."""
    figures = read("training_step")
    rows = []
    for n_items, ways in figures["sizes"].items():
        for way, row in ways.items():
            if "seconds" not in row:
                cells = [f"needs at least {row['needs_gib']:.0f} GiB", "", "", ""]
            else:
                cells = [f"{row['seconds']:.3f}", f"{row['mib']:,.0f}"]
                for plain in (ways["plain"], ways["plain, real places"]):
                    ratio = f"{plain['seconds'] / row['seconds']:.1f}" if "seconds" in plain else ""
                    cells.append(ratio)
            rows.append([f"{int(n_items):,}", way, *cells])
    header = ["items", "", "seconds", "MiB", "plain / this", "real places / this"]
    return f"""## A training step

Forward, backward and optimiser for 512 sequences with 3,800 next items (beside more than 50,000 items 64 sequences
with 475), d = 128, items of 5,000 tf-idf features; "plain" is the same network in plain PyTorch: dense features, padded
sequences (49 places each, of which 7.4 are real: "real places" leaves the others out of the scores, where most of
plain's time goes), the whole matrix of scores, items embedded once for the input and once for the scores. Memory is what features and step take: with embrec it grows with
the items' features and embeddings, with plain PyTorch by next items times items.

{table(header, rows)}

{source(figures)}
"""


def kernels() -> str:
    """The losses alone."""
    figures = read("kernels")

    def beyond(precision: str) -> float:
        suffix = "" if precision == "float32" else ", bfloat16"
        ways = figures["cross_entropy"]
        return 1 - ways["products alone" + suffix]["seconds"] / ways["ours" + suffix]["seconds"]

    rows = [
        [
            loss,
            way,
            f"{row['seconds']:.3f}",
            f"{row['mib']:,.0f}",
            f"{row['gflops']:.0f}",
            f"{row['share of one large product']:.0%}",
            f"{row['plain/this']:.2f}",
        ]
        for loss in ("cross_entropy", "bpr", "bpr_max")
        for way, row in figures[loss].items()
    ]
    return f"""## The losses alone

3,800 next items against 22,154, d = 128, forward and backward. GFLOP/s count the three products (scores, and their
gradient times the embeddings of either side); the share is of the speed that one product of two 2048 x 2048 matrices
reaches in the same precision.

{table(["loss", "", "seconds", "MiB", "GFLOP/s", "share", "plain / this"], rows)}

"Products alone" are the same chunks with nothing done to the scores: what narrow factors (d = 128, against 2048 in
the large product) cost. What cross-entropy takes beyond that, {beyond("float32"):.0%} of its time in float32 and {beyond("bfloat16"):.0%} in
bfloat16, is the exponential, the sum over items, and writing the scores once more.

The first layer over sparse rows takes {figures["sparse_layer"]["coo/ours"]:.1f} times as long with torch's COO matrices, and
{figures["sparse_layer"]["embedding_bag/ours"]:.1f} times as long with `embedding_bag`.

{source(figures)}
"""


def log_on_disk() -> str:
    """Memory as the log grows."""
    figures = read("log_on_disk")
    sizes = [k for k in figures if k.isdigit()]
    rows = [
        [
            f"{int(n):,}",
            *(
                f"{figures[n][way]['mib']:,.0f}"
                for way in ("fit on disk", "fit in memory", "build")
            ),
            f"{figures[n]['build']['seconds']:.1f}",
        ]
        for n in sizes
    ]
    return f"""## Logs on disk

Peak of resident memory, MiB beyond what importing takes: training for 200 steps from an `InteractionStore`, and
from the same log as a table; and building the store from Parquet.

{table(["events", "fit from disk", "fit from a table", "build", "seconds to build"], rows)}

{source(figures)}
"""


def serving() -> str:
    """What a click costs, and how indexes compare."""
    figures = read("serving")
    clicks = [
        [
            f"{int(n):,}",
            name,
            f"{row['recall@50']:.3f}",
            f"{row['click']['p50_ms']:.2f}",
            f"{row['click']['p99_ms']:.2f}",
            f"{rows['exact, float32']['click']['p50_ms'] / row['click']['p50_ms']:.1f}",
            f"{row['clicks_per_second']:,.0f}",
            f"{row['build_seconds']:.1f}",
        ]
        for n, rows in figures["trained"].items()
        for name, row in rows.items()
    ]
    drawn = [
        [f"{int(n):,}", *(cell(rows[name]) for name in rows)]
        for n, rows in figures["drawn"].items()
    ]
    names = list(next(iter(figures["drawn"].values())))
    steps = [[name, f"{ms:.4f}"] for name, ms in figures["steps"].items()]
    return f"""## Serving

Milliseconds of one thread for a visitor's click and its top 10 (`session.add(item).recommend(10)`, what was seen left
out), and how many times faster that is than exact float32 search; clicks taken and answered per second, 256 visitors at a time; and
seconds to build the index with two threads. Items are those of generated shops, embedded in 128 dimensions by a model that was trained in
a shop of 25,000. Recall of the true 50 best is measured with other queries than the indexes were tuned with, to 0.95.

{table(["items", "index", "recall@50", "p50", "p99", "times", "clicks/s", "build, s"], clicks)}

Drawn vectors, in overlapping clusters and of unequal lengths; p50 of a search alone, and recall:

{table(["items", *names], drawn)}

A step alone, milliseconds per click, whatever came before; and of many visitors together:

{table(["", "ms"], steps)}

p50 of a search alone over the first so many of a million embedded items, milliseconds. {overtaking(figures["sweep"])}

{sweep_table(figures["sweep"])}

{source(figures)}
"""


def cell(row: dict[str, Any]) -> str:
    """One search: its p50 and recall."""
    return f"{row['search']['p50_ms']:.3f} ({row['recall@50']:.3f})"


def sweep_table(sweep: dict[str, dict[str, float]]) -> str:
    """One row per size."""
    sizes = next(iter(sweep.values()))
    rows = [[f"{int(n):,}", *(f"{found[n]:.3f}" for found in sweep.values())] for n in sizes]
    return table(["items", *sweep], rows)


def overtaking(sweep: dict[str, dict[str, float]]) -> str:
    """Say from which measured size on each approximate index stays faster than exact search."""
    exact = [name for name in sweep if name.startswith("exact")]
    sizes = list(next(iter(sweep.values())))
    parts = []
    for name in sweep:
        if name in exact:
            continue
        wins = [sweep[name][n] < min(sweep[e][n] for e in exact) for n in sizes]
        lost = [i for i, win in enumerate(wins) if not win]
        first = lost[-1] + 1 if lost else 0
        if first == len(sizes):
            parts.append(f"{name} is not faster than the better exact search at the largest size")
        else:
            parts.append(
                f"{name} is faster than both exact ones from {int(sizes[first]):,} items on"
            )
    return "At recall 0.95, " + "; ".join(parts) + "."


def growth() -> str:
    """What new items cost."""
    figures = read("growth")
    rows = [
        [
            f"{int(n):,}",
            *(
                f"{row[name][what]:.1f}"
                for name in ("exact", "faiss")
                for what in ("add_ms", "answer_ms")
            ),
            f"{row['featurizing_ms']:.1f}",
            f"{row['embedding_all_ms']:,.0f}",
        ]
        for n, row in figures["table"].items()
    ]
    header = ["items there", "exact: add", "exact: answer", "faiss: add", "faiss: answer"]
    return f"""## A catalogue that grows

Milliseconds to add 1,000 items beside those that are there, all of `add_items`, and of the first answer
afterwards. Most of it is featurizing. Embedding all items anew, features given, is there for comparison.

{table([*header, "featurizing", "embedding all"], rows)}

{source(figures)}
"""


def soak() -> str:
    """Changes under load."""
    figures = read("soak")
    rows = [
        [
            name,
            f"{row['busy']['clicks']:,}",
            f"{row['quiet']['p50_ms']:.1f}",
            f"{row['busy']['p50_ms']:.1f}",
            f"{row['quiet']['p99_ms']:.1f}",
            f"{row['busy']['p99_ms']:.1f}",
            f"{row['p99_ratio']:.1f}",
            f"{row['found_among_50']:,} of {row['expected_among_50']:,}",
            f"{row['answers_with_new_items']:,}",
            "yes" if row["was_rebuilt"] else "no",
            str(len(row["errors"])),
        ]
        for name, row in figures["table"].items()
    ]
    changes = next(iter(figures["table"].values()))
    return f"""## Changes under load

{figures["threads"]} threads click in a catalogue of 25,000 items for {figures["seconds"]:.0f} s while another adds
{changes["added"]:,} items, updates {changes["updated"]:,} and removes {changes["removed"]:,}, 20 at a time. Milliseconds per click on two
cores, first while nothing changes (quiet), then under changes. An error is an exception or a warning, a removed item in an answer, fewer
than ten answers, or anything that had to happen and did not. "Found" counts items just added among the 50 best for their own vector, if
exact search has them there; "shown" counts answers that hold new items.

{table(["index", "clicks", "p50 quiet", "p50", "p99 quiet", "p99", "ratio", "found", "shown", "rebuilt", "errors"], rows)}

{source(figures)}
"""


def interactions() -> str:
    """Reading a log."""
    figures = read("interactions_speed")
    rows = [[k, f"{v['seconds']:.2f}"] for k, v in figures["forms"].items()]
    return f"""## Reading a million interactions

Of 100,000 users and 50,000 items, in no order, to flat codes and offsets: {figures["bytes_per_event"]:.1f} bytes per
event. The loop is a pandas groupby with a list per user.

{table(["", "seconds"], rows)}

{source(figures)}
"""


def reading() -> str:
    """Attention against the GRU."""
    figures = read("reading")
    speed, mib = figures["events_per_second"], figures["step_mib"]
    rows = [
        ["events per second of training", *(f"{speed[n]:,.0f}" for n in ("GRU", "attention"))],
        ["MiB of a training step", *(f"{mib[n]:,.0f}" for n in ("GRU", "attention"))],
    ]
    ratios = [speed["attention/GRU"], mib["attention/GRU"]]
    names = {
        "step_ms": "ms of a step alone",
        "click_ms": "ms of a click and its answer",
        "recommend_1000_ms": "ms of 1,000 histories and their answers",
        "state_bytes": "bytes of a session's state",
    }
    for name, told in names.items():
        for length, row in figures["lengths"].items():
            values = [f"{row[name][n]:,.{1 if 'ms' in name else 0}f}" for n in ("GRU", "attention")]
            rows.append([f"{told}, after {length} items", *values])
            ratios.append(row[name]["attention/GRU"])
    rows = [[*row, f"{ratio:.2f}"] for row, ratio in zip(rows, ratios, strict=True)]
    return f"""## Attention and GRU

What reads a history, measured in turns on a generated shop of {figures["items"]:,} items and
{figures["events"]:,} events, towers of width 128, one thread. Attention reads the last 50 items.

{table(["", "GRU", "attention", "attention / GRU"], rows)}

{source(figures)}
"""


def rectools() -> str:
    """Another library's SASRec."""
    figures = read("rectools_sasrec")
    rows = []
    for name, way in figures["ways"].items():
        cells = [
            f"{way[part][m]:.4f}" for part in ("valid", "test") for m in ("ndcg@10", "hit_rate@10")
        ]
        stopped = ", stopped by the clock" if way["out_of_time"] else ""
        epochs = f"{way['best_epoch']}{stopped}"
        rows.append([name, epochs, f"{way['seconds_to_best']:.0f}", *cells])
    told = [
        f"- {name}: to {row['goal']:.4f}"
        f"{'' if row['reaches_rectools_best'] else ', which is the best that it reaches'}, "
        f"{row['embrec_seconds']:.0f} s against {row['rectools_seconds']:.0f} s, "
        f"{row['times_shorter']:.1f} times"
        for name, row in figures["comparison"].items()
    ]
    header = [
        "",
        "best epoch",
        "seconds",
        "valid NDCG@10",
        "valid HR@10",
        "test NDCG@10",
        "test HR@10",
    ]
    lines = "\n".join(told)
    return f"""## RecTools' SASRec

{figures["data"]["items"]:,} items of Amazon 2014 Office, attention of width 128, {figures["blocks"]} block(s), two heads, the last 50
items, one thread; RecTools 0.19.0. What is in the history is left out. Seconds of training alone, up to the epoch that is
best in validation; embrec's begin with the featurizer's. RecTools knows items by their ids, and so does embrec under "ids".

{table(header, rows)}

Seconds to the same validation NDCG@10:

{lines}

{source(figures)}
"""
