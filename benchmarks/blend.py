"""A network, what came after what, and what is alike: each alone, and blended.

    python benchmarks/blend.py amazon2014_office_5core [--seeds 3]
    python benchmarks/blend.py amazon2014_games_thesis --interactions interactions_thesis.parquet \
        --all-ranked --result blend_games
    python benchmarks/blend.py ml1m_posters --last 50 --result blend_movielens

Data, split and options as of encoders.py. Every recommender has the defaults (content neighbours look at the last two
items); weights are learned on the validation part, which early stopping has watched, and are shown.
"""

import argparse
import time
from typing import Any

from _common import write_result
from _splits import load
from encoders import METRICS, figures, mean_and_interval

from embrec import BlendRecommender, EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import (
    ContentNeighborsRecommender,
    SequentialRulesRecommender,
    SessionNeighborsRecommender,
)
from embrec.components import IdEmbeddings, ItemTowers

NETWORKS: dict[str, dict[str, Any]] = {
    "content": {},
    "content and ids": {"item_model": ItemTowers(ids=IdEmbeddings(), bias=True)},
}


def parts_of(columns: list[str], seed: int, network: dict[str, Any]) -> list[tuple[str, Any]]:
    featurizer = TfidfItemFeaturizer(columns=columns)
    return [
        ("network", EmbRecEstimator(featurizer, random_state=seed, **network)),
        ("rules", SequentialRulesRecommender()),
        ("neighbours", ContentNeighborsRecommender(featurizer, n_last=2)),
        ("sessions", SessionNeighborsRecommender()),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--interactions", default="interactions.parquet")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--all-ranked", action="store_true")
    parser.add_argument("--last", type=int, help="events of a user that are kept; all by default")
    parser.add_argument("--result", default="blend", help="name of the file of figures")
    options = parser.parse_args()
    train, valid, test, items, columns = load(
        options.folder,
        None,
        options.interactions,
        "leave-last-two-out",
        n_events=options.last,
    )
    runs: dict[str, list[dict[str, Any]]] = {}
    asked = {k: vars(options)[k] for k in ("folder", "all_ranked", "last")}
    for seed in range(options.seeds):
        for network in options.networks:
            started = time.perf_counter()
            parts = parts_of(columns, seed, NETWORKS[network])
            blends = blends_of(parts, train, valid, items)
            alone, names = blends["all"].recommenders_, [name for name, _ in parts]
            shown = {name: alone[name] for name in (names if seed == 0 else names[:1])} | blends
            for name, model in shown.items():
                run = {
                    "valid": figures(model, valid, options.all_ranked),
                    "test": figures(model, test, options.all_ranked),
                }
                if name in blends:
                    run["weights"] = dict(zip(names, model.weights_.tolist(), strict=False))
                runs.setdefault(f"{network}: {name}", []).append(run)
                print(network, name, seed, run, flush=True)
            print(f"{time.perf_counter() - started:.0f} s", flush=True)
            means = {
                name: {m: mean_and_interval([run["test"][m] for run in done]) for m in METRICS}
                for name, done in runs.items()
            }
            write_result(options.result, {**asked, "means_of_test": means, "runs": runs})


def blends_of(parts: list[tuple[str, Any]], train: Any, valid: Any, items: Any) -> dict[str, Any]:
    """Blend the first two, three and all of them; the network is trained once."""
    whole = BlendRecommender(parts).fit(train, items=items, X_val=valid)
    blends = {"all": whole}
    for n, name in ((2, "network and rules"), (3, "network, rules and neighbours")):
        fewer = BlendRecommender(parts[:n])
        fitted = {key: whole.recommenders_[key] for key, _ in parts[:n]}
        fewer._set_up(fitted, fewer._learned(fitted, valid))
        blends[name] = fewer
    return blends


if __name__ == "__main__":
    main()
