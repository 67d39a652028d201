#!/usr/bin/env bash
# Python's json reads NaN and Infinity, so a body that holds them reaches a service of FastAPI. If pydantic refuses
# it, the answer that says so (422) repeats the input, and NaN is no JSON: writing the answer fails, and the client
# gets a 500 and no reason. So does any body that is wrong elsewhere and holds a NaN, and 1e999, which is valid JSON.
# Guess: 422 with the reason, as for any other value that does not fit.
# Seen: fastapi 0.165.0, starlette 1.10.0, pydantic 2.14.4: 422 for "x", 500 for NaN and 1e999, and for a
# misspelled name beside a NaN.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check fastapi==0.165.0 starlette==1.10.0 \
  pydantic==2.14.4 httpx==0.28.1
cat > "$folder/try.py" <<'PY'
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, FiniteFloat

app = FastAPI()


class Item(BaseModel):
    price: FiniteFloat


@app.post("/items")
def add(item: Item):
    return {}


client = TestClient(app, raise_server_exceptions=False)
for body in ('{"price": 1}', '{"price": "x"}', '{"price": NaN}', '{"price": 1e999}', '{"prize": NaN}'):
    answer = client.post("/items", content=body, headers={"content-type": "application/json"})
    print(body, answer.status_code)
PY
"$folder/venv/bin/python" -W ignore "$folder/try.py" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
{"price": 1} 200
{"price": "x"} 422
{"price": NaN} 500
{"price": 1e999} 500
{"prize": NaN} 500
SEEN
