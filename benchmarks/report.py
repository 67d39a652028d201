"""Write docs/results.md from the figures in benchmarks/results.

python benchmarks/report.py
"""

import json
from pathlib import Path
from typing import Any

from _common import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "results.md"


def read(name: str) -> dict[str, Any]:
    """Read the figures of one script."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def table(header: list[str], rows: list[list[str]]) -> str:
    """Write a Markdown table."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def source(figures: dict[str, Any]) -> str:
    """Tell the command and the versions."""
    versions = ", ".join(f"{k} {v}" for k, v in figures["machine"].items())
    return f"`{figures['command']}` ({versions})"


def office() -> str:
    """Amazon Office against the baselines."""
    figures = read("office")
    rows = [
        [
            name,
            f"{row['auc']:.4f}",
            f"{row['hit_rate@50']:.2%}",
            f"{row['hit_rate@10']:.2%}",
            f"{row['ndcg@10']:.4f}",
            f"{row['seconds']:.0f}",
        ]
        for name, row in figures["table"].items()
    ]
    error = figures["hit_rate@50_standard_error"]
    return f"""## Amazon 2014 Office 5-core

4,905 users, 2,420 items, 53,258 events; items are known by title, description, brand and categories.
The split is the thesis': train on `seq[:-2]`, stop on `seq[-2]`, test on `seq[-1]`. All items are ranked,
the visitor's own among them. EmbRec has default parameters, which were chosen on the validation part;
so was the number of last items that content neighbours read. The standard error of HitRate@50 over
visitors is {error:.2%}. Time includes featurizing and, for content neighbours, the choice.

{table(["", "AUC", "HitRate@50", "HitRate@10", "NDCG@10", "seconds"], rows)}

{source(figures)}
"""


def cold_items() -> str:
    """Items that training never saw."""
    figures = read("cold_items")
    rows = [
        [name, *(f"{v['mean']:.4f} ± {v['std']:.4f}" for v in row.values())]
        for name, row in figures["table"].items()
    ]
    return f"""## Cold items, on the same data

A tenth of the items leaves the catalogue and the log before training and comes back with `add_items`.
The test is on visitors whose last event is one of them, ranked among all items, warm and cold. Mean and
standard deviation over {len(figures["runs"])} draws of the cold items.

{table(["", "AUC", "HitRate@50", "HitRate@10"], rows)}

{source(figures)}
"""


CONTENT_COLUMNS = {
    "AUC, valid": "auc, valid",
    "HitRate@50, valid": "hit_rate@50, valid",
    "AUC, test": "auc, test",
    "HitRate@50, test": "hit_rate@50, test",
    "AUC, cold": "auc, cold, EmbRec",
    "HitRate@50, cold": "hit_rate@50, cold, EmbRec",
    "neighbours: AUC, cold": "auc, cold, neighbours",
    "neighbours: HitRate@50, cold": "hit_rate@50, cold, neighbours",
}


def content_features(name: str) -> str:
    """Kinds of content, of one data set."""
    figures = read(f"content_features_{name}")
    rows = [
        [kind, *(f"{row['mean'][key]:.4f}" for key in CONTENT_COLUMNS.values())]
        + [f"{row[f'silhouette, {metric}']:.3f}" for metric in ("euclidean", "cosine")]
        for kind, row in figures["table"].items()
    ]
    n_seeds = len(next(iter(figures["table"].values()))["runs"])
    seeds = "one seed" if n_seeds == 1 else f"means of {n_seeds} seeds"
    header = ["", *CONTENT_COLUMNS, "silhouette", "silhouette, cosine"]
    return f"""{figures["n_users"]:,} users, {figures["n_items"]:,} items, {figures["n_events"]:,} events; {seeds}.

{table(header, rows)}

{source(figures)}
"""


def content() -> str:
    """Kinds of content (thesis Figure 11 and Table 4)."""
    return f"""## Kinds of content (thesis Figure 11, Table 4)

EmbRec with default parameters, text is title and description alone. SVD is a reduction to 250 numbers, 125 + 125
for two sources. Word vectors are trained on the catalogue, MiniLM is all-MiniLM-L6-v2, EfficientNet is
EfficientNet-Lite0 trained on ImageNet, "colours and edges" is `backbone="descriptor"`. How word vectors are trained was
chosen on the validation part of Office. Cold: a tenth of the items is added after training; the test is on visitors whose
last event is one of them, ranked among all items. Neighbours are content neighbours of the last two items, by
the same features. Silhouette: how well categories of five items or more (the last level of a path, or the first genre)
are clusters of the features.

### Amazon Office

{content_features("office")}
### MovieLens-1M with posters

The last 20 events of each user.

{content_features("movies")}"""


