"""The loader of Diginetica, on files made here in the layout of the real ones."""

import calendar

import numpy as np
import pytest

from embrec.datasets import load_diginetica

VIEWS = """sessionId;userId;itemId;timeframe;eventdate
1;NA;81766;526309;2016-05-09
1;NA;031331;1031018;2016-05-09
2;17;81766;0;2016-01-01
"""
PRODUCTS = """itemId;pricelog2;product.name.tokens
81766;10;4875,776,56689
139443;9;
"""
CATEGORIES = "itemId;categoryId\n81766;803\n139443;1\n139443;2\n5;7\n"


def write(folder, views=VIEWS):
    (folder / "train-item-views.csv").write_text(views)
    (folder / "products.csv").write_text(PRODUCTS)
    (folder / "product-categories.csv").write_text(CATEGORIES)


def test_views_and_products(tmp_path):
    write(tmp_path)
    data = load_diginetica(tmp_path)
    log = data.interactions
    day = 1000 * calendar.timegm((2016, 5, 9, 0, 0, 0))
    assert log["user"].tolist() == ["1", "1", "2"]
    assert log["item"].tolist() == ["81766", "031331", "81766"]
    assert log["timestamp"].tolist() == [
        day + 526309,
        day + 1031018,
        1000 * calendar.timegm((2016, 1, 1, 0, 0, 0)),
    ]
    assert log["timestamp"].dtype == np.int64
    assert log["userId"].fillna("-").tolist() == ["-", "-", "17"]
    items = data.items.set_index("item")
    assert items.index.tolist() == ["81766", "139443", "5", "031331"]
    assert items["pricelog2"].fillna(-1).tolist() == [10.0, 9.0, -1.0, -1.0]
    assert items["product.name.tokens"].fillna("-").tolist() == ["4875,776,56689", "-", "-", "-"]
    assert items["categoryId"].fillna("-").tolist() == ["803", "1;2", "7", "-"]
    assert set(data.n_malformed.values()) == {0}


def test_other_layouts_are_named(tmp_path):
    write(tmp_path, VIEWS.replace(";", ","))
    with pytest.raises(ValueError, match=r"lacks the fields \['sessionId', .*load_diginetica ex"):
        load_diginetica(tmp_path)
    (tmp_path / "products.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"Expected products\.csv"):
        load_diginetica(tmp_path)


def test_rows_without_time_are_counted(tmp_path):
    write(tmp_path, VIEWS + "3;NA;1;x;2016-05-09\n3;NA;1;5;NA\n;NA;1;5;2016-05-09\n")
    with pytest.warns(UserWarning, match=r"3 malformed .* \(lines 5, 6, 7\)"):
        assert len(load_diginetica(tmp_path).interactions) == 3
