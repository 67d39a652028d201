"""The loader of OTTO, on files made here in the layout of the real ones."""

import gzip
import json

import numpy as np
import pytest

from embrec.datasets import load_otto

SESSIONS = [
    {
        "session": 42,
        "events": [
            {"aid": 0, "ts": 1661200010000, "type": "clicks"},
            {"aid": 59625, "ts": 1661200020000, "type": "carts"},
        ],
    },
    {"session": 7, "events": [{"aid": 0, "ts": 1661200080000, "type": "orders"}]},
]
LINES = "\n".join([*map(json.dumps, SESSIONS), ""])


@pytest.mark.parametrize("name", ["train.jsonl", "otto-recsys-train.jsonl", "train.jsonl.gz"])
def test_sessions(tmp_path, name):
    file = tmp_path / name
    file.write_bytes(gzip.compress(LINES.encode()) if name.endswith("gz") else LINES.encode())
    for source in (tmp_path, file):
        data = load_otto(source)
        assert data.interactions.to_dict("list") == {
            "user": ["42", "42", "7"],
            "item": ["0", "59625", "0"],
            "timestamp": [1661200010000, 1661200020000, 1661200080000],
            "event": ["clicks", "carts", "orders"],
        }
        assert data.interactions["timestamp"].dtype == np.int64
        assert data.items.to_dict("list") == {"item": ["0", "59625"]}
        assert data.n_malformed == {name: 0}


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"session": 1}',
        '{"session": true, "events": []}',
        '{"session": 1, "events": [3]}',
        '{"session": 1, "events": [{"aid": 1.5, "ts": 1, "type": "clicks"}]}',
        '{"session": 1, "events": [{"aid": 1, "ts": 9223372036854775808, "type": "clicks"}]}',
        '{"session": 1, "events": [{"aid": 1, "ts": 1, "type": "views"}]}',
        '{"session": 1, "events": [{"aid": 1, "ts": 1, "type": []}]}',
    ],
)
def test_lines_that_are_no_sessions_are_counted(tmp_path, line):
    (tmp_path / "train.jsonl").write_text(LINES + line + "\n")
    with pytest.warns(UserWarning, match=r"1 malformed .* \(lines 3\)"):
        assert len(load_otto(tmp_path).interactions) == 3


def test_other_files_are_named(tmp_path):
    (tmp_path / "train.parquet").write_text("")
    with pytest.raises(FileNotFoundError, match=r"Expected train\.jsonl .*\['train\.parquet'\]"):
        load_otto(tmp_path)
    (tmp_path / "train.jsonl").write_text('{"reviewerID": "A", "asin": "B", "helpful": [0, 0]}\n')
    with pytest.raises(ValueError, match=r"lacks the fields \['session', .*load_amazon2014"):
        load_otto(tmp_path)
