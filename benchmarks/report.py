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


def latency() -> str:
    """What a click and a new item cost."""
    figures = read("latency")
    clicks, growth = figures["office"]["click"], figures["office"]["growth"]
    rows = [[k, f"{v['p50_ms']:.2f}", f"{v['p99_ms']:.2f}"] for k, v in clicks.items()]
    return f"""## Latency

The Office catalogue, one thread, milliseconds.

{table(["", "p50", "p99"], rows)}

Adding 100 items takes {growth["add_items_100_ms"]:.1f} ms, of which featurizing
{growth["of_which_featurizing_ms"]:.1f} ms. Embedding the whole catalogue of 2,420 items, without
featurizing it, takes {growth["embed_whole_catalogue_ms"]:.1f} ms. How the cost of adding grows with the
catalogue, in milliseconds without featurizing:

{table(["items in the catalogue", "adding 100", "embedding all", "ratio"], growth_rows(figures))}

{source(figures)}
"""


def growth_rows(figures: dict[str, Any]) -> list[list[str]]:
    """One row per size of catalogue."""
    return [
        [f"{int(n):,}", f"{v['add_ms']:.2f}", f"{v['embed_ms']:.1f}", f"{v['ratio']:.0f}"]
        for n, v in figures["sizes"].items()
    ]


def kernels() -> str:
    """The kernels of training."""
    figures = read("kernels")
    layer, loss = figures["sparse_layer"], figures["cross_entropy"]
    return f"""## Kernels of training

The sparse first layer (2,420 items, 5,000 terms, 150 a row, 128 wide), forward and backward, takes
{1000 * layer["ours"]:.1f} ms; a COO product takes {layer["coo/ours"]:.1f} times and `embedding_bag`
{layer["embedding_bag/ours"]:.1f} times as long. Cross-entropy over all items (3,800 steps, 22,154 items,
128 wide), forward and backward: `F.cross_entropy` of the whole matrix takes {loss["plain/ours"]:.2f} times
as long and {loss["plain_mib"]:.0f} MiB more memory, against {loss["ours_mib"]:.0f} MiB here.

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
    sections = [office(), cold_items(), untouched_items(), latency(), interactions(), kernels()]
    head = (
        "# Results\n\nWritten by `python benchmarks/report.py` from the figures in "
        "`benchmarks/results`; each section names the command that\nmade it. The data is not part of "
        "embrec: set `EMBREC_DATA` to the folder that holds it.\n"
    )
    PAGE.write_text("\n".join([head, *sections]), encoding="utf-8")


if __name__ == "__main__":
    main()
