"""The thesis' Table 2 on any data: every model tuned alike on the validation part, then tested.

    python benchmarks/table2.py FOLDER [--category Video_Games] [--interactions FILE]
        [--columns title ...] [--protocol leave-last-two-out] [--budget 6] [--epochs 20]
        [--jobs 2] [--quick]

FOLDER holds raw Amazon 2014 files (with ``--category``; the thesis' filter is applied) or a pair of
Parquet files; a name alone is a folder in EMBREC_DATA. Items that nobody touched are left out. Of each model ``--budget`` settings are
tried, the first one fixed and the others drawn from the space that `_models.py` names; the one with
the best HitRate@50 on the validation part is tested, once. All items are ranked: with the
visitor's own among them, as in the thesis, and without ("masked"). Intervals are bootstrapped over
visitors (95 %).

Protocols: "leave-last-two-out" is the thesis' (train on ``seq[:-2]``, validate on ``seq[-2]``, test
on ``seq[-1]``); "temporal" cuts at two points in time: the last tenth of the events tests, a tenth
of those before validates; "cold-users" holds a tenth of the users out for the test, and
a tenth of the others for validation, their last item being the target.
"""

import argparse
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from _common import RESULTS, write_result
from _models import FIRST, PASSES, make_model, settings_of
from _splits import load
from joblib import Parallel, delayed

from embrec.evaluation import Evaluation, compare, evaluate
from embrec.metrics import ranking_scorer

METRICS = ("auc", "hit_rate@50", "hit_rate@10", "ndcg@10", "mrr")
LISTS = ("coverage@10", "novelty@10", "popularity@10", "gini@10")


def fit(task: dict[str, Any], source: tuple[Any, ...], options: Any, folder: str) -> dict[str, Any]:
    """Fit one setting of one model, keep it, and say how it does on the validation part."""
    torch.set_num_threads(options.threads)
    train, valid, _, items, columns = load(*source)
    model = make_model(task["model"], task["setting"], columns, options.epochs, options.seed)
    started = time.perf_counter()
    model.fit(train, items=items, X_val=valid)
    seconds = time.perf_counter() - started
    found = ranking_scorer(METRICS)(model, valid)
    model.save(Path(folder) / task["key"])
    record = {
        **task,
        "valid": found,
        "seconds": seconds,
        "epochs": len(getattr(model, "training_log_", [])),
        "best_epoch": getattr(model, "best_epoch_", None),
    }
    print(f"{task['model']:20} {found['hit_rate@50']:.4f} {seconds:6.0f} s {task['setting']}")
    return record


