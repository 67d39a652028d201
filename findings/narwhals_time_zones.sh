#!/usr/bin/env bash
# narwhals reads the dtype of a pandas column of times by a pattern that takes letters, "/", "+" and ":" alone
# as the name of a zone. Times in zones with "_", "-" or a digit in their names (America/New_York,
# Asia/Ho_Chi_Minh, Etc/GMT+5) are of dtype Unknown, so whoever asks for columns of times misses them.
# Guess: all zones of the tz database are read as Datetime.
# Seen: narwhals 2.29.0, pandas 3.1.1, tzdata 2026.1: zones are Unknown if and only if their name holds one of
# "_", "-" or a digit, America/New_York among them, Europe/Berlin not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check narwhals==2.29.0 pandas==3.1.1 tzdata
cat > "$folder/try.py" <<'PY'
import re
import zoneinfo

import narwhals as nw
import pandas as pd


def is_unknown(zone):
    times = pd.Series(pd.to_datetime([0], utc=True).tz_convert(zone))
    return nw.from_native(times, series_only=True).dtype == nw.Unknown


zones = sorted(zoneinfo.available_timezones())
unknown = {zone for zone in zones if is_unknown(zone)}
print(f"{len(unknown)} of {len(zones)} zones are unknown")
assert unknown == {zone for zone in zones if re.search(r"[_0-9-]", zone)}
assert "America/New_York" in unknown and "Europe/Berlin" not in unknown
PY
"$folder/venv/bin/python" "$folder/try.py"
