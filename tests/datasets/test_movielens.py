"""The loader of MovieLens, on files made here in the layouts of the real ones."""

import gzip

import numpy as np
import pytest

from embrec.datasets import load_movielens

GENRES_100K = 19


def u_item(movie, title, date, url, *ones):
    flags = ["1" if i in ones else "0" for i in range(GENRES_100K)]
    return "|".join([movie, title, date, "", url, *flags])


def write_100k(folder):
    (folder / "u.data").write_text(
        "196\t242\t3\t881250949\n186\t302\t5\t891717742\n22\t999\t1\t7\n"
    )
    lines = [
        u_item("242", "Kolya (1996)", "24-Jan-1997", "http://us.imdb.com/M/?Kolya", 5),
        u_item("302", 'Mis"rables, Les (1995)'.replace('"', "é"), "01-Jan-1995", "", 8, 14),
        u_item("267", "unknown", "", "", 0),
    ]
    (folder / "u.item").write_bytes("\n".join([*lines, ""]).encode("latin-1"))


def test_100k(tmp_path):
    write_100k(tmp_path)
    data = load_movielens(tmp_path)
    assert data.interactions.to_dict("list") == {
        "user": ["196", "186", "22"],
        "item": ["242", "302", "999"],
        "rating": [3.0, 5.0, 1.0],
        "timestamp": [881250949, 891717742, 7],
    }
    assert data.interactions["timestamp"].dtype == np.int64
    items = data.items.set_index("item")
    assert items.index.tolist() == ["242", "302", "267", "999"]
    assert items["title"].tolist()[:3] == ["Kolya (1996)", "Misérables, Les (1995)", "unknown"]
    assert items["genres"].tolist()[:3] == ["Comedy", "Drama|Romance", "unknown"]
    assert items.loc["242", "release_date"] == "24-Jan-1997"
    assert items.loc["242", "imdb_url"] == "http://us.imdb.com/M/?Kolya"
    assert items["video_release_date"].isna().all()
    assert items.loc["999"].isna().all()
    assert data.n_malformed == {"u.data": 0, "u.item": 0}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
@pytest.mark.parametrize("zipped", [False, True])
def test_1m_and_10m(tmp_path, encoding, zipped):
    ratings = b"1::1193::5::978300760\n1::0661::3.5::978302109\n"
    movies = (
        "1193::One Flew Over the Cuckoo's Nest (1975)::Drama\n"
        '0661::"Star": Les Misérables::Adventure|Sci-Fi\n'
    ).encode(encoding)
    for name, content in (("ratings.dat", ratings), ("movies.dat", movies)):
        if zipped:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (tmp_path / name).write_bytes(content)
    data = load_movielens(str(tmp_path))
    assert data.interactions.to_dict("list") == {
        "user": ["1", "1"],
        "item": ["1193", "0661"],
        "rating": [5.0, 3.5],
        "timestamp": [978300760, 978302109],
    }
    assert data.items.to_dict("list") == {
        "item": ["1193", "0661"],
        "title": ["One Flew Over the Cuckoo's Nest (1975)", '"Star": Les Misérables'],
        "genres": ["Drama", "Adventure|Sci-Fi"],
    }


def test_20m_to_32m(tmp_path):
    (tmp_path / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,17,4.0,944249077\n1,29,0.5,943230976\n"
    )
    (tmp_path / "movies.csv").write_text(
        "movieId,title,genres\n"
        '17,"American President, The (1995)",Comedy|Drama\n'
        '29,"Clockwork ""Orange"" é",(no genres listed)\n',
        encoding="utf-8",
    )
    data = load_movielens(tmp_path)
    assert data.interactions["rating"].tolist() == [4.0, 0.5]
    assert data.interactions["timestamp"].tolist() == [944249077, 943230976]
    assert data.items["title"].tolist() == [
        "American President, The (1995)",
        'Clockwork "Orange" é',
    ]
    assert data.items["genres"].tolist()[0] == "Comedy|Drama"
    assert data.items["genres"].isna().tolist() == [False, True]


def test_rows_that_are_no_ratings_are_counted(tmp_path):
    write_100k(tmp_path)
    (tmp_path / "u.data").write_text(
        "1\t2\t3\t4\n\t2\t3\t4\n1\t2\t3\n1\t2\tgood\t4\n1\t2\t3\t4.5\n"
    )
    with pytest.warns(UserWarning, match=r"4 malformed .* \(lines 2, 3, 4, 5\)") as warned:
        data = load_movielens(tmp_path)
    assert warned[0].filename == __file__
    assert data.n_malformed == {"u.data": 4, "u.item": 0}
    assert len(data.interactions) == 1


def test_a_colon_too_few_is_no_rating(tmp_path):
    (tmp_path / "ratings.dat").write_text("1::2::3::4\n1:x:2::3::4\n")
    (tmp_path / "movies.dat").write_text("2::T::Drama\n")
    with pytest.warns(UserWarning, match=r"1 malformed .* \(lines 2\)"):
        assert len(load_movielens(tmp_path).interactions) == 1


def test_other_data_sets_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"u\.data or ratings\.dat or .*no such folder"):
        load_movielens(tmp_path / "nowhere")
    (tmp_path / "behaviors.tsv").write_text("")
    with pytest.raises(FileNotFoundError, match=r"\['behaviors\.tsv'\].* load_mind reads such"):
        load_movielens(tmp_path)
    (tmp_path / "u.data").write_text("1\t2\t3\t4\n")
    with pytest.raises(FileNotFoundError, match=r"Expected u\.item"):
        load_movielens(tmp_path)
    (tmp_path / "u.item").write_text("1|Title|Drama\n")
    with pytest.raises(ValueError, match=r"u\.item has 3 values a line.*load_movielens expects 24"):
        load_movielens(tmp_path)


def test_a_csv_of_other_columns_is_refused(tmp_path):
    (tmp_path / "ratings.csv").write_text("timestamp,visitorid,event,itemid\n1,2,view,3\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,T,Drama\n")
    with pytest.raises(
        ValueError,
        match=r"lacks the fields \['userId', .*visitorid.*load_retailrocket reads such",
    ):
        load_movielens(tmp_path)
