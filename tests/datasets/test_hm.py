"""The loader of H&M, on files made here in the layout of the real ones."""

import calendar

import numpy as np
import pytest

from embrec.datasets import load_hm

COLUMNS = (
    "article_id,product_code,prod_name,product_type_no,product_type_name,product_group_name,"
    "graphical_appearance_no,graphical_appearance_name,colour_group_code,colour_group_name,"
    "perceived_colour_value_id,perceived_colour_value_name,perceived_colour_master_id,"
    "perceived_colour_master_name,department_no,department_name,index_code,index_name,"
    "index_group_no,index_group_name,section_no,section_name,garment_group_no,"
    "garment_group_name,detail_desc"
)
ARTICLE = (
    "0108775015,0108775,Strap top,253,Vest top,Garment Upper body,1010016,Solid,09,Black,4,Dark,5,"
    "Black,1676,Jersey Basic,A,Ladieswear,1,Ladieswear,16,Womens Everyday Basics,1002,"
    'Jersey Basic,"Jersey top, with ""narrow"" straps."'
)
LOG = [
    "t_dat,customer_id,article_id,price,sales_channel_id",
    "2018-09-20,000058a12d5b43e6,0663713001,0.050830508474576264,2",
    "2018-09-20,000058a12d5b43e6,0663713001,0.050830508474576264,2",
    "2020-02-29,00007d2de826758b,0108775015,0.03,1",
]


def write(folder, log=LOG, articles=(COLUMNS, ARTICLE)):
    (folder / "transactions_train.csv").write_text("\n".join([*log, ""]))
    (folder / "articles.csv").write_text("\n".join([*articles, ""]))


def test_codes_keep_their_zeros(tmp_path):
    write(tmp_path)
    data = load_hm(tmp_path)
    day = calendar.timegm((2018, 9, 20, 0, 0, 0))
    assert data.interactions.to_dict("list") == {
        "user": ["000058a12d5b43e6", "000058a12d5b43e6", "00007d2de826758b"],
        "item": ["0663713001", "0663713001", "0108775015"],
        "timestamp": [day, day, calendar.timegm((2020, 2, 29, 0, 0, 0))],
        "price": [0.050830508474576264, 0.050830508474576264, 0.03],
        "sales_channel_id": ["2", "2", "1"],
    }
    assert data.interactions["timestamp"].dtype == np.int64
    assert list(data.items.columns) == ["item", *COLUMNS.split(",")[1:]]
    top = data.items.set_index("item").loc["0108775015"]
    assert (top["product_code"], top["colour_group_code"]) == ("0108775", "09")
    assert top["detail_desc"] == 'Jersey top, with "narrow" straps.'
    assert data.items["item"].tolist() == ["0108775015", "0663713001"]
    assert data.items.iloc[1, 1:].isna().all()


def test_ids_that_lost_their_zeros_are_refused(tmp_path):
    write(tmp_path, [line.replace(",0", ",") for line in LOG])
    with pytest.raises(ValueError, match=r"transactions_train\.csv: 3 of 3 rows .*'663713001'"):
        load_hm(tmp_path)
    write(tmp_path, articles=(COLUMNS, ARTICLE[1:]))
    with pytest.raises(ValueError, match=r"articles\.csv: 1 of 1 rows .*as published"):
        load_hm(tmp_path)


def test_rows_without_a_day_or_price_are_counted(tmp_path):
    write(tmp_path, [*LOG, "20/09/2018,c,0108775015,0.1,1", "2018-09-20,c,0108775015,,1"])
    with pytest.warns(UserWarning, match=r"2 malformed .* \(lines 5, 6\)"):
        data = load_hm(tmp_path)
    assert data.n_malformed == {"transactions_train.csv": 2, "articles.csv": 0}


def test_other_files_are_named(tmp_path):
    (tmp_path / "news.tsv").write_text("")
    with pytest.raises(FileNotFoundError, match=r"transactions_train\.csv.*load_mind reads such"):
        load_hm(tmp_path)
    write(tmp_path, ["InvoiceNo,StockCode", "1,2"])
    with pytest.raises(
        ValueError, match=r"lacks the fields \['t_dat'.*\['InvoiceNo', 'StockCode'\]"
    ):
        load_hm(tmp_path)
