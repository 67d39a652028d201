"""The thesis' Table 2: every model, tuned alike."""

from functools import partial
from typing import Any

from _common import RESULTS

from pages.text import read, source, table, with_interval

METRICS = ("hit_rate@50", "hit_rate@10", "ndcg@10", "mrr", "auc")
SHOWN = ("HitRate@50", "HitRate@10", "NDCG@10", "MRR", "AUC")
LISTS = ("coverage@10", "gini@10", "novelty@10", "popularity@10")
#: Rows that others published, to set ours against: (HitRate@50, HitRate@10, NDCG@10, MRR, AUC).
PUBLISHED = {
    "table2_games": [
        ("PopRec (thesis)", "0.0517", "", "", "", "0.7495"),
        ("TransRec (thesis, from its paper)", "0.1644", "", "", "", "0.8815"),
        ("GRU4Rec (thesis)", "0.1583", "", "", "", "0.8683"),
        (
            "GRU4Rec (its authors' code, one guessed setting; not run here)",
            "0.178",
            "0.076",
            "0.043",
            "",
            "0.839",
        ),
    ],
    "table2_office": [
        ("GRU4Rec (published, masked)", "", "", "0.026", "", ""),
        ("SASRec (published, masked)", "", "", "0.035 to 0.057", "", ""),
        ("DuoRec (published, masked)", "", "", "0.052", "", ""),
        ("MCLRec (published, masked)", "", "", "0.054", "", ""),
    ],
}
TITLES = {
    "table2_games": "The thesis' Games",
    "table2_office": "Amazon 2014 Office 5-core",
    "table2_office_cold_users": "Amazon 2014 Office 5-core, new visitors",
    "table2_movies_temporal": "MovieLens-1M, cut in time",
}
PROTOCOLS = {
    "leave-last-two-out": "Trained on `seq[:-2]`, settings and epochs chosen on `seq[-2]`, tested on `seq[-1]`.",
    "cold-users": (
        "A tenth of the users is held out for the test and a tenth of the others for the choice; their last item "
        "is the target."
    ),
    "temporal": (
        "Trained on all events before a point in time, chosen on the next tenth of the events and tested on the last "
        "tenth: the last item of whoever has one there."
    ),
}


#: What readers should know of the tuning, by data set.
CAUTIONS = {
    "office": (
        "EmbRec's defaults, which are its first setting, were chosen on the validation part of this data set over the "
        "time of its making; no other model had as much."
    ),
    "games": (
        "What is tried first, and the spaces that are drawn from, were set after looking at validation figures of this "
        "data set, for all networks."
    ),
}


def section(name: str) -> str:
    """Write one data set and protocol."""
    figures = read(name)
    data = figures["data"]
    tables = "\n\n".join(ranking(figures, way, name) for way in ("all ranked", "masked"))
    chosen = [
        [model, f"`{setting}`" if setting else ""] for model, setting in figures["chosen"].items()
    ]
    return f"""## {TITLES[name]}

{data["users"]:,} users, {data["items"]:,} items, {data["training_events"]:,} events to train on; {data["tested"]:,}
users tested. {PROTOCOLS[figures["protocol"]]} Up to {figures["budget"]} settings of every model were tried, and the
one with the best HitRate@50 on the validation part was tested, once; {figures["seconds"] / 60:.0f} minutes in all.
Items are known by {" and ".join(data["columns"])}. All networks average their weights and stop early.
In brackets 95 % bootstrap intervals over users. {" ".join(v for k, v in CAUTIONS.items() if k in name)}

{tables}

Rows with names in brackets are others' figures. What is shown, all items ranked:

{lists(figures)}

EmbRec less the best of the others on each metric (all items ranked), with 95 % intervals of the difference and the
p-value of a paired sign-flip test:

{differences(figures)}

What was chosen:

{table(["", "setting"], chosen)}

{source(figures)}
"""


def of_all(figures: dict[str, Any], way: str) -> dict[str, dict[str, Any]]:
    """Find the figures over all users: by model and metric."""
    found: dict[str, dict[str, Any]] = {}
    for row in figures["tables"][way]:
        if row["slice"] == "all":
            found.setdefault(row["model"], {})[row["metric"]] = row
    return found


def ranking(figures: dict[str, Any], way: str, name: str) -> str:
    """Write the table of one way to rank."""
    rows = [
        [model, *(with_interval(by_metric[metric]) for metric in METRICS)]
        for model, by_metric in of_all(figures, way).items()
    ]
    wanted = "masked" if "office" in name else "all ranked"
    rows += [list(row) for row in PUBLISHED.get(name, []) if way == wanted]
    title = {
        "all ranked": "All items ranked, the visitor's own among them",
        "masked": 'The visitor\'s own items left out ("masked")',
    }[way]
    return f"{title}:\n\n{table(['', *SHOWN], rows)}"


def lists(figures: dict[str, Any]) -> str:
    """Write what is shown to visitors rather than how well it is ranked."""
    rows = [
        [model, *(f"{by_metric[metric]['value']:.3f}" for metric in LISTS)]
        for model, by_metric in of_all(figures, "all ranked").items()
    ]
    header = ["", "coverage@10", "Gini@10", "novelty@10, bits", "popularity@10, events"]
    return table(header, rows)


def differences(figures: dict[str, Any]) -> str:
    """Set each EmbRec against the strongest other model, metric by metric."""
    found = of_all(figures, "all ranked")
    rows = []
    for metric, shown in zip(METRICS, SHOWN, strict=True):
        others = [model for model in found if "EmbRec" not in model]
        if not others:
            continue
        best = max(others, key=lambda model: found[model][metric]["value"])
        for row in figures["comparisons"]:
            if (row["ranking"], row["metric"], row["against"]) == ("all ranked", metric, best):
                value = with_interval({**row, "value": row["difference"]})
                rows.append([f"{row['model']}, {shown}", best, value, f"{row['p_value']:.4f}"])
    return table(["", "against", "difference", "p"], rows)


#: What has been run.
SECTIONS = [partial(section, name) for name in TITLES if (RESULTS / f"{name}.json").exists()]
