#!/usr/bin/env bash
# A dataset of HDF5 takes its place when it is written to, not when it is made. One that was declared and never
# written, as by a conversion of weights that stopped half-way or skipped a layer, reads as zeros without an error
# or a warning, and any shape may be declared: a file of some 2,000 bytes claims 4 TB. An embedding of zeros is a
# valid one, so a model is loaded that gives all items the same score, and who believes `nbytes` asks for 4 TB.
# Guess: reading what was never written raises, or a file is at least as large as what it declares.
# Seen: h5py 3.16.0, numpy 2.4.6: 4000000000000 bytes declared, 0 stored, less than 4,000 in the file, all zeros.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check h5py==3.16.0 numpy==2.4.6
cat > "$folder/try.py" <<'PY'
import os
import sys

import h5py

path = f"{sys.argv[1]}/weights.h5"
with h5py.File(path, "w") as file:
    file.create_dataset("weights", (10**6, 10**6), "float32")
assert os.path.getsize(path) < 4000
with h5py.File(path) as file:
    weights = file["weights"]
    print(weights.nbytes, "bytes declared,", weights.id.get_storage_size(), "stored")
    print(weights[123456:123458, :3].tolist())
PY
"$folder/venv/bin/python" "$folder/try.py" "$folder" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
4000000000000 bytes declared, 0 stored
[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
SEEN
