"""Saving to a folder and loading from it, here and in another process."""

import importlib
import json
import os
import pickle
import re
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from embrec import Callback, EmbRecEstimator, TfidfItemFeaturizer
from embrec._utils.files import digest_of
from embrec.baselines import (
    ContentNeighborsRecommender,
    GRU4RecRecommender,
    PopularityRecommender,
    SequentialRulesRecommender,
    SessionNeighborsRecommender,
    TransRecRecommender,
)
from embrec.components import (
    Adagrad,
    Adam,
    BPRMax,
    Component,
    EarlyStopping,
    GRUEncoder,
    IdEmbeddings,
    ItemBias,
    ItemTowers,
    SampledNegatives,
)
from embrec.index import AnnoyIndex
from embrec.persistence import arrays, folder, objects

SMALL = {
    "item_model": ItemTowers(4, 5),
    "encoder": GRUEncoder(6, n_layers=2),
    "max_epochs": 2,
    "random_state": 0,
}
HISTORIES = [["photo-0", "photo-1"], ["desk-3"], []]
NEW = pd.DataFrame({"item": ["photo-new"], "title": ["camera bag photo"], "price": [99.0]})


def titles():
    return TfidfItemFeaturizer(columns=["title"])


def small(featurizer=None, **changes):
    return EmbRecEstimator(titles() if featurizer is None else featurizer, **{**SMALL, **changes})


MAKERS = {
    "embrec": small,
    "union": lambda: small(
        make_union(
            make_pipeline(titles(), TruncatedSVD(4, random_state=0)),
            make_column_transformer((OneHotEncoder(dtype=np.float32), ["title"])),
            make_column_transformer(
                (StandardScaler(), make_column_selector(dtype_include=np.number)),
                (make_pipeline(FunctionTransformer(np.log1p), StandardScaler()), ["price"]),
            ),
        ),
        encoder=GRUEncoder(6, n_layers=2, residual=False),
    ),
    "parts": lambda: small(
        item_model=ItemTowers(4, 5, ids=IdEmbeddings(0.3, shrinkage=4.0), bias=ItemBias(2.0)),
        loss=BPRMax(0.5),
        negatives=SampledNegatives(7, alpha=0.5, in_batch=True),
        optimizer=Adagrad(0.1, momentum=0.2, schedule="linear", warmup_steps=3),
        early_stopping=EarlyStopping("ndcg@5", patience=2),
    ),
    "cosine": lambda: small(item_model=None, loss="cosine"),
    "words": lambda: small(
        item_model=None, encoder="gru", loss="bpr", negatives=3, optimizer="adagrad"
    ),
    "content neighbours": lambda: ContentNeighborsRecommender(titles(), n_last=2),
    "dense content neighbours": lambda: ContentNeighborsRecommender(
        make_pipeline(titles(), TruncatedSVD(4, random_state=0))
    ),
    "popularity": PopularityRecommender,
    "rules": SequentialRulesRecommender,
    "sessions": SessionNeighborsRecommender,
    "gru4rec": lambda: GRU4RecRecommender(6, n_layers=2, max_epochs=2, random_state=0),
    "transrec": lambda: TransRecRecommender(6, max_epochs=2, random_state=0),
}


def assert_same_answers(one, other, histories=HISTORIES):
    for exclude_seen in (True, False):
        expected_ids, expected = one.recommend(histories, k=8, exclude_seen=exclude_seen)
        ids, scores = other.recommend(histories, k=8, exclude_seen=exclude_seen)
        assert ids.dtype == expected_ids.dtype
        np.testing.assert_array_equal(ids, expected_ids)
        np.testing.assert_array_equal(scores, expected)


def without_objects(params):
    """Parameters that can be compared; components by what they say of themselves."""
    return {
        name: (type(value), value.get_params()) if isinstance(value, Component) else value
        for name, value in params.items()
        if name != "featurizer"
    }


def names_in(path):
    return sorted(each.name for each in path.iterdir())


def version_of(path):
    """The sub-folder that the JSON names."""
    return path / read_meta(path)["folder"]


@pytest.fixture(scope="module")
def fitted(shop_log, shop_items):
    """Do not change it."""
    return small().fit(shop_log, items=shop_items)


