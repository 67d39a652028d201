#!/usr/bin/env bash
# Catalogues hold many equal vectors: items without content, variants with one title. Beside 500 equal vectors,
# a graph of usearch finds the best of 1,000 by inner product for less than half of other queries; without them, for
# all; faiss' graph with as many links finds nearly all beside them.
# Guess: equal vectors take room in lists, but others are found as they are without them (more than 95 %).
# Seen: usearch 2.26.6 .25 to .43, without the equal ones 1.0; faiss-cpu 1.15.1 .988 (numpy 2.4.6).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check usearch==2.26.6 faiss-cpu==1.15.1 numpy==2.4.6
cat > "$folder/try.py" <<'PY'
import faiss
import numpy as np
from usearch.index import Index

random = np.random.default_rng(0)
equal = np.repeat(random.normal(size=(1, 16)), 500, axis=0).astype(np.float32)
others = random.normal(size=(500, 16)).astype(np.float32)


def recall(library, vectors):
    if library == "usearch":
        index = Index(ndim=16, metric="ip", dtype="f32")
        index.add(np.arange(len(vectors)), vectors)
        found = np.asarray(index.search(others, 1).keys).ravel().astype(int)
    else:
        index = faiss.IndexHNSWFlat(16, 16, faiss.METRIC_INNER_PRODUCT)
        index.add(vectors)
        found = index.search(others, 1)[1].ravel()
    scores = others @ vectors.T
    return float(np.mean(scores[np.arange(500), found] >= scores.max(axis=1) - 1e-4))


both = np.vstack([equal, others])
usearch, alone, beside = recall("usearch", both), recall("usearch", others), recall("faiss", both)
print("usearch", usearch, "without the equal ones", alone, "faiss", beside)
assert usearch < 0.6
assert alone > 0.95
assert beside > 0.95
PY
"$folder/venv/bin/python" "$folder/try.py"
