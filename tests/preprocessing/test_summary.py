"""What is said of a log."""

from embrec.preprocessing._summary import in_one_line, summarize

SUMMARY = summarize(
    {"events": 12_000, "users": 40, "items": 7}, {"events": 9_000, "users": 100, "items": 7}
)


def test_a_row_each_with_the_share_that_went_or_came():
    assert list(SUMMARY.index) == ["events", "users", "items"]
    assert SUMMARY["before"].tolist() == [12_000, 40, 7]
    assert SUMMARY["after"].tolist() == [9_000, 100, 7]
    assert SUMMARY["change"].tolist() == [-0.25, 1.5, 0.0]
    assert SUMMARY.dtypes.astype(str).tolist() == ["int64", "int64", "float64"]


def test_one_line():
    assert in_one_line("Name", SUMMARY) == (
        "Name: events 12,000 -> 9,000 (-25.0%), users 40 -> 100 (+150.0%), items 7"
    )