def featurizers() -> str:
    """Throughput of featurizers."""
    figures = read("featurizers")
    rows = [
        [
            name,
            f"{row['items']:,}",
            f"{row['items_per_second']:,.0f}",
            f"{row['mib']:,.0f}",
            f"{row['ratio']:.1f}" if "ratio" in row else "",
        ]
        for name, row in figures["table"].items()
    ]
    new = [
        [
            f"{int(size):,}",
            f"{row['all_seconds']:.1f}",
            f"{row['ten_new_ms']:.1f}",
            str(row["encoded_for_ten_new"]),
            f"{row['all_and_ten_again_seconds']:.1f}",
            str(row["encoded_for_all_again"]),
        ]
        for size, row in figures["ten_new_items"].items()
    ]
    return f"""## Featurizers

`transform`, one thread; memory is what it took on top of what was there, its output included. The ratio is to the plain
way: a loop over gensim's vectors, sentence-transformers' `encode`, ELMo text by text, pictures one by one without threads.
ELMo has random weights of the published shapes.

{table(["", "items", "items/s", "MiB", "times the plain way"], rows)}

With `memory=`, word vectors of 32 dimensions: how long ten new items take beside many that are stored, how many texts are
encoded for them, and for all of them again.

{table(["stored", "all, s", "ten new, ms", "encoded", "all again, s", "encoded"], new)}

{source(figures)}
"""


def untouched_items() -> str:
    """Items that nobody had touched at training."""
    figures = read("untouched_items")
    mean = figures["hit_rate@50"]
    there, later = mean["in the catalogue from the start"], mean["added later"]
    return f"""## Cold items, on the generated shop

A tenth of the items is launched after the training part of the log. HitRate@50 for the visitors whose last
item is one of them: {there:.1%} if the items are in the catalogue from the start, {later:.1%} if they come with
`add_items`, {mean["chance"]:.1%} by chance. Mean over {len(figures["runs"])} shops.

{source(figures)}
"""


def losses() -> str:
    """The thesis' Figure 12."""
    figures = read("losses")
    rows = [
        [
            name,
            *(f"{row[part][m]:.4f}" for part in ("valid", "test") for m in ("auc", "hit_rate@50")),
            f"{row['test']['ndcg@10']:.4f}",
            " ".join(f"{hit:.4f}" for hit in row["hit_rate@50_by_seed"]),
        ]
        for name, row in figures["table"].items()
    ]
    header = [
        "",
        "AUC, valid",
        "HitRate@50, valid",
        "AUC, test",
        "HitRate@50, test",
        "NDCG@10, test",
    ]
    return f"""## Losses (thesis Figure 12)

Office, split and features as above, means over seeds. Learning rates (.001 or .003) and BPR-max's
regularisation (1 or .1) were chosen on the validation part. The first two rows differ in the precision of
scores in training alone: `auto`, which is bfloat16 on this machine, and float32. The last column has the test
figure of each seed.

{table([*header, "HitRate@50, by seed"], rows)}

{source(figures)}
"""


