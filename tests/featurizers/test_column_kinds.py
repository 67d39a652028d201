"""What columns hold."""

import datetime
from decimal import Decimal

import narwhals as nw
import numpy as np
import pandas as pd
import pytest

from embrec.datasets import make_shop
from embrec.featurizers._blocks import fit_feature_blocks
from embrec.featurizers._column_kinds import ColumnKind, column_kinds
from embrec.featurizers._default import default_featurizer

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
N = 40
RNG = np.random.default_rng(0)


@pytest.fixture(params=LIBRARIES)
def kind_of(request):
    def kind_of(values, name="column"):
        table = LIBRARIES[request.param]({name: values})
        return column_kinds(nw.from_native(table, eager_only=True))[name]

    return kind_of


def drawn(*values):
    return [values[i] for i in RNG.integers(len(values), size=N)]


def gtin(body):
    """Append the check digit, as GS1 says: weights 3 and 1 from the right."""
    total = sum(int(digit) * (3, 1)[i % 2] for i, digit in enumerate(reversed(body)))
    return int(f"{body}{-total % 10}")


DAY = datetime.date(2024, 1, 1)
GENRES = ["Drama", "Comedy", "War", "Sci-Fi"]
HELD = {
    "titles": ([f"A {w} thing {i}" for i, w in enumerate(drawn("red", "blue"))], "words"),
    "one word each": ([f"{a}{b}ing" for a in "abcdefgh" for b in "klmno"], "words"),
    "years in titles": ([f"Heat ({1950 + i})" for i in range(N)], "words"),
    "sentences": (drawn("It is red, and blue; or so.", "No / none of it > that"), "words"),
    "words with commas": ([f"thing {i}, red, all {i}" for i in range(N)], "words"),
    "one thing often": (["|".join([f"{a}{b}"] * 9) for a in "abcdefgh" for b in "klmno"], "words"),
    "one thing often in lists": ([[f"a{i}"] * 9 for i in range(N)], "words"),
    "brands": (drawn("Acme", "Big Co", "Zed"), "categories"),
    "sizes": (drawn("38", "39", "41"), "categories"),
    "levels": (drawn("Desk > Inks", "Desk > Pens", "Home > Art > Oil"), "paths >"),
    "slashes": (drawn("Desk/Inks", "Desk/Pens", "Home/Art/Oil"), "paths /"),
    "bars": (drawn("Desk|Inks", "Desk|Pens", "Home|Art"), "paths |"),
    "genres": (["|".join(RNG.permutation(GENRES)[: 1 + i % 3]) for i in range(N)], "lists |"),
    "tags": (drawn("new, red", "blue", "red, blue, new"), "lists ,"),
    "lists": (drawn(["new", "red"], ["blue"], []), "lists"),
    "lists with nothing in them": (drawn([None], []), "left out: empty lists"),
    "lists of paths": (drawn([["Desk", "Inks"]], [["Home"], ["Art", "Oil"]]), "lists"),
    "words in lists": ([[f"a{i}", f"b{i}"] for i in range(N)], "words"),
    "prices": (RNG.normal(size=N).tolist(), "numbers"),
    "whole prices": (RNG.integers(1, 10**4, size=N).tolist(), "numbers"),
    "few numbers": (drawn(1, 2, 3), "numbers"),
    "flags": (drawn(True, False), "numbers"),
    "dates": ([DAY + datetime.timedelta(days=i) for i in range(N)], "times"),
    "iso": ([f"2024-01-{1 + i % 30:02}" for i in range(N)], "times"),
    "unix times": ([1_700_000_000 + 86_400 * i for i in range(N)], "numbers"),
    "begins with a date": ([f"2024-01-{1 + i % 30:02} was a day" for i in range(N)], "words"),
    "empty": ([None] * N, "left out: no value"),
    "blank": (["", " "] * (N // 2), "left out: no value"),
    "mostly blank, and once each": (
        [f"Brand {i}" if i % 4 == 0 else "" for i in range(N)],
        "words",
    ),
    "brands or blank": (drawn("Acme", "Big Co", "", " "), "categories"),
    "lists of blanks": (drawn([""], [" ", ""]), "left out: empty lists"),
    "paths of their own": ([f"{i} > a > b > c > d > e" for i in range(N)], "words"),
    "constant": ([7] * N, "left out: one value for all items"),
    "constant text": (["en"] * N, "left out: one value for all items"),
    "constant or missing": ([7] * (N - 1) + [None], "numbers"),
    "a count": (RNG.permutation(N).tolist(), "left out: numbers that name items"),
    "numbers of articles": (
        (10**8 + RNG.permutation(N) * 13).tolist(),
        "left out: numbers that name items",
    ),
    "ean": ([gtin(f"4006381{33000 + i}") for i in range(N)], "left out: article numbers"),
    "ean 8": ([gtin(f"{9638000 + i // 2}") for i in range(N)], "numbers"),
    "isbn": ([gtin(f"978014{i:06}") for i in range(N)], "left out: article numbers"),
    "skus": ([f"AB-{i:04}" for i in range(N)], "left out: codes that name items"),
    "hashes": (
        [f"{hash(i) * 7919 + 10**9:x}f3" for i in range(N)],
        "left out: codes that name items",
    ),
    "urls": ([f"https://x.org/{i % 7}?n={i}" for i in range(N)], "left out: addresses"),
    "files": (
        [f"img/{i % 7}/{i}.jpg" for i in range(N)],
        "left out: names of files",
    ),
    "bytes": ([b"ab"] * N, "left out: bytes objects"),
    "vectors": ([[0.5, float(i)] for i in range(N)], "left out: lists of float objects"),
    "dicts": ([{"a": i} for i in range(N)], "left out: dict objects"),
    "timedelta": ([datetime.timedelta(days=i) for i in range(N)], "left out: "),
}


#: What only pandas holds.
HELD_BY_PANDAS = {
    "lists with NaN in them": (drawn([np.nan, "red"], ["blue"]), "lists"),
    "lists and a dict": ([["a"]] * (N - 1) + [{"k": 1}], "left out: lists and dict objects"),
    "hashes": (
        np.arange(N, dtype=np.uint64) * 7 + np.uint64(2**63),
        "left out: numbers that name items",
    ),
    "very long numbers": ([10**25 + i // 9 for i in range(N)], "left out: numbers that name items"),
}


@pytest.mark.parametrize("held", HELD)
def test_what_columns_hold(kind_of, held):
    values, expected = HELD[held]
    kind = kind_of(values)
    assert told(kind).startswith(expected)


@pytest.mark.parametrize("held", HELD_BY_PANDAS)
def test_what_columns_of_pandas_alone_hold(held):
    values, expected = HELD_BY_PANDAS[held]
    assert told(column_kinds(nw.from_native(pd.DataFrame({"x": values})))["x"]) == expected


def told(kind):
    return f"{kind.name} {kind.separator or ''}".strip() + (f": {kind.why}" if kind.why else "")


@pytest.mark.filterwarnings("ignore:Columns of items are left out")
@pytest.mark.parametrize("held", [*HELD, *HELD_BY_PANDAS])
def test_what_is_chosen_can_read_the_column(held):
    values = {**HELD, **HELD_BY_PANDAS}[held][0]
    table = pd.DataFrame({"title": [f"thing {i}" for i in range(N)], "x": values})
    fit_feature_blocks(default_featurizer(table), table)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("imdbId", "left out"),
        ("product_code", "left out"),
        ("SKU", "left out"),
        ("video", "numbers"),
    ],
)
def test_names_of_ids(kind_of, name, expected):
    codes = RNG.permutation(10**4)[:N].tolist()
    assert kind_of(codes, name).name == expected
    repeated = kind_of(drawn(7, 12, 400), name)
    assert repeated.name == ("numbers" if name == "video" else "categories")


def test_small_tables_say_little(kind_of):
    """All values of a few differ, whatever they are."""
    assert kind_of(["a1", "b2", "c3"]) == ColumnKind("words")
    assert kind_of(["red", "red", "blue"]) == ColumnKind("words")
    assert kind_of([3, 1, 2]) == ColumnKind("numbers")
    assert kind_of([["a"], ["b"]]) == ColumnKind("words")


def test_mostly_missing(kind_of):
    brands = [None] * (3 * N) + drawn("Acme", "Zed")
    assert kind_of(brands).name == "categories"
    assert kind_of([None] * N + [f"AB-{i}" for i in range(N)]).why == "codes that name items"


def test_columns_of_pandas():
    table = pd.DataFrame(
        {
            "kind": pd.Categorical(drawn(1, 2, 3)),
            "stock": pd.array(drawn(1, 2, None), dtype="Int64"),
            "cost": drawn(Decimal("1.5"), Decimal("2.5")),
            "mixed": drawn("a word", 7),
            "at": pd.date_range("2024", periods=N, tz="America/New_York"),
            "huge": [1e300 * (1 + i) for i in range(N)],
        }
    )
    kinds = column_kinds(nw.from_native(table))
    assert {name: kind.name for name, kind in kinds.items()} == {
        "kind": "categories",
        "stock": "numbers",
        "cost": "numbers",
        "mixed": "categories",
        "at": "times",
        "huge": "numbers",
    }


def test_the_shop():
    items = make_shop(n_users=20, n_items=200, random_state=0).items
    kinds = column_kinds(nw.from_native(items))
    assert {name: kind.name for name, kind in kinds.items()} == {
        "item": "left out",
        "title": "words",
        "description": "words",
        "category": "paths",
        "brand": "categories",
        "colour": "categories",
        "price": "numbers",
        "launched": "times",
    }
