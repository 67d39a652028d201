"""The featurizer of those who name none."""

import datetime

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import FeatureUnion

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import ContentNeighborsRecommender
from embrec.components import ItemTowers
from embrec.datasets import make_shop
from embrec.featurizers._blocks import fit_feature_blocks, transform_feature_blocks
from embrec.featurizers._default import default_event_featurizer, default_featurizer

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
N = 24
MOVIES = {
    "title": [f"The {word} ({1950 + i})" for i, word in enumerate(["heat", "sting", "fly"] * 8)],
    "genres": ["Drama|War", "Drama", "Comedy|Drama"] * 8,
    "director": ["Ann Lee", None] * 12,
    "shelf": ["A > B", "A > C", "D > E"] * 8,
    "price": [None, *(1.5 * i for i in range(N - 1))],
    "released": [datetime.date(1950 + i, 1, 1) for i in range(N)],
    "in_stock": [True, False] * 12,
    "imdbId": [10_000 + 17 * (i * 7 % N) for i in range(N)],
    "poster": [f"https://img.example/{i}.jpg" for i in range(N)],
}


@pytest.fixture(params=LIBRARIES)
def movies(request):
    return LIBRARIES[request.param](MOVIES)


def parts(chosen):
    """Names of the columns that each part reads."""
    words, attributes = (transformer for _, transformer in chosen.transformer_list)
    read = {name.rstrip("_0123456789"): one.columns for name, one in attributes.transformer_list}
    return {"words": words.columns, **read}


@pytest.mark.filterwarnings("ignore:Columns of items are left out")
def test_each_kind_has_an_encoding(movies):
    chosen = default_featurizer(movies)
    assert [name for name, _ in chosen.transformer_list] == ["words", "attributes"]
    assert parts(chosen) == {
        "words": ["title"],
        "lists": ["genres"],
        "categories": ["director"],
        "paths": ["shelf"],
        "numbers": ["price", "released", "in_stock"],
    }
    fitted, (words, attributes) = fit_feature_blocks(chosen, movies)
    assert words.shape[0] == N
    names = fitted.transformer_list[1][1].get_feature_names_out().tolist()
    row = dict(zip(names, attributes.toarray()[3].tolist(), strict=True))
    assert {name.partition("__")[2]: value for name, value in row.items()} == {
        **{"Comedy": 0, "Drama": 1, "War": 1, "Ann Lee": 0},
        **{"A": 1, "A>B": 1, "A>C": 0, "D": 0, "D>E": 0},
        "price": pytest.approx(2 * 2 / (N - 2) - 1),
        "released": pytest.approx(2 * 3 / (N - 1) - 1, abs=1e-3),
        **{"in_stock": -1, "price_missing": 0},
    }
    # what is missing or new later
    later = {name: [None] for name in MOVIES} | {"title": ["A heat"], "genres": ["War|Opera"]}
    made = nw.from_dict(later, backend=nw.from_native(movies).implementation).to_native()
    row = dict(zip(names, transform_feature_blocks(fitted, made)[1].toarray()[0], strict=True))
    assert [name.partition("__")[2] for name, value in row.items() if value] == [
        *["War", "price_missing"]
    ]


def test_what_is_left_out_is_said(movies, capsys):
    left_out = r"imdbId': 'numbers that name items', 'poster': 'addresses'\}\. Drop them, or pass a"
    with pytest.warns(UserWarning, match=left_out):
        quiet = default_featurizer(movies)
    assert capsys.readouterr().out == ""
    told = default_featurizer(movies, verbose=True)  # and does not warn
    assert repr(told) == repr(quiet)
    assert capsys.readouterr().out == (
        "The content of items is words: title; lists: genres; categories: director; paths: shelf; "
        "numbers: price, in_stock; times: released; left out: imdbId (numbers that name items), "
        "poster (addresses).\n"
    )


def test_words_alone_are_tf_idf_as_ever():
    content = pd.DataFrame({"title": ["pen", "ink"], "more": ["Acme pen", "Acme ink"]})
    chosen = default_featurizer(content)
    assert repr(chosen) == "TfidfItemFeaturizer(columns=['title', 'more'])"
    codes = pd.DataFrame({"title": [f"pen{i}" for i in range(N)]})
    assert default_featurizer(codes).columns == ["title"]  # for want of anything else


def test_attributes_alone_are_one_tower():
    content = pd.DataFrame({"price": [3.0, 2.0, 1.0], "new": [True, False, True]})
    chosen = default_featurizer(content)
    assert [name for name, _ in chosen.transformer_list] == ["attributes"]
    _, (block,) = fit_feature_blocks(chosen, content)
    assert block.tolist() == [[1, 1], [0, -1], [-1, 1]]


def test_no_content():
    with pytest.raises(ValueError, match=r"No column of items holds content.*'one value for all"):
        default_featurizer(pd.DataFrame({"price": [1.5, 1.5]}))
    with pytest.raises(ValueError, match="no column besides the id"):
        default_featurizer(pd.DataFrame(index=[0]))


def test_the_shop_from_fit_to_load(tmp_path, capsys):
    shop = make_shop(n_users=60, n_items=200, random_state=0)
    model = EmbRecEstimator(max_epochs=1, random_state=0, item_model=ItemTowers(8), verbose=1)
    model.fit(shop.interactions, items=shop.items)
    assert capsys.readouterr().out.startswith("The content of items is words: title, description; ")
    assert isinstance(model.featurizer_, FeatureUnion)
    model.save(tmp_path / "model")
    again = EmbRecEstimator.load(tmp_path / "model")
    for one in (model, again):
        # as JSON brings it
        one.add_items(
            pd.DataFrame(
                [
                    {
                        **shop.items.iloc[0].to_dict(),
                        **{
                            "item": "new",
                            "launched": "2026-02-01",
                            "price": None,
                            "brand": "Unheard of",
                        },
                    }
                ]
            )
        )
    np.testing.assert_array_equal(model.item_embeddings(["new"]), again.item_embeddings(["new"]))


def test_content_neighbours_say_it_too():
    log, items = [["a", "b"]], pd.DataFrame({"item": list("abc"), "title": ["pen", "ink", "pad"]})
    with pytest.warns(UserWarning, match="'stock': 'one value for all items'"):
        found = ContentNeighborsRecommender().fit(log, items=items.assign(stock=1)).featurizer_
    assert isinstance(found, TfidfItemFeaturizer)


def test_events_have_times_and_what_other_columns_say():
    n = 30
    events = pd.DataFrame(
        {
            "timestamp": 1e9 + np.arange(n) * 60.0,
            "kind": ["view", "buy", "view"] * 10,
            "stars": np.arange(n) % 5 + 0.5,
            "gap": [np.nan, *[60.0] * (n - 1)],
        }
    )
    union = default_event_featurizer(events, "timestamp")
    assert [name for name, _ in union.transformer_list] == ["times", "attributes"]
    assert union.fit_transform(events).shape == (n, 18 + 24 + 7 + 2 + 1)
    orders = events.assign(timestamp=np.arange(n))  # numbers that are no moments
    (_, times), _ = default_event_featurizer(orders, "timestamp").transformer_list
    assert times.parts == ("gap",)
    untimed = events.drop(columns="timestamp").assign(gap=np.nan)
    names = [name for name, _ in default_event_featurizer(untimed, "timestamp").transformer_list]
    assert names == ["attributes"]
    with pytest.raises(ValueError, match="tells anything of an event, and no times"):
        default_event_featurizer(untimed[["gap"]], None)
