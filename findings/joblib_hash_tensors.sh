#!/usr/bin/env bash
# joblib.hash, made so that equal inputs have equal hashes, knows numpy arrays. Of a torch tensor it hashes
# what pickle writes, which is not the same for equal tensors. So two equal tensors
# differ, and a key or a joblib.Memory whose input holds a tensor or a module is never found again.
# Guess: equal tensors have equal hashes, as equal arrays do.
# Seen: joblib 1.6.0, torch 2.13.0: arrays True, tensors False, modules with equal weights False.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 joblib==1.6.0
cat > "$folder/try.py" <<'PY'
import copy

import joblib
import numpy as np
import torch

module = torch.nn.Linear(2, 2)
print(joblib.hash(np.zeros(3)) == joblib.hash(np.zeros(3)))
print(joblib.hash(torch.zeros(3)) == joblib.hash(torch.zeros(3)))
print(joblib.hash(module) == joblib.hash(copy.deepcopy(module)))
PY
"$folder/venv/bin/python" "$folder/try.py" | tee "$folder/seen"
diff <(printf 'True\nFalse\nFalse\n') "$folder/seen"
