"""From cells of paths to categories."""

import pytest

from embrec.featurizers._path_reader import PathReader


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("Office > Pens", {"Office", "Office>Pens"}),
        ("Office>Pens;Gifts", {"Office", "Office>Pens", "Gifts"}),
        (["Office > Pens", "Gifts"], {"Office", "Office>Pens", "Gifts"}),
        ([["Office", "Pens"]], {"Office", "Office>Pens"}),
        (" > Pens > ", {"Pens"}),
        (None, set()),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_cells(cell, expected):
    assert PathReader.of(">", ";").categories([[cell]]) == [expected]


def test_no_separator():
    assert PathReader.of(None, None).categories([["a > b"], ["c"]]) == [{"a > b", "c"}]
    with pytest.raises(ValueError, match="separator='' separates nothing"):
        PathReader.of("", None)


def test_another_separator():
    reader = PathReader.of(">", None)
    with pytest.warns(UserWarning, match=r"some look like 'Office/Pens'"):
        reader.warn_if_unused([["Office/Pens"]])
    reader.warn_if_unused([["Office/Pens", "a > b"]])


def test_a_dict():
    with pytest.raises(TypeError, match="A cell holds the dict"):
        PathReader.of(">", None).categories([[{"a": 1}]])
