"""The loader of RecBole's atomic files, on files made here in their layout."""

import numpy as np
import pytest

from embrec.datasets import load_recbole

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
ITEM = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\tv:float_seq\n"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "ml-100k"
    path.mkdir()
    (path / "ml-100k.inter").write_text(
        INTER + "196\t0242\t3\t881250949\n186\t302\t\t891717742.0\n"
    )
    (path / "ml-100k.item").write_text(
        ITEM + '0242\t"Kolya\t1997\tComedy\t0.5 -1\n7\tToy Story\t\tAnimation Comedy\t\n'
    )
    return path


def test_types_of_the_header(folder, monkeypatch):
    data = load_recbole(folder)
    log, items = data.interactions, data.items
    assert list(log.columns) == ["user", "item", "timestamp", "rating"]
    assert log["user"].tolist() == ["196", "186"]
    assert log["item"].tolist() == ["0242", "302"]
    assert log["timestamp"].tolist() == [881250949, 891717742]
    assert (log["timestamp"].dtype, log["rating"].dtype) == (np.int64, np.float64)
    assert log["rating"].fillna(-1).tolist() == [3.0, -1.0]
    assert list(items.columns) == ["item", "movie_title", "release_year", "class", "v"]
    assert items["item"].tolist() == ["0242", "7", "302"]
    assert items["movie_title"].tolist()[:2] == ['"Kolya', "Toy Story"]
    assert items["release_year"].isna().tolist() == [False, True, True]
    assert items["class"].tolist()[1] == "Animation Comedy"
    assert items["v"][0] == "0.5 -1"
    assert data.n_malformed == {"ml-100k.inter": 0, "ml-100k.item": 0}
    monkeypatch.chdir(folder)
    assert len(load_recbole(".").interactions) == 2


def test_fields_of_other_names_and_no_item_file(tmp_path):
    (tmp_path / "diginetica.train.inter").write_text(
        "session_id:token,item_id:token,time:float,number of times:float\n"
        "1,9654,0.5,2\n1,9654,1,1\n"
    )
    data = load_recbole(
        tmp_path,
        "diginetica.train",
        user_field="session_id",
        time_field="time",
        field_separator=",",
    )
    assert data.interactions.to_dict("list") == {
        "user": ["1", "1"],
        "item": ["9654", "9654"],
        "timestamp": [0.5, 1.0],
        "number of times": [2.0, 1.0],
    }
    assert data.items.to_dict("list") == {"item": ["9654"]}
    untimed = load_recbole(
        tmp_path, "diginetica.train", user_field="session_id", time_field=None, field_separator=","
    )
    assert list(untimed.interactions.columns) == ["user", "item", "time", "number of times"]


def test_a_row_without_item_is_counted(folder):
    with (folder / "ml-100k.inter").open("a") as file:
        file.write("5\t\t1\t2\n5\n")
    with pytest.warns(UserWarning, match=r"2 malformed .* \(lines 4, 5\)"):
        assert len(load_recbole(folder).interactions) == 2


def test_other_layouts_are_named(folder):
    inter = folder / "ml-100k.inter"
    with pytest.raises(FileNotFoundError, match=r"Expected ml\.inter .*found \['ml-100k\.inter'"):
        load_recbole(folder, "ml")
    with pytest.raises(ValueError, match=r"lacks the fields \['session_id'\].*user_field="):
        load_recbole(folder, user_field="session_id")
    inter.write_text("user_id\titem_id\n1\t2\n")
    with pytest.raises(ValueError, match=r"header \['user_id', 'item_id'\]; expected name:type"):
        load_recbole(folder)
    inter.write_text("user_id:token,item_id:token,timestamp:float\n1,2,3\n")
    with pytest.raises(ValueError, match="field_separator"):
        load_recbole(folder)
    inter.write_text("user_id:int\titem_id:token\ttimestamp:float\n1\t2\t3\n")
    with pytest.raises(ValueError, match=r"the types being \['token'"):
        load_recbole(folder)
    inter.write_text("user_id:token\titem_id:token\titem:token\ttimestamp:float\n1\t2\t3\t4\n")
    with pytest.raises(ValueError, match="would have one name"):
        load_recbole(folder)
    inter.write_text("user_id:token\titem_id:token\ttimestamp:float\tr:float\n1\t2\t3\tgood\n")
    with pytest.raises(ValueError, match="r is not always a number"):
        load_recbole(folder)
