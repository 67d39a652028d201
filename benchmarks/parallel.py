"""One encoder for all content, or one per source: text and posters of MovieLens, or two kinds of text of Office.

    python benchmarks/parallel.py movies [--seeds 1] [--ways "one encoder" parallel]
    python benchmarks/parallel.py office [--seeds 3]

Split and filter as in content_features.py; what a visitor has seen is left out; default parameters. "Alternating"
trains one source per epoch and holds the other still (Hidasi et al. 2016), with twice the patience, since each source
has half of the epochs; "in turn, then both" does so for the first six epochs. Posters go through the EfficientNet of
the extra `bench`.
"""

import argparse
import tempfile
import time
import warnings
from typing import Any

import numpy as np
from _common import data_folder, write_result
from content_features import FOLDERS, MOVIE_EVENTS, efficientnet
from encoders import METRICS, figures, mean_and_interval
from sklearn.pipeline import FeatureUnion

from embrec import EmbRecEstimator, NoContentWarning
from embrec.components import EarlyStopping
from embrec.datasets import Dataset, load_parquet_pair, thesis_filter
from embrec.featurizers import ImageFeaturizer, TfidfItemFeaturizer
from embrec.model_selection import leave_last_out_split
from embrec.training import Callback

PATIENCE = 3


class InTurn(Callback):
    """Train one source per epoch, up to an epoch."""

    def __init__(self, until: float = np.inf) -> None:
        self.until = until

    def on_step_end(self, progress: Any) -> None:
        network = progress.network
        n_sources = len(network.items.towers)
        for source in range(n_sources):
            trained = progress.epoch > self.until or progress.epoch % n_sources == source
            for part in (network.items.towers[source], network.encoder.parts[source]):
                part.requires_grad_(trained)


def ways() -> dict[str, dict[str, Any]]:
    patient = EarlyStopping(patience=2 * PATIENCE)
    return {
        "one encoder": {"early_stopping": EarlyStopping(patience=PATIENCE)},
        "parallel": {"encoder": "parallel", "early_stopping": EarlyStopping(patience=PATIENCE)},
        "alternating": {"encoder": "parallel", "early_stopping": patient, "callbacks": [InTurn()]},
        "in turn, then both": {
            "encoder": "parallel",
            "early_stopping": patient,
            "callbacks": [InTurn(6)],
        },
    }


def featurizer(name: str, folder: Any, cache: str) -> FeatureUnion:
    """Two sources."""
    if name == "office":
        return FeatureUnion(
            [
                ("words", TfidfItemFeaturizer(["title", "description"])),
                ("kinds", TfidfItemFeaturizer(["brand", "categories"])),
            ]
        )
    posters = ImageFeaturizer("image_path", folder=folder, backbone=efficientnet(), memory=cache)
    text = TfidfItemFeaturizer(["title", "description"])
    return FeatureUnion([("text", text), ("posters", posters)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", choices=FOLDERS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ways", nargs="*", default=list(ways()), choices=list(ways()))
    options = parser.parse_args()
    warnings.simplefilter("ignore", NoContentWarning)
    folder = data_folder(FOLDERS[options.data])
    data = load_parquet_pair(folder)
    if options.data == "movies":
        log = thesis_filter(data.interactions, max_events_per_user=MOVIE_EVENTS)
        data = Dataset(log, data.items[data.items["item"].isin(log["item"])])
    with tempfile.TemporaryDirectory() as cache:
        run_all(options, data, folder, cache)


def run_all(options: Any, data: Dataset, folder: Any, cache: str) -> None:
    train, valid, test = leave_last_out_split(data.interactions)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in options.ways}
    for seed in range(options.seeds):
        for name in options.ways:
            started = time.perf_counter()
            model = EmbRecEstimator(
                featurizer(options.data, folder, cache), random_state=seed, **ways()[name]
            )
            model.fit(train, items=data.items, X_val=valid)
            run = {
                "best_epoch": model.best_epoch_,
                "seconds": time.perf_counter() - started,
                "valid": figures(model, valid, all_ranked=False),
                "test": figures(model, test, all_ranked=False),
            }
            runs[name].append(run)
            print(name, seed, run, flush=True)
            means = {
                way: {m: mean_and_interval([run["test"][m] for run in done]) for m in METRICS}
                for way, done in runs.items()
                if done
            }
            write_result(f"parallel_{options.data}", {"means_of_test": means, "runs": runs})


if __name__ == "__main__":
    main()
