#!/usr/bin/env bash
# TfidfVectorizer with a limit on its terms (max_features, min_df, max_df) keeps their columns as numpy
# integers. skops writes each numpy scalar as an array in a file of its own within its zip archive, so a
# vocabulary of 20,000 words is 20,000 files, and takes many times as long as the same one of Python's integers.
# Guess: a vocabulary is one piece of JSON, whatever limits were set.
# Seen: scikit-learn 1.9.1, skops 0.16.0: 5,000 words, with max_features more than 5,000 files, without fewer
# than 20.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check skops==0.16.0 scikit-learn==1.9.1
cat > "$folder/try.py" <<'PY'
import io
import time
import zipfile

import skops.io
from sklearn.feature_extraction.text import TfidfVectorizer

texts = [" ".join(f"word{i + j}" for j in range(10)) for i in range(0, 5000, 10)]
for limits in ({}, {"max_features": 5000}):
    fitted = TfidfVectorizer(**limits).fit(texts)
    began = time.perf_counter()
    saved = skops.io.dumps(fitted)
    n_files = len(zipfile.ZipFile(io.BytesIO(saved)).namelist())
    print(limits, n_files, "files", len(saved), "bytes", round(time.perf_counter() - began, 2), "s")
    assert n_files > 5000 if limits else n_files < 20
PY
"$folder/venv/bin/python" "$folder/try.py"