def test(
    trial: dict[str, Any], source: tuple[Any, ...], options: Any, folder: str
) -> dict[str, Evaluation]:
    """Rank the test part with a model that was chosen: with the visitor's own items, and without."""
    train, _, tested, _, columns = load(*source)
    kind = type(make_model(trial["model"], trial["setting"], columns, 1, 0))
    model = kind.load(Path(folder) / trial["key"])
    return {
        way: evaluate(
            model,
            tested,
            metrics=(*METRICS, *LISTS),
            train=train,
            exclude_seen=way == "masked",
            name=trial["model"],
            random_state=0,
        )
        for way in ("all ranked", "masked")
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--category")
    parser.add_argument("--interactions", default="interactions.parquet")
    parser.add_argument("--columns", nargs="+", default=[], help="text that items are known by")
    parser.add_argument(
        "--protocol",
        choices=["leave-last-two-out", "temporal", "cold-users"],
        default="leave-last-two-out",
    )
    parser.add_argument("--models", nargs="+", choices=FIRST, default=list(FIRST))
    parser.add_argument("--budget", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="few users, settings and epochs")
    parser.add_argument("--name")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.quick:
        options.budget, options.epochs = min(options.budget, 2), min(options.epochs, 2)
    options.threads = max(1, torch.get_num_threads() // options.jobs)
    return options


def main() -> None:
    options = parse()
    n_users = 300 if options.quick else None
    columns = tuple(options.columns)
    source = (options.data, options.category, options.interactions, options.protocol)
    source = (*source, n_users, columns)
    train, _, tested, items, text = load(*source)
    searched = {
        model: settings_of(model, options.budget, len(items), options.seed)
        for model in options.models
    }
    tasks = [
        {"model": model, "setting": setting, "key": f"{m}-{i}"}
        for m, (model, (settings, _)) in enumerate(searched.items())
        for i, setting in enumerate(settings)
    ]
    # long ones first, so that the last ones to end are short
    tasks.sort(key=lambda task: -list(FIRST).index(task["model"]))
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        trials = Parallel(n_jobs=options.jobs)(
            delayed(fit)(task, source, options, folder) for task in tasks
        )
        best = {
            model: max(
                (trial for trial in trials if trial["model"] == model),
                key=lambda trial: trial["valid"]["hit_rate@50"],
            )
            for model in options.models
        }
        found = {model: test(trial, source, options, folder) for model, trial in best.items()}
    figures = {
        "data": {
            "name": Path(options.data).name,
            "users": int(train["user"].nunique()),
            "tested": int(tested["user"].nunique()),
            "items": len(items),
            "training_events": len(train),
            "columns": text,
        },
        "protocol": options.protocol,
        "budget": options.budget,
        "seed": options.seed,
        "quick": options.quick,
        "seconds": time.perf_counter() - started,
        "spaces": {model: space for model, (_, space) in searched.items()},
        "max_epochs": {model: PASSES.get(model, 1) * options.epochs for model in options.models},
        "chosen": {model: trial["setting"] for model, trial in best.items()},
        "trials": trials,
        "tables": {way: rows_of(found, way) for way in ("all ranked", "masked")},
        "comparisons": comparisons(found),
    }
    name = options.name or f"table2_{Path(options.data).name}"
    record = write_result(name, figures, options.out)
    table = pd.concat(
        [pd.DataFrame(rows).assign(ranking=way) for way, rows in record["tables"].items()]
    )
    table.to_csv(options.out / f"{name}.csv", index=False)
    (options.out / f"{name}.md").write_text(markdown(record), encoding="utf-8")
    print(f"and {name}.csv and {name}.md in {options.out}\n")
    print(markdown(record))


def rows_of(found: dict[str, dict[str, Evaluation]], way: str) -> list[dict[str, Any]]:
    """Join the tables of all models; what has no interval has None."""
    table = pd.concat([found[model][way].table for model in found])
    return table.astype(object).where(table.notna(), None).to_dict("records")


def comparisons(found: dict[str, dict[str, Evaluation]]) -> list[dict[str, Any]]:
    """Compare every model of ours with every one of the others, on the same visitors."""
    ours = [model for model in found if "EmbRec" in model]
    others = [model for model in found if model not in ours]
    return [
        {"ranking": way, "model": one, "against": other, **row}
        for way, one, other in itertools.product(("all ranked", "masked"), ours, others)
        for row in compare(found[other][way], found[one][way], random_state=0).table.to_dict(
            "records"
        )
    ]


def markdown(record: dict[str, Any]) -> str:
    """Write the two tables of a record, intervals in brackets."""
    data = record["data"]
    parts = [
        f"{data['name']}, {record['protocol']}: {data['users']:,} users, {data['items']:,} items, "
        f"{data['training_events']:,} events to train on; {data['tested']:,} users tested. Up to "
        f"{record['budget']} settings of each model, {record['seconds'] / 60:.1f} minutes in all. Items "
        f"are known by {' and '.join(data['columns'])}."
    ]
    if record["quick"]:
        parts.insert(0, "Quick: few users and two epochs. The figures mean nothing.")
    for way, rows in record["tables"].items():
        table = pd.DataFrame(rows).query("slice == 'all'")
        lines = [f"| {way} | " + " | ".join((*METRICS, *LISTS)) + " |"]
        lines.append("| --- |" + " ---: |" * (len(METRICS) + len(LISTS)))
        for model, of_model in table.groupby("model", sort=False):
            by_metric = of_model.set_index("metric")
            cells = [cell(by_metric.loc[metric]) for metric in (*METRICS, *LISTS)]
            lines.append(f"| {model} | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines))
    chosen = [f"- {model}: {setting}" for model, setting in record["chosen"].items()]
    parts.append("Chosen:\n\n" + "\n".join(chosen))
    better = [
        f"- {row['model']} less {row['against']}: {row['difference']:+.4f} "
        f"[{row['low']:.4f}, {row['high']:.4f}], p {row['p_value']:.4f}"
        for row in record["comparisons"]
        if (row["ranking"], row["metric"]) == ("all ranked", "hit_rate@50")
    ]
    if better:
        parts.append("HitRate@50, all ranked, on the same users:\n\n" + "\n".join(better))
    versions = ", ".join(f"{k} {v}" for k, v in record["machine"].items())
    parts.append(f"`{record['command']}` ({versions})")
    return "\n\n".join(parts) + "\n"


def cell(figure: Any) -> str:
    """Show a figure and its interval."""
    value = f"{figure['value']:.4f}" if abs(figure["value"]) < 10 else f"{figure['value']:.1f}"
    if figure["low"] is None or pd.isna(figure["low"]):
        return value
    return f"{value} [{figure['low']:.4f}, {figure['high']:.4f}]"


if __name__ == "__main__":
    main()
