#!/usr/bin/env bash
# Installs the lowest versions that pyproject.toml declares, and runs a core part of the tests.
#
# torch is the exception: constraints.txt names its version, since older builds for CPUs alone are
# not on every package index. What is declared for torch is therefore not checked here.
# The extras text, vision and onnx are left out too: what their libraries need of torch and numpy
# moves with the newest torch.
#
#     scripts/check_lowest.sh [PATH OF A TEST ...]
#
# LOWEST_VENV names a folder for the environment, to keep it; by default it is temporary.
set -euo pipefail
cd "$(dirname "$0")/.."

extras="parquet,polars,words,elmo,image,annoy,faiss,hnsw"
tests=("$@")
if [ ${#tests[@]} -eq 0 ]; then
    tests=(tests/data tests/preprocessing tests/scoring tests/serving tests/recommenders tests/featurizers
           tests/test_estimator.py tests/test_blend.py)
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
venv=${LOWEST_VENV:-$folder/venv}
"${PYTHON:-python3}" -m venv "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check install --quiet)

torch=$(sed -n 's/^torch==/torch==/p' constraints.txt)
"${pip[@]}" "$torch" packaging
"$venv/bin/python" scripts/lowest_versions.py test | grep -v '^torch==' > "$folder/lowest.txt"
echo "$torch" >> "$folder/lowest.txt"
"${pip[@]}" -c "$folder/lowest.txt" -e ".[$extras]" hypothesis pytest pytest-timeout pytest-xdist

echo "installed, beside $torch:"
"$venv/bin/python" -m pip --disable-pip-version-check freeze --exclude-editable > "$folder/installed.txt"
sed 's/==.*//; s/^/^/; s/$/==/' "$folder/lowest.txt" > "$folder/names.txt"
grep -i -f "$folder/names.txt" "$folder/installed.txt" | paste -sd ' '

"$venv/bin/python" -m pytest -q -p no:cacheprovider "${tests[@]}"
