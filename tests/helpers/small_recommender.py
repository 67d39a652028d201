"""A recommender of the small shop that is trained in a moment."""

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.components import GRUEncoder, ItemTowers


def fit_small(log, items, **changes):
    """Two epochs of eight dimensions, from titles."""
    parts = {"item_model": ItemTowers(8), "encoder": GRUEncoder(8)}
    options = {"max_epochs": 2, "random_state": 0, **parts, **changes}
    return EmbRecEstimator(TfidfItemFeaturizer(columns=["title"]), **options).fit(log, items=items)
