"""A pair of parquet files."""

import pandas as pd
import pytest

from embrec.datasets import load_parquet_pair


def test_parquet_pair(tmp_path):
    log = pd.DataFrame({"user": [1, 2], "item": ["a", "b"], "timestamp": [5, 6], "rating": [1, 2]})
    items = pd.DataFrame({"item": ["a", "b"], "title": ["x", None]})
    log.to_parquet(tmp_path / "interactions.parquet")
    log.head(1).to_parquet(tmp_path / "small.parquet")
    items.to_parquet(tmp_path / "items.parquet")
    pair = load_parquet_pair(tmp_path)
    pd.testing.assert_frame_equal(pair.interactions, log)
    assert pair.items["title"].isna().tolist() == [False, True]
    assert len(load_parquet_pair(tmp_path, interactions="small.parquet").interactions) == 1


def test_parquet_pair_errors(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no folder"):
        load_parquet_pair(tmp_path / "nowhere")
    pd.DataFrame({"user": [1], "thing": [2]}).to_parquet(tmp_path / "interactions.parquet")
    with pytest.raises(ValueError, match=r"lacks the columns \['item'\]; it has \['user', 'thing'"):
        load_parquet_pair(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no items\.parquet .*\['interactions\.parquet'\]"):
        load_parquet_pair(tmp_path, item_col="thing")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'pip install "embrec\[parquet\]"'):
        load_parquet_pair(tmp_path)
