"""The models of Table 2, and what is searched of each: the same number of settings for all.

All networks get cross-entropy (but TransRec, which is BPR), an average of their weights and the same
early stopping, so that what sets them apart is what they are.
"""

from typing import Any

from sklearn.model_selection import ParameterGrid, ParameterSampler

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import (
    ContentNeighborsRecommender,
    GRU4RecRecommender,
    PopularityRecommender,
    SequentialRulesRecommender,
    SessionNeighborsRecommender,
    TransRecRecommender,
)
from embrec.components import (
    Adagrad,
    Adam,
    EarlyStopping,
    GRUEncoder,
    IdEmbeddings,
    ItemBias,
    ItemTowers,
    SampledNegatives,
)

#: Catalogues of more items are trained on with sampled negatives.
MANY_ITEMS = 5_000

#: What is tried first of each model: its defaults, where no other choice is named. Settings are
#: numbers and words by name; `make_model` makes parts of them.
FIRST: dict[str, dict[str, Any]] = {
    "PopRec": {},
    "Content neighbours": {"n_last": 2},
    "V-SKNN": {"n_neighbors": 500},
    "SR": {},
    "TransRec": {"l2": 1e-3, "n_negatives": 256, "batch_size": 64, "ema_decay": 0.999},
    "GRU4Rec": {
        "learning_rate": 0.05,
        "embedding_dropout": 0.3,
        "hidden_dropout": 0.3,
        "ema_decay": 0.999,
    },
    "EmbRec": {},
    "EmbRec, ids": {},
}
_NETWORK = {
    "input_dropout": [0.2, 0.3, 0.5, 0.6],
    "dropout": [0.2, 0.3, 0.5],
    "embedding_dim": [96, 128, 192],
    "hidden_size": [128, 192],
}
#: What others are drawn from.
SPACES: dict[str, dict[str, list[Any]]] = {
    "PopRec": {},
    "Content neighbours": {"n_last": [1, 2, 3, 5, 10, None]},
    "V-SKNN": {
        "n_neighbors": [50, 100, 200, 500, 1500],
        "n_last": [2, 5, 10, None],
        "decay": ["linear", "none"],
        "idf": [True, False],
    },
    "SR": {
        "normalization": ["cosine", "confidence"],
        "decay": [0.3, 0.5, 0.7, 0.9, 1.0],
        "gap_exponent": [0, 0.5, 1],
        "window": [1, 5, 20, 50],
        "n_last": [1, 5, None],
    },
    "TransRec": {
        "embedding_dim": [32, 64, 100],
        "l2": [0.0, 1e-4, 1e-3, 1e-2],
        "n_negatives": [16, 64, 256, 1024],
        "learning_rate": [1e-3, 3e-3, 1e-2],
        "batch_size": [32, 64],
    },
    "GRU4Rec": {
        "hidden_size": [96, 128, 192],
        "sample_alpha": [0.25, 0.5, 0.75],
        "learning_rate": [0.03, 0.05, 0.07],
        "embedding_dropout": [0.2, 0.3, 0.5],
        "hidden_dropout": [0.2, 0.3, 0.5],
        "batch_size": [16, 32],
    },
    "EmbRec": {**_NETWORK, "learning_rate": [5e-4, 1e-3, 2e-3], "batch_size": [32, 64]},
    "EmbRec, ids": {
        **_NETWORK,
        "id_shrinkage": [1.0, 3.0, 10.0],
        "id_dropout": [0.1, 0.3, 0.5],
        "learning_rate": [5e-4, 1e-3, 2e-3],
        "batch_size": [32, 64],
    },
}
#: Passes over the log are many times cheaper for some.
PASSES = {"TransRec": 5}
#: EmbRec on large catalogues: the recipe of GRU4Rec.
_SAMPLED = {
    "n_negatives": 2048,
    "sample_alpha": 0.5,
    "batch_negatives": True,
    "learning_rate": 0.05,
    "momentum": 0.2,
    "batch_size": 16,
    "input_dropout": 0.3,
}
_SAMPLED_SPACE = {"learning_rate": [0.03, 0.05, 0.07], "batch_size": [16, 32]}


