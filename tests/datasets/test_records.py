"""Reading records a line at a time: what is damaged, odd or hostile."""

import gzip
import json
import warnings

import pytest

from embrec.datasets import load_amazon2014
from embrec.datasets._records import Malformed, parse_dict, read_records

REVIEW = json.dumps({"reviewerID": "A", "asin": "B", "unixReviewTime": 1})


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ('{"a": "it\'s", "b": null}', {"a": "it's", "b": None}),
        ("{'a': 'it\\'s', 'b': None}", {"a": "it's", "b": None}),
        # an escape that Python warns of
        (r"{'a': 'x\d'}", {"a": r"x\d"}),
        ("[1]", None),
        ("'text'", None),
        ("{'a': open('x')}", None),
        ("{'a': 1 + 1}", None),
        ("{'a': '\0'", None),
        # too deep for either parser
        ("[" * 200_000, None),
        ("-" * 100_000 + "1", None),
        ("{'a': " + "9" * 5000 + "}", None),
    ],
)
def test_a_line_is_a_dict_or_nothing(line, parsed):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse_dict(line) == parsed


def test_lines_are_read_as_they_are_asked_for(tmp_path):
    file = tmp_path / "x.json"
    file.write_text("1\n\n2\nx\n3\n")
    malformed = Malformed(file)
    records = read_records(file, lambda line: int(line) if line.isdigit() else None, malformed)
    assert [next(records), next(records)] == [1, 2]
    assert malformed.count == 0
    assert list(records) == [3]
    assert (malformed.count, malformed.first) == (1, [4])


def test_a_file_cut_short_is_an_error(tmp_path):
    whole = gzip.compress((REVIEW + "\n").encode() * 5000)
    (tmp_path / "meta_X.json").write_text("{'asin': 'B'}")
    (tmp_path / "reviews_X.json.gz").write_bytes(whole[:-20])
    with pytest.raises(ValueError, match=r"reviews_X\.json\.gz is damaged or cut short after line"):
        load_amazon2014(tmp_path, "X")
    (tmp_path / "reviews_X.json.gz").write_bytes(whole[:40] + b"\0\0\0\0" + whole[44:])
    with pytest.raises(ValueError, match="damaged"):
        load_amazon2014(tmp_path, "X")


def test_zipped_is_told_by_content_not_by_name(tmp_path):
    (tmp_path / "meta_X.json").write_bytes(gzip.compress(b"{'asin': 'B'}"))
    (tmp_path / "reviews_X.json.gz").write_text(REVIEW)
    assert len(load_amazon2014(tmp_path, "X").interactions) == 1


def test_the_warning_names_five_lines_and_the_caller(tmp_path):
    (tmp_path / "meta_X.json").write_text("{'asin': 'B'}")
    (tmp_path / "reviews_X.json").write_text("\n".join([REVIEW, *["?"] * 7]))
    with pytest.warns(
        UserWarning, match=r"7 malformed .* \(lines 2, 3, 4, 5, 6, \.\.\.\)"
    ) as warned:
        load_amazon2014(tmp_path, "X")
    assert warned[0].filename == __file__
