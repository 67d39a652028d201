"""The loader of RetailRocket, on files made here in the layout of the real ones."""

import numpy as np
import pytest

from embrec.datasets import load_retailrocket

EVENTS = """timestamp,visitorid,event,itemid,transactionid
1433221332117,257597,view,355908,
1433224214164,992329,addtocart,0248676,
1433221999827,257597,transaction,355908,4000
"""
PART1 = """timestamp,itemid,property,value
1435460400000,355908,categoryid,1338
1435460400000,355908,888,1116713 960601 n277.200
1441508400000,355908,790,n5.000
1435460400000,355908,available,0
"""
PART2 = """timestamp,itemid,property,value
1436065200000,355908,790,n7.000
1441508400000,355908,available,1
1441508400000,460429,categoryid,99
"""
TREE = "categoryid,parentid\n1338,213\n213,140\n140,\n"


def write(folder, **changed):
    files = {"events": EVENTS, "item_properties_part1": PART1, "item_properties_part2": PART2}
    for name, text in {**files, "category_tree": TREE, **changed}.items():
        (folder / f"{name}.csv").write_text(text)


def test_events_and_last_properties(tmp_path):
    write(tmp_path)
    data = load_retailrocket(tmp_path)
    log = data.interactions
    assert log["user"].tolist() == ["257597", "992329", "257597"]
    assert log["item"].tolist() == ["355908", "0248676", "355908"]
    assert log["timestamp"].tolist() == [1433221332117, 1433224214164, 1433221999827]
    assert log["timestamp"].dtype == np.int64
    assert log["event"].tolist() == ["view", "addtocart", "transaction"]
    assert log["transactionid"].isna().tolist() == [True, True, False]
    assert log["transactionid"][2] == "4000"
    items = data.items.set_index("item")
    assert items.index.tolist() == ["355908", "460429", "0248676"]
    # the later value stands further up in the files
    assert items.loc["355908"].tolist() == [
        "140 > 213 > 1338",
        "1",
        "1116713 960601 n277.200 n5.000",
    ]
    assert items.loc["460429", "category"] == "99"
    assert items.loc["0248676"].isna().all()
    assert set(data.n_malformed.values()) == {0}


def test_of_two_values_of_one_time_the_second_counts(tmp_path):
    write(tmp_path, item_properties_part2=PART2 + "1441508400000,355908,790,n9.000\n")
    items = load_retailrocket(tmp_path).items.set_index("item")
    assert items.loc["355908", "properties"] == "1116713 960601 n277.200 n9.000"


def test_categories_in_a_circle(tmp_path):
    write(tmp_path, category_tree="categoryid,parentid\n1,2\n2,1\n")
    with pytest.raises(ValueError, match=r"category_tree\.csv: some category is above itself"):
        load_retailrocket(tmp_path)


def test_missing_and_other_files(tmp_path):
    write(tmp_path)
    (tmp_path / "item_properties_part2.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"Expected item_properties_part2\.csv .*part1"):
        load_retailrocket(tmp_path)
    write(tmp_path, events="event_time,event_type,product_id,user_id\n1,view,2,3\n")
    with pytest.raises(ValueError, match=r"events\.csv lacks the fields .*event_type"):
        load_retailrocket(tmp_path)
    write(tmp_path, events=EVENTS + "x,1,view,2,\n")
    with pytest.warns(UserWarning, match=r"1 malformed .* \(lines 5\)"):
        assert load_retailrocket(tmp_path).n_malformed["events.csv"] == 1
