"""What `featurizer=None` chooses, against all text of the catalogue as words alone.

    python benchmarks/default_featurizer.py

On generated shops of 500 items and 800 visitors: the hit rate at 50 of each visitor's last event.
"""

import warnings

from _common import write_result

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.datasets import make_shop
from embrec.model_selection import leave_last_out_split

SEEDS = (0, 1, 2)
TEXT = ["title", "description", "category", "brand", "colour"]


def main() -> None:
    warnings.simplefilter("ignore")
    figures = {}
    for seed in SEEDS:
        shop = make_shop(n_users=800, n_items=500, random_state=seed)
        train, valid, test = leave_last_out_split(shop.interactions)
        for name, featurizer in {"words": TfidfItemFeaturizer(TEXT), "default": None}.items():
            model = EmbRecEstimator(featurizer, max_epochs=12, random_state=0)
            model.fit(train, items=shop.items, X_val=valid)
            figures[f"{name}, shop {seed}"] = round(model.score(test), 4)
            print(f"{name}, shop {seed}: {figures[f'{name}, shop {seed}']}", flush=True)
    write_result("default_featurizer", {"hit_rate@50": figures})


if __name__ == "__main__":
    main()
