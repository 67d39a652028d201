"""New items, and new visitors."""

from typing import Any

from pages.text import is_there, read, source, table, with_interval

NAMES = {
    "amazon2014_office_5core": "Amazon 2014 Office 5-core",
    "amazon2014_games_thesis": "the thesis' Games",
    "ml1m_posters": "MovieLens-1M",
}


def cold_items() -> str:
    """Items that training never saw."""
    figures = [read(f"cold_items_{name}") for name in NAMES if is_there(f"cold_items_{name}")]
    tables = "\n".join(map(cold_item_table, figures))
    return f"""## New items

A tenth of the items leaves the catalogue and the log before training and comes back with `add_items`. All items
are ranked, warm and cold. "Cold" are the visitors whose last event is one of these items, "warm" all others; the
95 % intervals are bootstrapped over visitors, each with what happened in all draws.

A model that learned how popular items are expects little of new ones. `popularity_discount` takes that back, at the
cost of the warm; how much of it, and how many last items content neighbours read, was chosen without the events that
are tested (each visitor's last one was cut off), by the harmonic mean of HitRate@50 on warm and on cold targets.
Without a discount that mean chose the number of last items alone.

{tables}"""


def cold_item_table(figures: dict[str, Any]) -> str:
    """One data set: cold and warm, with intervals, and what sets EmbRec apart."""
    metrics = ("hit_rate@50", "hit_rate@10", "auc")
    rows = [
        [
            label if row["n_last"] is None else f"{label} (last {row['n_last']})",
            *(with_interval(row["cold"][metric]) for metric in metrics),
            with_interval(row["warm"]["hit_rate@50"]),
        ]
        for label, row in figures["table"].items()
    ]
    rows.append(["chance", *(f"{figures['chance'][metric]:.4f}" for metric in metrics), ""])
    n = next(iter(figures["table"].values()))["n"]
    differences = [
        [
            f"{row['model']}, less {row['against'].lower()}",
            *(
                with_interval(row["hit_rate@50"]) if row["targets"] == kind else ""
                for kind in ("cold", "warm")
            ),
        ]
        for row in figures["differences"]
    ]
    joined: dict[str, list[str]] = {}
    for label, *values in differences:
        kept = joined.setdefault(label, ["", ""])
        joined[label] = [value or before for value, before in zip(values, kept, strict=True)]
    header = ["", "cold HitRate@50", "cold HitRate@10", "cold AUC", "warm HitRate@50"]
    return f"""### {NAMES[figures["data"]]}

{figures["items"]:,} items; {n["cold"]:,} cold targets and {n["warm"]:,} warm ones in {figures["draws"]} draws,
draws for choosing settings, one event earlier: {figures["choosing"]}.

{table(header, rows)}

Differences of HitRate@50, on the same visitors:

{table(["", "cold", "warm"], [[label, *values] for label, values in joined.items()])}

{source(figures)}
"""


def cold_users() -> str:
    """Visitors that training never saw."""
    parts = []
    for name in NAMES:
        if not is_there(f"user_cold_{name}"):
            continue
        figures = read(f"user_cold_{name}")
        curves = figures["curves"]
        shown = range(1, 17)
        rows = [
            [model, *(f"{of['all']['by_length'][length - 1]['value']:.3f}" for length in shown)]
            for model, of in curves.items()
        ]
        best = next(of for model, of in curves.items() if model == "EmbRec, ids")["all"][
            "by_length"
        ]
        rows.append(
            [
                "(EmbRec, ids: low)",
                *(f"{best[n - 1]['low']:.3f}" for n in shown),
            ]
        )
        rows.append(["(high)", *(f"{best[n - 1]['high']:.3f}" for n in shown)])
        rows.append(["(targets)", *(f"{best[n - 1]['n']:,}" for n in shown)])
        controls = [
            [model, *(f"{of[way]['mean']:.4f}" for way in ("all", "shuffled", "last"))]
            for model, of in curves.items()
        ]
        n = next(iter(curves.values()))["all"]["n"]
        parts.append(f"""### {NAMES[name]}

{n:,} targets. HitRate@50 after so many items, with 95 % intervals of the last model:

{table(["", *map(str, shown)], rows)}

And over all targets, with the history as it was, in random order, and its last item alone:

{table(["", "all", "shuffled", "last"], controls)}

{source(figures)}
""")
    return """## New visitors (thesis Figure 9b)

A tenth of the users is held out. Each of their items but the first is a target, after those before it; all items
are ranked.

""" + "\n".join(parts)


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
