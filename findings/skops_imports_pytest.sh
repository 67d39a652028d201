#!/usr/bin/env bash
# skops.io is for reading models in production. Importing it imports sklearn.utils._testing, which imports
# pytest where that is installed, and with all_estimators() every module of scikit-learn: the import takes
# longer than reading most models does, and a server that reads one holds all of them in memory.
# Guess: it imports what the file names.
# Seen: skops 0.16.0, scikit-learn 1.9.1: pytest, sklearn.svm, sklearn.ensemble and sklearn.manifold are loaded.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check skops==0.16.0 scikit-learn==1.9.1 pytest==9.0.2
cat > "$folder/try.py" <<'PY'
import sys

import skops.io  # noqa: F401

names = ["pytest", "sklearn.svm", "sklearn.ensemble", "sklearn.manifold"]
print([name for name in names if name in sys.modules], len(sys.modules), "modules")
assert all(name in sys.modules for name in names)
PY
"$folder/venv/bin/python" "$folder/try.py"
