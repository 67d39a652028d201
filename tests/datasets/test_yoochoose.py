"""The loader of Yoochoose, on files made here in the layout of the real ones."""

import calendar

import numpy as np
import pytest

from embrec.datasets import load_yoochoose

CLICKS = """1,2014-04-07T10:51:09.277Z,214536502,0
1,2014-04-07T10:54:09.868Z,0214536500,S
11,2014-04-03T10:44:35.000Z,214821275,2089046393
"""


def test_clicks_without_header(tmp_path):
    (tmp_path / "yoochoose-clicks.dat").write_text(CLICKS)
    data = load_yoochoose(tmp_path)
    times = [(2014, 4, 7, 10, 51, 9), (2014, 4, 7, 10, 54, 9), (2014, 4, 3, 10, 44, 35)]
    after = [277, 868, 0]
    assert data.interactions.to_dict("list") == {
        "user": ["1", "1", "11"],
        "item": ["214536502", "0214536500", "214821275"],
        "timestamp": [1000 * calendar.timegm(t) + ms for t, ms in zip(times, after, strict=True)],
        "category": ["0", "S", "2089046393"],
    }
    assert data.interactions["timestamp"].dtype == np.int64
    assert data.items.to_dict("list") == {"item": ["214536502", "0214536500", "214821275"]}
    assert data.n_malformed == {"yoochoose-clicks.dat": 0}


def test_a_header_and_other_files_are_named(tmp_path):
    (tmp_path / "yoochoose-buys.dat").write_text("420374,2014-04-06T18:44:58.314Z,214537888,1,1\n")
    with pytest.raises(FileNotFoundError, match=r"Expected yoochoose-clicks\.dat .*buys\.dat"):
        load_yoochoose(tmp_path)
    file = tmp_path / "yoochoose-clicks.dat"
    file.write_text("session_id,timestamp,item_id,category\n" + CLICKS)
    with pytest.raises(ValueError, match=r"begins with \['session_id'.*expects no header"):
        load_yoochoose(tmp_path)
    file.write_text((tmp_path / "yoochoose-buys.dat").read_text())
    with pytest.raises(ValueError, match="has 5 values a line.*load_yoochoose expects 4"):
        load_yoochoose(tmp_path)


def test_rows_without_time_are_counted(tmp_path):
    (tmp_path / "yoochoose-clicks.dat").write_text(CLICKS + "2,yesterday,1,0\n2\n")
    with pytest.warns(UserWarning, match=r"2 malformed .* \(lines 4, 5\)"):
        assert len(load_yoochoose(tmp_path).interactions) == 3