def games() -> str:
    """Ids only on Games: the thesis' GRU4Rec row, and Figure 13."""
    figures, full = read("games_sampling"), read("games_ids")
    fast, ways = full["ways"]["full"], full["ways"] | figures["ways"]
    sampled = ways["2048 logQ"]

    def hits(way: str) -> float:
        return ways[way]["test"]["hit_rate@50"]

    error = (hits("full") * (1 - hits("full")) / 30_901) ** 0.5
    rows = [
        [
            name,
            f"{way['test']['auc']:.4f}",
            f"{way['test']['hit_rate@50']:.2%}",
            f"{way['test']['hit_rate@10']:.2%}",
            f"{way['test']['ndcg@10']:.4f}",
            f"{way['valid']['hit_rate@50']:.2%}",
            f"{way['best_epoch']} of {way['n_epochs']}",
        ]
        for name, way in ways.items()
    ]
    header = ["negatives", "AUC", "HitRate@50", "HitRate@10", "NDCG@10", "HitRate@50, valid"]
    return f"""## Ids only, on the thesis' Games

30,901 users, 23,558 items, 274,064 events; items are known by their id alone, one-hot through the tower, as
the thesis' GRU4Rec has them. Its row in Table 2 (HitRate@50 15.83 %, AUC .8683) is reached after
{fast["epochs_to_thesis"]} epochs and {fast["seconds_to_thesis"]:.0f} seconds of training ({fast["events_per_second"]:,.0f} events/s) with all items as negatives, and after {sampled["epochs_to_thesis"]} epochs and
{sampled["seconds_to_thesis"]:.0f} seconds with 2,048 drawn anew at every step.

{source(full)}

### Are samples enough? (thesis Figure 13)

The thesis saw hit rates collapse as soon as negatives were sampled. Its samples were drawn once and kept.
Drawn anew at every step, by popularity, with the same settings for all (chosen with all negatives) and early
stopping, one seed each:

{table([*header, "best epoch"], rows)}

So the cliff is real even with fresh negatives, and it is not their number that makes it: uncorrected,
{hits("2048 plain"):.1%} and {hits("8192 plain"):.1%} of test visitors get a hit among the first 50, against {hits("full"):.1%} with all items. Drawn by
popularity, popular items are pushed down so often that they are hardly recommended at all. The logQ correction takes
nearly all of it away: {hits("2048 logQ"):.1%} and {hits("8192 logQ"):.1%} (the standard error of each figure is {error:.2%}).

{source(figures)}
"""


def hybrid() -> str:
    """Vectors of the items' own."""
    figures, again = read("hybrid"), read("hybrid_titled")
    rows = hybrid_rows(figures["table"]) + hybrid_rows(
        {"Games, cold, again": again["table"]["Games, cold"]}
    )
    rows += hybrid_rows(
        {"Games, cold, again, among titled": again["table"]["Games, cold"]}, ", among titled"
    )
    return f"""## Vectors of the items' own

Content alone, with `item_ids="delta"`, and with `item_bias=True` as well, on the test part of each split: means
over seeds ({figures["seeds"]["Office, warm"]} on Office, {figures["seeds"]["Games, warm"]} on Games), and the difference from content alone with its standard error over visitors.
Cold items are drawn, held out and added as above. On Games 48 % of the items have a title, and nothing else is
known of any; of its cold items those with a title are tested. Settings on Games are those of the next section,
for all: they were chosen for ids, not for content alone.

{table(["", "items", "HitRate@50", "NDCG@10", "AUC"], rows)}

On Games, items without a title are alike to content alone, so they are no competition to a cold item; with vectors of
their own they are. "Again" is a second run with another number of threads, which differs in rounding alone, and tells
how much runs differ; its last rows rank cold items among those with a title.

{source(figures)}

{source(again)}
"""


def hybrid_rows(rows: dict[str, Any], suffix: str = "") -> list[list[str]]:
    """Three figures of each way, with what is gained over content."""

    def cell(figure: dict[str, float], way: str) -> str:
        gain = f" ({figure['gain']:+.4f} ± {figure['gain_se']:.4f})" if way != "content" else ""
        return f"{figure['mean']:.4f}{gain}"

    metrics = [f"{m}{suffix}" for m in ("hit_rate@50", "ndcg@10", "auc")]
    return [
        [where, way, *(cell(row[m], way) for m in metrics)]
        for where, ways in rows.items()
        for way, row in ways.items()
    ]


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


def main() -> None:
    sections = [
        office(),
        losses(),
        cold_items(),
        content(),
        featurizers(),
        hybrid(),
        games(),
        training_step(),
        kernels(),
        log_on_disk(),
        untouched_items(),
        serving(),
        growth(),
        soak(),
        interactions(),
    ]
    head = (
        "# Results\n\nWritten by `python benchmarks/report.py` from the figures in "
        "`benchmarks/results`; each section names the command that\nmade it. The data is not part of "
        "embrec: set `EMBREC_DATA` to the folder that holds it.\n"
    )
    PAGE.write_text("\n".join([head, *sections]), encoding="utf-8")


if __name__ == "__main__":
    main()
