#!/usr/bin/env bash
# Builds the sdist and the wheel, looks into the wheel, and uses it outside of the checkout.
#
#     scripts/check_release.sh
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
quiet=(--disable-pip-version-check install --quiet)

echo "== build"
"$python" -m venv "$folder/build"
"$folder/build/bin/python" -m pip "${quiet[@]}" build
# from a copy, so that nothing is left in the checkout and nothing of it is found by chance
mkdir "$folder/source"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$folder/source"
"$folder/build/bin/python" -m build --outdir "$folder/dist" "$folder/source" > "$folder/build.log" 2>&1 ||
    { tail -40 "$folder/build.log"; exit 1; }
ls "$folder/dist"

echo "== contents of the wheel"
"$folder/build/bin/python" scripts/check_wheel.py "$folder"/dist/*.whl

echo "== install"
"$python" -m venv "$folder/venv"
torch=$(sed -n 's/^torch==/torch==/p' constraints.txt)
"$folder/venv/bin/python" -m pip "${quiet[@]}" -c constraints.txt "$torch"
wheel=$(ls "$folder"/dist/*.whl)
"$folder/venv/bin/python" -m pip "${quiet[@]}" -c constraints.txt "embrec @ file://$wheel"
"$folder/venv/bin/python" -m pip check

echo "== smoke test"
mkdir "$folder/elsewhere"
cp scripts/smoke.py "$folder/elsewhere/"
cd "$folder/elsewhere"
EMBREC_CHECKOUT=$root "$folder/venv/bin/python" -W error smoke.py
