#!/usr/bin/env bash
# NDCG of rectools is divided by what a list of k right items would have, not by what the user's own items allow
# (divide_by_achievable=False). With one test item per user, as after leave-one-out, a recommender that always has
# it first gets .22 at k=10, and no other can get more; tables of papers say 1.0 for that. And an item that was
# bought twice in the test set counts twice where it is found: one right item of three is a precision of .67, and
# an NDCG twice as high as the best list of one right item has.
# Guess: by its name 1.0 for a perfect list (.22 was suspected, from its source of years ago); a precision of .33
# however often the item was bought.
# Seen: rectools 0.19.0, pandas 2.3.3, numpy 1.26.4: .22, with divide_by_achievable=True 1.0; .33 and .67, .47 and .94.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rectools==0.19.0 pandas==2.3.3 numpy==1.26.4
cat > "$folder/try.py" <<'PY'
import pandas as pd
from rectools import Columns
from rectools.metrics import NDCG, Precision


def bought(*items):
    return pd.DataFrame({Columns.User: 1, Columns.Item: items})


shown = bought(*range(10)).assign(**{Columns.Rank: range(1, 11)})
for metric in (NDCG(k=10), NDCG(k=10, divide_by_achievable=True)):
    print(round(float(metric.calc(shown, bought(0))), 2))
for metric in (Precision(k=3), NDCG(k=3)):
    once, twice = (float(metric.calc(shown, test)) for test in (bought(0), bought(0, 0)))
    print(round(once, 2), round(twice, 2))
PY
"$folder/venv/bin/python" -W ignore "$folder/try.py" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
0.22
1.0
0.33 0.67
0.47 0.94
SEEN
