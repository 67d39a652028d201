"""The loader of MIND, on files made here in the layout of the real ones."""

import calendar

import numpy as np
import pytest

from embrec.datasets import load_mind

LATE = calendar.timegm((2019, 11, 15, 22, 22, 32))
EARLY = calendar.timegm((2019, 11, 11, 0, 5, 58))
BEHAVIORS = [
    "1\tU13740\t11/15/2019 10:22:32 PM\tN3 N1\tN4-0 N11-1 N1-1",
    "2\tU13740\t11/11/2019 12:05:58 AM\tN3 N1 N3\tN2-0",
    "3\tU9\t11/11/2019 12:05:58 AM\t\tN1-1",
]
NEWS = [
    'N1\tsports\tgolf\t"Tour" winners\tA gallery.\thttps://x.example/a\t[{"Label": "PGA"}]\t[]',
    'N2\tnews\tnewsus\t"Open mark\t\thttps://x.example/b\t[]\t[]',
    "N3\tnews\tnewsus\tNA\tNone\thttps://x.example/c\t\t",
]


def write(folder, behaviors=BEHAVIORS, news=NEWS):
    (folder / "behaviors.tsv").write_text("\n".join([*behaviors, ""]))
    (folder / "news.tsv").write_text("\n".join([*news, ""]))


def test_history_then_clicks(tmp_path):
    write(tmp_path)
    data = load_mind(tmp_path)
    log = data.interactions
    rows = list(log.itertuples(index=False, name=None))
    assert rows == [
        ("U13740", "N3", EARLY, "history"),
        ("U13740", "N1", EARLY, "history"),
        ("U13740", "N3", EARLY, "history"),
        ("U13740", "N11", LATE, "impression"),
        ("U13740", "N1", LATE, "impression"),
        ("U9", "N1", EARLY, "impression"),
    ]
    assert list(log.columns) == ["user", "item", "timestamp", "source"]
    assert log["timestamp"].dtype == np.int64
    items = data.items.set_index("item")
    assert items.index.tolist() == ["N1", "N2", "N3", "N11"]
    assert items["title"].tolist()[:3] == ['"Tour" winners', '"Open mark', "NA"]
    assert items.loc["N3", "abstract"] == "None"
    assert items["abstract"].isna().tolist() == [False, True, False, True]
    assert items.loc["N1", "title_entities"] == '[{"Label": "PGA"}]'
    assert data.n_malformed == {"behaviors.tsv": 0, "news.tsv": 0}


def test_the_test_part_has_no_clicks(tmp_path):
    write(tmp_path, ["1\tU1\t11/20/2019 1:00:00 AM\tN3\tN1 N2"])
    with pytest.raises(ValueError, match=r"don't say what was clicked.*'N1 N2'.*Load the train"):
        load_mind(tmp_path)


def test_early_releases_and_other_files(tmp_path):
    write(tmp_path, ["U1\t11/20/2019 1:00:00 AM\tN3\tN1-1"])
    with pytest.raises(
        ValueError, match=r"behaviors\.tsv has 4 values a line.*load_mind expects 5"
    ):
        load_mind(tmp_path)
    write(tmp_path, news=["N1\tsports\tgolf\tT\tA\tU\t[]"])
    with pytest.raises(ValueError, match=r"news\.tsv has 7 values a line.*expects 8"):
        load_mind(tmp_path)
    (tmp_path / "news.tsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"Expected news\.tsv"):
        load_mind(tmp_path)


def test_a_time_that_is_none_is_counted(tmp_path):
    write(tmp_path, [*BEHAVIORS, "4\tU2\t2019-11-15 10:22:32\t\tN1-1", "5\t\t\t\t"])
    with pytest.warns(UserWarning, match=r"2 malformed .* \(lines 4, 5\)"):
        data = load_mind(tmp_path)
    assert "U2" not in set(data.interactions["user"])