# ---- round trips


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_loaded_answers_and_goes_on_alike(name, shop_log, shop_items, tmp_path):
    model = MAKERS[name]().fit(shop_log, items=shop_items).remove_items(["desk-1"])
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model")
    without_addresses = [re.sub("0x[0-9a-f]+", "", repr(each)) for each in (loaded, model)]
    assert without_addresses[0] == without_addresses[1]
    assert type(loaded) is type(model)
    assert_same_answers(model, loaded)
    np.testing.assert_array_equal(loaded.index_.active, model.index_.active)
    # and both go on living in the same way
    for each in (model, loaded):
        each.add_items(NEW)
        each.update_items(NEW.assign(title="fountain pen desk"))
        if hasattr(each, "partial_fit"):
            each.partial_fit([["photo-new", "photo-0"]] * 4)
        each.remove_items(["photo-4"])
    assert_same_answers(model, loaded, [*HISTORIES, ["photo-new", "desk-1"]])
    np.testing.assert_array_equal(
        loaded.similar_items(["photo-new"])[0], model.similar_items(["photo-new"])[0]
    )


def test_parameters_and_what_was_learned_of_training(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = EmbRecEstimator.load(str(tmp_path / "model"))
    plain, found = (without_objects(model.get_params(deep=False)) for model in (fitted, loaded))
    assert found == plain
    assert loaded.featurizer.get_params() == fitted.featurizer.get_params()
    assert not hasattr(loaded.featurizer, "vocabulary_")
    assert loaded.training_log_ == fitted.training_log_
    assert loaded.best_epoch_ == fitted.best_epoch_
    assert loaded.fingerprint_ == fitted.fingerprint_
    assert not loaded.network_.training
    session = fitted.start_session(["photo-0"])
    resumed = loaded.resume_session(session.to_bytes())
    np.testing.assert_array_equal(resumed.recommend(5)[1], session.recommend(5)[1])


def test_saving_changes_nothing(shop_log, shop_items, tmp_path):
    models = [small().fit(shop_log, items=shop_items) for _ in range(2)]
    models[0].save(tmp_path / "model")
    for model in models:
        model.partial_fit(shop_log)
    np.testing.assert_array_equal(models[0].index_.vectors, models[1].index_.vectors)


def test_features_stay_sparse(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    (block,) = EmbRecEstimator.load(tmp_path / "model").catalog_.blocks
    (expected,) = fitted.catalog_.blocks
    assert type(block) is type(expected)
    assert block.dtype == np.float32
    assert (block != expected).nnz == 0


@pytest.mark.parametrize("kind", ["int", "unicode"])
def test_ids_come_back_as_they_were(kind, shop_log, shop_items, tmp_path):
    to_id = {
        item: 7 * i - 20 if kind == "int" else ["", "é", "日本", "a\0b", "🙂 x"][i % 5] + item
        for i, item in enumerate(shop_items["item"])
    }
    log = shop_log.assign(item=shop_log["item"].map(to_id))
    items = shop_items.assign(item=shop_items["item"].map(to_id))
    for model in (small(), PopularityRecommender()):
        model.fit(log, items=items).save(tmp_path / "model")
        loaded = type(model).load(tmp_path / "model")
        assert loaded.catalog_.ids.ids.tolist() == list(to_id.values())
        assert_same_answers(model, loaded, [[to_id["photo-0"]], []])


def test_parameters_keep_their_types(shop_log, shop_items, tmp_path):
    class Tolerant(EmbRecEstimator):
        _parameter_constraints = EmbRecEstimator._parameter_constraints | {"extra": "no_validation"}

        def __init__(self, featurizer=None, *, extra=None, **parameters):
            super().__init__(featurizer, **parameters)
            self.extra = extra

        @classmethod
        def _get_param_names(cls):
            return sorted([*EmbRecEstimator._get_param_names(), "extra"])

    extra = {"tuple": (1, 2), "list": [1, (2.5, "x")], "none": None, "real": 0.1, "yes": True}
    for value in extra.values():
        Tolerant(titles(), extra=value, **SMALL).fit(shop_log, items=shop_items).save(
            tmp_path / "model"
        )
        loaded = Tolerant.load(tmp_path / "model")
        assert loaded.extra == value
        assert type(loaded.extra) is type(value)


def test_parameters_that_json_does_not_know(shop_log, shop_items, tmp_path):
    generator = np.random.RandomState(5)
    model = small(
        item_model=ItemTowers(np.int64(4), np.int32(5)),
        encoder=GRUEncoder(
            np.int64(6), n_layers=np.uint8(2), residual=np.True_, dropout=np.float64(0.25)
        ),
        negatives=np.int64(7),
        batch_size=np.int64(8),
        max_epochs=np.int16(2),
        device=torch.device("cpu"),
        random_state=generator,
    ).fit(shop_log, items=shop_items)
    model.save(tmp_path / "model")
    loaded = EmbRecEstimator.load(tmp_path / "model")
    assert loaded.device == torch.device("cpu")
    assert (loaded.item_model.embedding_dim, loaded.encoder.dropout) == (4, 0.25)
    assert type(loaded.encoder.n_layers) is int
    assert loaded.negatives == 7
    assert_same_answers(model, loaded)
    # the generator goes on where it was
    assert loaded.random_state.randint(2**31, size=3).tolist() == (
        generator.randint(2**31, size=3).tolist()
    )
    loaded.fit(shop_log, items=shop_items)


def test_parameters_set_anew_since_training_do_no_harm(shop_log, shop_items, tmp_path):
    model = small().fit(shop_log, items=shop_items)
    model.set_params(encoder=GRUEncoder(9, residual=False, dropout=0.9), item_model=ItemTowers(2))
    model.save(tmp_path / "model")
    loaded = EmbRecEstimator.load(tmp_path / "model")
    assert loaded.encoder.hidden_size == 9
    assert_same_answers(model, loaded)


def test_another_process_gives_the_same_answers(fitted, processes, tmp_path):
    fitted.save(tmp_path / "model")
    code = """if True:
        import json
        from embrec import EmbRecEstimator
        model = EmbRecEstimator.load("../model")
        ids, scores = model.recommend([["photo-0", "photo-1"], ["desk-3"], []], k=8)
        print(json.dumps([ids.tolist(), scores.tolist(), model.fingerprint_]))
    """
    done = processes.run(code, tmp_path / "other", strict=True)
    assert done.code == 0, done.err
    ids, scores, fingerprint = json.loads(done.out)
    expected_ids, expected = fitted.recommend(HISTORIES, k=8)
    assert ids == expected_ids.tolist()
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    assert fingerprint == fitted.fingerprint_


# ---- no pickle


def test_nothing_is_pickled(fitted, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("pickle was used")

    with monkeypatch.context() as patched:
        for name in ("load", "loads", "dump", "dumps", "Pickler", "Unpickler"):
            patched.setattr(pickle, name, refuse)
        patched.setattr(torch, "load", refuse)
        fitted.save(tmp_path / "model")
        loaded = EmbRecEstimator.load(tmp_path / "model")
    assert_same_answers(fitted, loaded)
    (version,) = (path for path in (tmp_path / "model").iterdir() if path.is_dir())
    assert names_in(version) == ["arrays.safetensors", "objects.skops"]
    assert names_in(tmp_path / "model") == sorted(["embrec.json", version.name])
    for path in (tmp_path / "model" / "embrec.json", *version.iterdir()):
        with path.open("rb") as file, pytest.raises((pickle.UnpicklingError, ValueError, EOFError)):
            pickle.load(file)


class OwnFeaturizer(TfidfItemFeaturizer):
    """A type that embrec does not know."""


def own_name():
    return f"{OwnFeaturizer.__module__}.{OwnFeaturizer.__qualname__}"


def test_types_of_others_are_refused_until_they_are_trusted(shop_log, shop_items, tmp_path):
    model = small(OwnFeaturizer(columns=["title"])).fit(shop_log, items=shop_items)
    model.save(tmp_path / "model")
    name = re.escape(own_name())
    with pytest.raises(ValueError, match=rf"does not know: {name}\..*trusted=\['{name}'\]"):
        EmbRecEstimator.load(tmp_path / "model")
    assert_same_answers(model, EmbRecEstimator.load(tmp_path / "model", trusted=[own_name()]))


@pytest.mark.parametrize("function", [np.nan_to_num, os.fspath], ids=["numpy", "builtin"])
def test_functions_are_refused_whatever_library_they_are_of(
    function, shop_log, shop_items, tmp_path
):
    featurizer = make_union(
        titles(), make_column_transformer((FunctionTransformer(np.nan_to_num), ["price"]))
    )
    model = small(featurizer).fit(shop_log, items=shop_items)
    model.featurizer_.transformer_list[1][1].transformers_[0][1].func = function
    model.save(tmp_path / "model")
    name = f"{function.__module__}.{function.__name__}"
    with pytest.raises(ValueError, match=name) as caught:
        EmbRecEstimator.load(tmp_path / "model")
    # one may trust some types and be told of the rest
    assert "numpy.nan_to_num" in str(caught.value)
    trusted = sorted({name, "numpy.nan_to_num"})
    for one in trusted[:-1]:
        with pytest.raises(ValueError, match="does not know"):
            EmbRecEstimator.load(tmp_path / "model", trusted=[one])
    loaded = EmbRecEstimator.load(tmp_path / "model", trusted=trusted)
    np.testing.assert_array_equal(loaded.transform([["photo-0"]]), model.transform([["photo-0"]]))


def test_what_embrec_trusts_holds_no_function():
    names = [*objects.HARMLESS_TYPES, *objects.own_types()]
    found = []
    for name in names:
        module, _, attribute = name.rpartition(".")
        found.append(getattr(importlib.import_module(module), attribute, None))
    # every version of scikit-learn lacks some
    there = [value for value in found if value is not None]
    assert len(there) >= len(names) - 1
    assert all(isinstance(value, type) for value in there)


# ---- folders


def test_a_folder_of_something_else_is_left_alone(fitted, tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds no saved recommender"):
        fitted.save(tmp_path)
    with pytest.raises(FileExistsError, match="holds no saved recommender"):
        fitted.save(tmp_path / "precious.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]
    (tmp_path / "empty").mkdir()
    fitted.save(tmp_path / "empty")
    assert_same_answers(fitted, EmbRecEstimator.load(tmp_path / "empty"))


def test_parents_are_made_and_nothing_else_is_left(fitted, tmp_path):
    fitted.save(tmp_path / "a" / "b")
    fitted.save(tmp_path / "a" / "b")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    # a service of another user may read it, as far as the umask allows
    (tmp_path / "folder").mkdir()
    modes = [(tmp_path / name).stat().st_mode for name in ("folder", "a/b")]
    (tmp_path / "usual").touch()
    usual = (tmp_path / "usual").stat().st_mode
    version = version_of(tmp_path / "a/b")
    files = (tmp_path / "a/b/embrec.json", *version.iterdir())
    assert {file.stat().st_mode for file in files} == {usual}
    assert version.stat().st_mode == modes[0]
    assert modes[0] == modes[1]


def test_a_model_of_another_kind_replaces_the_folder_whole(fitted, shop_log, shop_items, tmp_path):
    fitted.save(tmp_path / "model")
    popular = PopularityRecommender().fit(shop_log, items=shop_items)
    popular.save(tmp_path / "model")
    assert names_in(version_of(tmp_path / "model")) == ["arrays.safetensors"]
    assert len(names_in(tmp_path / "model")) == 2
    assert_same_answers(popular, PopularityRecommender.load(tmp_path / "model"))


@pytest.mark.parametrize("step", ["write", "arrays", "sync", "rename"])
def test_a_failure_leaves_the_old_folder(step, fitted, shop_log, shop_items, tmp_path):
    path = tmp_path / "model"
    fitted.save(path)
    other = small(random_state=1).fit(shop_log, items=shop_items)

    def fail(*args, **kwargs):
        raise OSError("disk full")

    with pytest.MonkeyPatch.context() as patched:
        if step == "write":
            patched.setattr(arrays, "save_file", fail)
        elif step == "arrays":
            patched.setattr(folder, "_catalog_arrays", fail)
        elif step == "sync":
            patched.setattr(os, "fsync", fail)
        else:
            patched.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="disk full"):
            other.save(path)
        with pytest.raises(OSError, match="disk full"):
            other.save(tmp_path / "none")
    assert names_in(tmp_path) == ["model"]
    assert len(names_in(path)) == 2
    assert_same_answers(fitted, EmbRecEstimator.load(path))


# ---- what load refuses


def edit_meta(path, **changes):
    """As somebody would who wants it to be believed."""
    file = path / "embrec.json"
    meta = json.loads(file.read_text()) | changes
    meta["digest"] = digest_of(meta)
    file.write_text(json.dumps(meta))


@pytest.mark.parametrize("name", ["hidden_size", "n_layers"])
def test_sizes_are_not_believed_before_the_weights_are_seen(name, fitted, tmp_path):
    """The memory of the first is not there, and the second would not come back."""
    fitted.save(tmp_path / "model")
    meta = json.loads((tmp_path / "model" / "embrec.json").read_text())
    meta["parts"]["encoder"]["params"][name] = {"hidden_size": 2**20, "n_layers": 2**40}[name]
    edit_meta(tmp_path / "model", parts=meta["parts"])
    with pytest.raises(ValueError, match="cannot be loaded: The network has"):
        EmbRecEstimator.load(tmp_path / "model")


def test_a_newer_format_is_refused(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    edit_meta(tmp_path / "model", format=folder.FORMAT + 1, embrec_version="9.9")
    with pytest.raises(ValueError, match=r"embrec 9\.9 in format 7.*Upgrade"):
        EmbRecEstimator.load(tmp_path / "model")


def test_the_wrong_class_is_named(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"a EmbRecEstimator, not a Pop.*EmbRecEstimator\.load"):
        PopularityRecommender.load(tmp_path / "model")


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(ValueError, match=r"no saved recommender: there is no embrec\.json"):
        EmbRecEstimator.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="There is no .*nowhere to load a recommender from"):
        EmbRecEstimator.load(tmp_path / "nowhere")


def test_skops_is_imported_only_for_a_featurizer(fitted, shop_log, tmp_path, monkeypatch):
    """It takes seconds."""
    popular = PopularityRecommender().fit(shop_log)
    for name in [name for name in sys.modules if name.partition(".")[0] == "skops"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "skops", None)
    with pytest.raises(ImportError, match="skops"):
        fitted.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
    popular.save(tmp_path / "popular")
    np.testing.assert_array_equal(
        PopularityRecommender.load(tmp_path / "popular").counts_, popular.counts_
    )


def test_arrays_are_what_safetensors_reads(fitted, tmp_path):
    """The format is open: embeddings and ids can be had without embrec."""
    fitted.save(tmp_path / "model")
    found = load_file(version_of(tmp_path / "model") / "arrays.safetensors")
    np.testing.assert_array_equal(found["vectors"], fitted.index_.vectors)
    ends = found["ids:ends"].tolist()
    text = found["ids:utf8"].tobytes()
    ids = [text[a:b].decode() for a, b in zip([0, *ends], ends, strict=False)]
    assert ids == fitted.catalog_.ids.ids.tolist()


class HoldsAFile(Callback):
    def __init__(self, path):
        self.file = open(path, "w")  # noqa: SIM115


def test_what_belongs_to_a_run_is_not_saved(shop_log, shop_items, tmp_path):
    callback = HoldsAFile(tmp_path / "log")
    model = small(callbacks=[callback], checkpoint_dir=tmp_path / "run", random_state=0)
    model.fit(shop_log, items=shop_items)
    model.save(tmp_path / "model")
    callback.file.close()
    loaded = EmbRecEstimator.load(tmp_path / "model")
    assert loaded.callbacks is None
    assert loaded.checkpoint_dir is None
    assert model.callbacks == [callback]
    assert_same_answers(model, loaded)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("cls", [EmbRecEstimator, PopularityRecommender])
def test_formats_of_before_are_refused(number, cls, shop_log, shop_items, tmp_path):
    """Says what to do: nothing converts them."""
    path = tmp_path / "model"
    MAKERS["embrec" if cls is EmbRecEstimator else "popularity"]().fit(
        shop_log, items=shop_items
    ).save(path)
    edit_meta(path, format=number, embrec_version="0.1.0")
    message = (
        rf"was written by embrec 0\.1\.0 in format {number}; .* reads formats from 5 on\. "
        r"Fit and save it again, or load it with embrec 0\.1\.0\."
    )
    with pytest.raises(ValueError, match=message):
        cls.load(path)


def test_a_new_model_says_so_to_old_versions(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    assert read_meta(tmp_path / "model")["format"] == folder.FORMAT == 6


# ---- parts


def read_meta(path):
    return json.loads((path / "embrec.json").read_text())


def test_parts_are_json_that_one_can_read(shop_log, shop_items, tmp_path):
    model = small(
        item_model=ItemTowers(4, 5, ids=IdEmbeddings(dropout=0.3)),
        optimizer=Adam(0.01, schedule="cosine"),
        negatives=9,
        index=AnnoyIndex(n_trees=3, random_state=0),
    )
    model.fit(shop_log, items=shop_items).save(tmp_path / "model")
    meta = read_meta(tmp_path / "model")
    params = meta["params"]
    assert params["negatives"] == {"value": 9}
    assert params["encoder"]["component"]["type"] == "GRUEncoder"
    towers = params["item_model"]["component"]
    assert towers["params"]["embedding_dim"] == 4
    assert towers["params"]["ids"] == {
        "type": "IdEmbeddings",
        "params": {"dropout": 0.3, "bound": 3.0, "shrinkage": 10.0},
    }
    assert "index" in params["index"]
    assert "featurizer" not in params  # which is no JSON, but a file of skops
    assert meta["parts"]["negatives"] == {
        "type": "SampledNegatives",
        "params": {"n": 9, "alpha": 1.0, "in_batch": False, "logq": None},
    }
    assert set(meta["parts"]) == {
        "item_model", "encoder", "loss", "negatives", "optimizer", "early_stopping"
    }  # fmt: skip
    loaded = EmbRecEstimator.load(tmp_path / "model")
    assert isinstance(loaded.index, AnnoyIndex)
    assert loaded.index.n_trees == 3
    assert_same_answers(model, loaded)


class OwnEncoder(GRUEncoder):
    """A part that embrec does not know."""


def test_parts_of_others_are_refused_until_they_are_trusted(shop_log, shop_items, tmp_path):
    model = small(encoder=OwnEncoder(6)).fit(shop_log, items=shop_items)
    model.save(tmp_path / "model")
    name = f"{OwnEncoder.__module__}.{OwnEncoder.__qualname__}"
    with pytest.raises(ValueError, match=rf"type {re.escape(name)}, .*trusted=\['{name}'\]"):
        EmbRecEstimator.load(tmp_path / "model")
    loaded = EmbRecEstimator.load(tmp_path / "model", trusted=[name])
    assert type(loaded.encoder) is OwnEncoder
    assert_same_answers(model, loaded)


@pytest.mark.parametrize("name", ["os.system", "builtins.dict", "nowhere.Part"])
def test_what_is_no_part_is_refused_even_if_it_is_trusted(name, fitted, tmp_path):
    fitted.save(tmp_path / "model")
    meta = read_meta(tmp_path / "model")
    meta["parts"]["encoder"] = {"type": name, "params": {}}
    edit_meta(tmp_path / "model", **meta)
    with pytest.raises(ValueError, match="which is not embrec's own"):
        EmbRecEstimator.load(tmp_path / "model")
    with pytest.raises(ValueError, match="is no component of embrec|cannot be imported here"):
        EmbRecEstimator.load(tmp_path / "model", trusted=[name])


class HoldsAList(GRUEncoder):
    def __init__(self, hidden_size=6, sizes=(1, 2)):
        super().__init__(hidden_size)
        self.sizes = sizes


def test_parameters_of_parts_that_json_cannot_hold_are_named(shop_log, shop_items, tmp_path):
    message = r"sizes of HoldsAList is \(1, 2\); parameters of components must be numbers"
    model = small(encoder=HoldsAList())
    with pytest.raises(ValueError, match=message):
        model.fit(shop_log, items=shop_items)
    model = small().fit(shop_log, items=shop_items).set_params(encoder=HoldsAList())
    with pytest.raises(ValueError, match=message):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("trusted", [True, "mine.Part", [int]])
def test_what_is_trusted_is_a_list_of_names(trusted, fitted, tmp_path):
    fitted.save(tmp_path / "model")
    with pytest.raises(TypeError, match="trusted must be a list of names of types"):
        EmbRecEstimator.load(tmp_path / "model", trusted=trusted)
