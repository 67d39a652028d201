"""Which function reads what: only names that there are."""

import pytest

import embrec.datasets
from embrec.datasets._releases import RELEASES, check_fields, find_file, hint, loaders_of


def test_only_loaders_that_exist_are_named():
    assert {release.loader for release in RELEASES} <= set(embrec.datasets.__all__)


def test_a_hint_leaves_out_who_asks():
    assert hint(["load_hm"], "load_hm") == ""
    assert hint(["load_hm", "load_mind"], "load_hm") == " load_mind reads such files."


def test_the_first_name_wins_and_gzipped_counts(tmp_path):
    (tmp_path / "b.csv").write_text("")
    assert find_file(tmp_path, ["a.csv", "b.csv"], "x").name == "b.csv"
    (tmp_path / "a.csv.gz").write_text("")
    assert find_file(tmp_path, ["a.csv", "b.csv"], "x").name == "a.csv.gz"


def test_fields_tell_the_release(tmp_path):
    assert loaders_of(["t_dat", "article_id", "price"]) == ["load_hm"]
    assert loaders_of(["a"]) == []
    check_fields(tmp_path, ["a", "b"], ["b"], "x")
    with pytest.raises(ValueError, match=r"lacks the fields \['c'\]; it has \['a', 'b'\]\. x ex"):
        check_fields(tmp_path, ["a", "b"], ["b", "c"], "x")
