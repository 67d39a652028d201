"""A fit, a recommendation, a save and a load with an installed embrec."""

import os
import tempfile
from pathlib import Path

import numpy as np

import embrec
from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.datasets import make_shop


def main() -> None:
    """Print what was installed and what it recommended."""
    where = Path(embrec.__file__).resolve()
    checkout = os.environ.get("EMBREC_CHECKOUT")
    if checkout and where.is_relative_to(Path(checkout).resolve()):
        raise SystemExit("embrec was imported from the checkout, not from what is installed")
    if not (where.parent / "py.typed").is_file():
        raise SystemExit("py.typed is not installed")

    shop = make_shop(n_users=200, n_items=200, random_state=0)
    featurizer = TfidfItemFeaturizer(columns=["title", "description"])
    rec = EmbRecEstimator(featurizer, max_epochs=2, random_state=0)
    rec.fit(shop.interactions, items=shop.items)
    some = shop.items["item"].tolist()
    histories = [some[:2], some[5:6], []]
    ids, scores = rec.recommend(histories, k=10)
    with tempfile.TemporaryDirectory() as folder:
        rec.save(Path(folder) / "model")
        again = EmbRecEstimator.load(Path(folder) / "model")
    ids_again, scores_again = again.recommend(histories, k=10)
    np.testing.assert_array_equal(ids, ids_again)
    np.testing.assert_array_equal(scores, scores_again)
    print(f"embrec {embrec.__version__}: fit, recommend {ids.shape}, save and load are well")


if __name__ == "__main__":
    main()