def settings_of(
    name: str, n: int, n_items: int, seed: int
) -> tuple[list[dict[str, Any]], dict[str, list[Any]]]:
    """Choose the settings of a model that are tried: the first, then draws, n of them at most.

    Parameters
    ----------
    name : str
    n : int
    n_items : int
        Size of the catalogue.
    seed : int

    Returns
    -------
    settings : list of dict
    space : dict
        What was drawn from.
    """
    first, space = FIRST[name], SPACES[name]
    if "EmbRec" in name and n_items > MANY_ITEMS:
        first, space = {**first, **_SAMPLED}, {**space, **_SAMPLED_SPACE}
        if "ids" in name:
            first = {**first, "id_shrinkage": 1.0, "id_dropout": 0.1}
    tried = [first]
    if space:
        n_drawn = min(4 * n, len(ParameterGrid(space)))
        for drawn in ParameterSampler(space, n_drawn, random_state=seed):
            setting = {**first, **drawn}
            if setting not in tried and len(tried) < n:
                tried.append(setting)
    return tried, space


def make_model(
    name: str, setting: dict[str, Any], columns: list[str], max_epochs: int, seed: int
) -> Any:
    """Make a model of a setting.

    Parameters
    ----------
    name : str
    setting : dict
    columns : list of str
        The text columns of the catalogue.
    max_epochs : int
        Passes over the log, at most.
    seed : int

    Returns
    -------
    recommender
    """
    kinds: dict[str, Any] = {
        "PopRec": PopularityRecommender,
        "SR": SequentialRulesRecommender,
        "V-SKNN": SessionNeighborsRecommender,
    }
    if name in kinds:
        return kinds[name](**setting)
    if name == "Content neighbours":
        return ContentNeighborsRecommender(TfidfItemFeaturizer(columns=columns), **setting)
    run = {
        "max_epochs": PASSES.get(name, 1) * max_epochs,
        "early_stopping": EarlyStopping(patience=3),
        "random_state": seed,
    }
    left = dict(setting)
    if name == "GRU4Rec":
        rate, alpha = left.pop("learning_rate"), left.pop("sample_alpha", 0.5)
        return GRU4RecRecommender(
            optimizer=Adagrad(rate, momentum=0.2),
            negatives=SampledNegatives(2048, alpha=alpha, in_batch=True),
            **run,
            **left,
        )
    if name == "TransRec":
        optimizer = Adam(left.pop("learning_rate", 0.003))
        return TransRecRecommender(optimizer=optimizer, **run, **left)
    parts = _parts_of(left, with_ids="ids" in name)
    featurizer = TfidfItemFeaturizer(columns=columns)
    return EmbRecEstimator(featurizer, index="exact", **parts, **run, **left)


def _parts_of(setting: dict[str, Any], *, with_ids: bool) -> dict[str, Any]:
    """Take out of a setting of EmbRec what its parts have, and make these."""

    def taken(**names: str) -> dict[str, Any]:
        return {name: setting.pop(key) for name, key in names.items() if key in setting}

    parts: dict[str, Any] = {}
    items = taken(embedding_dim="embedding_dim")
    if with_ids:
        shrinkage = taken(shrinkage="id_shrinkage")  # one for both
        ids = IdEmbeddings(**taken(dropout="id_dropout"), **shrinkage)
        items |= {"ids": ids, "bias": ItemBias(**shrinkage)}
    parts["item_model"] = ItemTowers(**items)
    encoder = taken(dropout="dropout", input_dropout="input_dropout", hidden_size="hidden_size")
    parts["encoder"] = GRUEncoder(**encoder)
    if "n_negatives" in setting:
        negatives = taken(n="n_negatives", alpha="sample_alpha", in_batch="batch_negatives")
        parts["negatives"] = SampledNegatives(**negatives)
    optimizer = taken(learning_rate="learning_rate", momentum="momentum")
    parts["optimizer"] = Adagrad(**optimizer) if "momentum" in optimizer else Adam(**optimizer)
    return parts
