#!/usr/bin/env bash
# What goes to fit through cross_validate(params=) or GridSearchCV.fit(**params) is sliced by the rows of each fold
# if it has as many rows as X, and handed over whole if not; scikit-learn knows no way to say which. So a table of
# items beside a log of events is whole until the day on which both have as many rows. Then every fold is fitted
# with a part of the catalogue that was chosen by the numbers of its events, without a warning. A list of words is
# sliced in the same way.
# Guess: only sample_weight and what was asked for by metadata routing is sliced.
# Seen: scikit-learn 1.9.1, pandas 3.1.1: of 5, 6 and 7 items beside 6 events the folds get 5, 3 and 7.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-learn==1.9.1 pandas==3.1.1 numpy==2.4.6
cat > "$folder/try.py" <<'PY'
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, cross_validate


class Recommender(BaseEstimator):
    def __init__(self, size=1):
        self.size = size

    def fit(self, X, y=None, items=None, words=None):
        seen.append((len(items), None if words is None else len(words)))
        return self

    def score(self, X, y=None):
        return 0.0


log = pd.DataFrame({"user": range(6), "item": range(6)})
for n_items in (5, 6, 7):
    items = pd.DataFrame({"item": range(n_items)})
    seen = []
    cross_validate(Recommender(), log, params={"items": items, "words": list("abcdef")}, cv=2)
    GridSearchCV(Recommender(), {"size": [1]}, cv=2, refit=False).fit(log, items=items)
    print(n_items, seen)
PY
"$folder/venv/bin/python" "$folder/try.py" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
5 [(5, 3), (5, 3), (5, None), (5, None)]
6 [(3, 3), (3, 3), (3, None), (3, None)]
7 [(7, 3), (7, 3), (7, None), (7, None)]
SEEN
