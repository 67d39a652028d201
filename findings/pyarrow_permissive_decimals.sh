#!/usr/bin/env bash
# Parts of one log often have a column of prices in decimals, and another part of it in floats. pyarrow joins them with
# promote_options="permissive". A whole number beside float32 becomes float64, so that it keeps its digits; a decimal
# beside float32 becomes float32, however many digits it has, and prices above 2**17 lose their cents without a word.
# Guess: decimals become float64 beside float32, as whole numbers of 32 bits do, or are refused.
# Seen: pyarrow 26.0.1: int32 16777217 is kept; decimal128(18, 2) 12345678.91 becomes 12345679.0, in a column of float.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
cat > "$folder/try.py" <<'PY'
from decimal import Decimal

import pyarrow as pa

floats = pa.table({"price": pa.array([1.5], pa.float32())})
for kind, value in ((pa.int32(), 16777217), (pa.decimal128(18, 2), Decimal("12345678.91"))):
    part = pa.table({"price": pa.array([value], kind)})
    joined = pa.concat_tables([part, floats], promote_options="permissive")
    print(kind, joined.schema.field("price").type, joined["price"][0].as_py())
PY
"$folder/venv/bin/python" "$folder/try.py" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
int32 double 16777217.0
decimal128(18, 2) float 12345679.0
SEEN
