#!/usr/bin/env bash
# Parquet in folders by a column (item=007/) keeps that column's values in the names of folders alone, and readers
# guess its type from them. Ids that are text but all of digits come back as numbers, without their zeros: "007" is
# 7. If "7" is an item too, pandas cannot read what it wrote, and pyarrow gives two items one id. One id with a
# letter, and all of them are text again: the type of a log depends on who bought that day.
# Guess: 7 for "007", as readers of folders guess types; but that what was written can be read.
# Seen: pandas 3.1.1, pyarrow 26.0.1: 7 for "007"; "Categorical categories must be unique"; [7, 7] from pyarrow.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6
cat > "$folder/try.py" <<'PY'
import sys

import pandas as pd
import pyarrow.parquet as pq

for i, items in enumerate((["007", "8"], ["007", "A"], ["007", "7"])):
    path = f"{sys.argv[1]}/log{i}"
    pd.DataFrame({"item": items, "user": [1, 2]}).to_parquet(path, partition_cols=["item"])
    try:
        print(items, pd.read_parquet(path)["item"].tolist())
    except ValueError as error:
        print(items, error, pq.read_table(path)["item"].to_pylist())
PY
"$folder/venv/bin/python" "$folder/try.py" "$folder" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
['007', '8'] [7, 8]
['007', 'A'] ['007', 'A']
['007', '7'] Categorical categories must be unique [7, 7]
SEEN
