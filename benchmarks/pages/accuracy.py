"""How well models rank what visitors know."""

from typing import Any

from pages.text import read, source, table


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

Content alone, with `ItemTowers(ids=IdEmbeddings())`, and with `bias=True` as well, on the test part of each split:
means over seeds ({figures["seeds"]["Office, warm"]} on Office, {figures["seeds"]["Games, warm"]} on Games), and the difference from content alone with its standard error over visitors.
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
