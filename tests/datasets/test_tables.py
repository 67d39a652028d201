"""Reading tables: nothing cast, nothing lost, nothing merged."""

import gzip

import numpy as np
import pandas as pd
import pytest

from embrec.datasets._records import Malformed
from embrec.datasets._tables import keep_valid, make_dataset, read_table, to_float


def read(path, columns, **options):
    return read_table(path, columns, loader="load_x", **options)


@pytest.mark.parametrize("zipped", [False, True])
def test_values_stay_as_they_stand(tmp_path, zipped):
    file = tmp_path / "x.csv"
    text = b'a,b\n007,NA\n1e3,"x, ""y"""\n ,\n'
    file.write_bytes(gzip.compress(text) if zipped else text)
    table = read(file, ["a", "b"])
    assert table.to_dict("list") == {"a": ["007", "1e3", " "], "b": ["NA", 'x, "y"', ""]}


def test_a_quotation_mark_alone_takes_no_line_with_it(tmp_path):
    file = tmp_path / "x.tsv"
    file.write_text('1\t"Open\n2\tb\n')
    assert len(read(file, ["a", "b"], sep="\t", header=False, quoted=False)) == 2


@pytest.mark.parametrize("text", ["a,b\n1,2,3\n", "a,b\n1,2\n1,2,3\n"])
def test_a_value_too_many_is_an_error_not_an_index(tmp_path, text):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ValueError, match=r"x\.csv cannot be read as a table"):
        read(tmp_path / "x.csv", ["a", "b"])


def test_other_broken_files_are_errors(tmp_path):
    file = tmp_path / "x.csv"
    file.write_bytes(b"")
    with pytest.raises(ValueError, match="lacks the fields"):
        read(file, ["a"])
    file.write_bytes("a\né\n".encode("latin-1"))
    with pytest.raises(ValueError, match="cannot be read as a table"):
        read(file, ["a"])
    file.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 9999)[:-20])
    with pytest.raises(ValueError, match="cannot be read as a table"):
        read(file, ["a"])
    file.write_text("a,a\n1,2\n")
    with pytest.raises(ValueError, match="columns of one name"):
        read(file, ["a"])


def test_a_byte_order_mark_is_no_name(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    assert read(tmp_path / "x.csv", ["a", "b"]).to_dict("list") == {"a": ["1"], "b": ["2"]}


def test_rows_without_ids_or_numbers_go_and_are_counted(tmp_path):
    table = pd.DataFrame(
        {
            "user": ["1", "", "1", "1", "1", "1"],
            "item": ["1", "2", "", "3", "4", "5"],
            "t": ["10", "1", "1", "x", "1.5", "9007199254740993"],
            "r": ["0.5"] * 6,
        }
    )
    malformed = Malformed(tmp_path / "x")
    kept = keep_valid(table, malformed, whole=["t"], real=["r"])
    assert kept.to_dict("list") == {"user": ["1"], "item": ["1"], "t": [10], "r": [0.5]}
    assert (kept["t"].dtype, kept["r"].dtype) == (np.int64, np.float64)
    assert (malformed.count, malformed.first) == (5, [3, 4, 5, 6, 7])
    with pytest.raises(ValueError, match="No row of .* could be read, of 2"):
        keep_valid(table[1:3], Malformed(tmp_path / "x"))


def test_numbers_of_content(tmp_path):
    table = pd.DataFrame({"p": ["1.5", ""], "q": ["1", "?"]})
    assert to_float(table, "p", tmp_path).fillna(-1).tolist() == [1.5, -1.0]
    with pytest.raises(ValueError, match="q is not always a number"):
        to_float(table, "q", tmp_path)


def test_catalogue_first_description_and_items_of_the_log(tmp_path):
    log = pd.DataFrame({"user": ["1", "1"], "item": ["b", "z"]})
    items = pd.DataFrame({"item": ["a", "b", "a"], "title": ["A", "", "again"]})
    data = make_dataset(log, items, [Malformed(tmp_path / "x.csv")])
    assert data.items["item"].tolist() == ["a", "b", "z"]
    assert data.items["title"].fillna("-").tolist() == ["A", "-", "-"]
    assert data.n_malformed == {"x.csv": 0}
