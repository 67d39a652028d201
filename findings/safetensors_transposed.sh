#!/usr/bin/env bash
# safetensors.numpy.save takes arrays by their address since 0.8.0. An array that is not in C order (a
# transposed one, or one in Fortran order, as many products of linear algebra are) is written in the order in
# which it lies in memory under the shape that it has, so other numbers come back, without an error. Up to
# 0.7.0 the same call was right.
# Guess: the array comes back, or save raises.
# Seen: numpy 2.4.6; safetensors 0.7.0 "True True", 0.8.0 "False False".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
cat > "$folder/try.py" <<'PY'
import numpy as np
from safetensors.numpy import load, save

a = np.arange(6, dtype=np.float32).reshape(2, 3)
for array in (a.T, np.asfortranarray(a)):
    print(np.array_equal(load(save({"a": array}))["a"], array), end=" ")
PY
for version in 0.7.0 0.8.0; do
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 "safetensors==$version"
  echo "$version: $("$folder/venv/bin/python" "$folder/try.py")"
done | tee "$folder/seen"
diff <(printf '0.7.0: True True \n0.8.0: False False \n') "$folder/seen"
