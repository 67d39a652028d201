"""What was exported answers as the recommender does, without embrec."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from safetensors.numpy import load_file
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder
from small_recommender import fit_small

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import GRU4RecRecommender, PopularityRecommender, TransRecRecommender
from embrec.components import (
    EnsembleEncoder,
    FixedItems,
    GRUEncoder,
    IdEmbeddings,
    ItemTowers,
    ParallelEncoder,
    SelfAttentionEncoder,
)
from embrec.export import to_onnx, to_torch
from embrec.featurizers._blocks import transform_feature_blocks

pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

KINDS = {
    "plain": {},
    "distances, biases, two layers, no residual": {
        "item_model": ItemTowers(8, 5, bias=True, similarity="euclidean"),
        "encoder": GRUEncoder(6, n_layers=2, residual=False),
    },
    "cosines, own vectors and biases, two layers": {
        "item_model": ItemTowers(8, 5, ids=IdEmbeddings(), bias=True, similarity="cosine"),
        "encoder": GRUEncoder(6, n_layers=2),
    },
    "cosine, attention over two items": {
        "loss": "cosine",
        "item_model": FixedItems(8),
        "encoder": SelfAttentionEncoder(window=2),
    },
    "an encoder per source, one of them two": {
        "encoder": ParallelEncoder(
            [
                ("tfidfitemfeaturizer-2", GRUEncoder(5)),
                (
                    "tfidfitemfeaturizer-1",
                    EnsembleEncoder([("a", GRUEncoder(6)), ("b", SelfAttentionEncoder())]),
                ),
            ]
        ),
    },
}


def fit(shop_log, shop_items, **options):
    featurizer = make_union(
        TfidfItemFeaturizer(columns=["title"]), TfidfItemFeaturizer(columns=["title"], max_words=1)
    )
    parts = {"item_model": ItemTowers(8, 5), "encoder": GRUEncoder(6), **options}
    model = EmbRecEstimator(featurizer, max_epochs=2, random_state=0, **parts)
    return model.fit(shop_log, items=shop_items)


@pytest.fixture(scope="module")
def models(shop_log, shop_items):
    """A recommender of each kind, whose catalogue has changed."""
    new = shop_items.head(2).assign(item=["new-0", "new-1"])
    fitted = {kind: fit(shop_log, shop_items, **options) for kind, options in KINDS.items()}
    for model in fitted.values():
        model.add_items(new).remove_items(["trail-0", "new-1"])
    return fitted


@pytest.fixture(scope="module")
def served_models(models, tmp_path_factory):
    """All of them, exported. Do not change them: an export takes seconds."""
    folder = tmp_path_factory.mktemp("exports")
    for kind, model in models.items():
        to_onnx(model, folder / kind)
    return {kind: Served(folder / kind) for kind in models}


@pytest.fixture(params=list(KINDS))
def kind(request):
    return request.param


@pytest.fixture
def model(models, kind):
    return models[kind]


@pytest.fixture
def served(served_models, kind):
    return served_models[kind]


class Served:
    """Serves a folder, with arrays in and out; knows nothing but what the folder says."""

    def __init__(self, folder):
        self.meta = json.loads((folder / "embrec-export.json").read_text())
        self.folder = folder
        self.arrays = load_file(folder / self.meta["arrays"])
        self.ids = json.loads((folder / self.meta["items"]).read_text())

    def run(self, part, inputs):
        part = self.meta[part]
        session = onnxruntime.InferenceSession(self.folder / part["file"])
        assert [i.name for i in session.get_inputs()] == part["inputs"]
        assert [o.name for o in session.get_outputs()] == part["outputs"]
        return session.run(None, dict(zip(part["inputs"], inputs, strict=True)))

    def query(self, histories):
        """Walk histories of equal lengths."""
        states = np.tile(self.arrays["initial_state"], (len(histories), 1))
        for items in zip(*histories, strict=True):
            vectors = self.arrays["item_vectors"][[self.ids.index(item) for item in items]]
            states, queries = self.run("session_step", [states, vectors])
        return queries

    def recommend(self, histories, k):
        scores = self.query(histories) @ self.arrays["item_vectors"].T
        scores[:, ~self.arrays["active"].astype(bool)] = -np.inf
        rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, rows, 1), [[self.ids[i] for i in row] for row in rows]


@pytest.mark.parametrize(
    "histories",
    [[["photo-0"]], [["desk-1", "trail-0", "new-1"], ["photo-3", "new-0", "photo-1"]]],
    ids=["one click of one visitor", "three clicks of two"],
)
def test_onnxruntime_gives_the_same_top_k(model, served, histories):
    scores, ids = served.recommend(histories, 12)
    expected_ids, expected = model.recommend(histories, k=12, exclude_seen=False)
    assert_allclose(scores, expected, atol=1e-5)
    for row, wanted, of_row in zip(ids, expected_ids.tolist(), expected, strict=True):
        # where scores differ by more than rounding, the order is the same
        apart = np.flatnonzero(np.diff(of_row) < -1e-4)
        for start, stop in zip([0, *apart + 1], [*apart + 1, 12], strict=True):
            if stop < 12:
                assert set(row[start:stop]) == set(wanted[start:stop])
    assert not {"trail-0", "new-1"} & set(np.ravel(ids))
    assert served.meta["fingerprint"] == model.fingerprint_


def test_the_item_tower_embeds_new_and_changed_items(model, served, shop_items):
    titles = shop_items[["title", "price"]]
    features = [
        block.toarray().astype(np.float32)
        for block in transform_feature_blocks(model.featurizer_, titles)
    ]
    if "own" in served.arrays:
        vectors = served.run("item_tower", [*features, served.arrays["own"][: len(titles)]])[0]
        assert served.arrays["own"].dtype == np.int64
        assert served.arrays["own"][-1] == -1  # added since
    else:
        vectors = served.run("item_tower", features)[0]
    assert_allclose(vectors, model.index_.vectors[: len(titles)], atol=1e-5)
    new = [block[:1] for block in features]
    if "own" in served.arrays:
        new.append(np.array([-1]))
    assert_allclose(
        served.run("item_tower", new)[0], model.index_.vectors[len(titles)][None], atol=1e-5
    )


def test_torch_serves_them_without_embrec(models, tmp_path):
    for kind, model in models.items():
        to_torch(model, tmp_path / kind)
    histories = [["desk-1", "photo-0"], ["new-0", "new-0"]]
    script = f"""if True:
        import json, sys, torch
        from safetensors.torch import load_file
        sys.modules["embrec"] = None

        def serve(folder):
            meta = json.load(open(folder + "/embrec-export.json"))
            step = torch.export.load(folder + "/" + meta["session_step"]["file"]).module()
            tower = torch.export.load(folder + "/" + meta["item_tower"]["file"]).module()
            arrays = load_file(folder + "/" + meta["arrays"])
            ids = json.load(open(folder + "/" + meta["items"]))
            states = arrays["initial_state"].expand(2, -1)
            for items in zip(*{histories!r}):
                vectors = arrays["item_vectors"][[ids.index(i) for i in items]]
                states, queries = step(states, vectors)
            features = [torch.zeros(4, n) for n in meta["n_features"]]
            own = torch.full((4,), -1) if "own" in meta["item_tower"]["inputs"] else None
            assert tower(features, own).shape == (4, meta["vector_size"])
            return queries.tolist()

        root = {str(tmp_path)!r}
        print(json.dumps({{kind: serve(root + "/" + kind) for kind in {list(models)!r}}}))
    """
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for kind, queries in json.loads(done.stdout).items():
        sessions = models[kind].start_sessions(histories)
        assert_allclose(
            queries, sessions._queries(sessions._model(), np.arange(2)), atol=1e-5, err_msg=kind
        )


KNOWN_BY_ID = {
    "gru4rec": lambda: GRU4RecRecommender(6, max_epochs=2, random_state=0),
    "gru4rec of two layers": lambda: GRU4RecRecommender(
        6, n_layers=2, max_epochs=2, random_state=0
    ),
    "transrec": lambda: TransRecRecommender(6, max_epochs=2, random_state=0),
}


@pytest.fixture(scope="module", params=KNOWN_BY_ID.values(), ids=KNOWN_BY_ID.keys())
def known_by_id(request, shop_log, shop_items):
    model = request.param().fit(shop_log, items=shop_items)
    new = shop_items.head(2).assign(item=["new-0", "new-1"])
    return model.add_items(new).remove_items(["trail-0", "new-1"])


HISTORIES = [["desk-1", "trail-0", "new-1"], ["photo-3", "new-0", "photo-1"]]


def test_recommenders_that_know_items_by_id_are_exported_too(known_by_id, tmp_path):
    model = known_by_id
    to_onnx(model, tmp_path / "onnx")
    served = Served(tmp_path / "onnx")
    scores, ids = served.recommend(HISTORIES, 12)
    expected_ids, expected = model.recommend(HISTORIES, k=12, exclude_seen=False)
    assert_allclose(scores, expected, atol=1e-5)
    assert [set(row) for row in ids] == [set(row) for row in expected_ids.tolist()]
    assert served.meta["fingerprint"] == model.fingerprint_
    assert served.meta["n_features"] == []
    assert served.meta["item_tower"] is None  # new items are like all others
    (version,) = (path for path in (tmp_path / "onnx").iterdir() if path.is_dir())
    assert sorted(path.name for path in version.iterdir()) == [
        "arrays.safetensors",
        "items.json",
        "session_step.onnx",
    ]


def test_a_step_in_torch_is_that_of_a_session(known_by_id, tmp_path):
    model = known_by_id
    to_torch(model, tmp_path / "torch")
    meta = json.loads((tmp_path / "torch" / "embrec-export.json").read_text())
    step = torch.export.load(tmp_path / "torch" / meta["session_step"]["file"]).module()
    arrays = load_file(tmp_path / "torch" / meta["arrays"])
    ids = json.loads((tmp_path / "torch" / meta["items"]).read_text())
    states = torch.from_numpy(arrays["initial_state"]).expand(2, -1)
    vectors = torch.from_numpy(arrays["item_vectors"])
    sessions = model.start_sessions([[], []])
    for items in zip(*HISTORIES, strict=True):
        states, queries = step(states, vectors[[ids.index(i) for i in items]])
        sessions.add(items)
        assert_allclose(states.detach(), sessions._states, atol=1e-6)
        assert_allclose(
            queries.detach(), sessions._queries(sessions._model(), np.arange(2)), atol=1e-5
        )


def test_onnxruntime_needs_neither_torch_nor_embrec(served_models):
    script = f"""if True:
        import sys
        sys.modules["torch"] = sys.modules["embrec"] = None
        import onnxruntime
        for part in ("session_step", "item_tower"):
            file = {served_models["plain"].meta!r}[part]["file"]
            onnxruntime.InferenceSession({str(served_models["plain"].folder)!r} + "/" + file)
    """
    subprocess.run([sys.executable, "-c", script], check=True)


def test_exporting_changes_nothing_and_replaces_an_export_whole(shop_log, shop_items, tmp_path):
    model = fit(shop_log, shop_items)
    assert not model.network_.training
    before = model.fingerprint_, model.recommend([["photo-0"]])[1]
    to_onnx(model, tmp_path / "folder")
    to_torch(model, str(tmp_path / "folder"))
    (version,) = (path for path in (tmp_path / "folder").iterdir() if path.is_dir())
    assert sorted(path.name for path in version.iterdir()) == [
        "arrays.safetensors",
        "item_tower.pt2",
        "items.json",
        "session_step.pt2",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    np.testing.assert_array_equal(model.recommend([["photo-0"]])[1], before[1])
    assert all(p.requires_grad for p in model.network_.parameters())


@pytest.mark.parametrize("export", [to_onnx, to_torch])
def test_what_cannot_be_exported(export, shop_log, shop_items, tmp_path):
    popular = PopularityRecommender().fit(shop_log, items=shop_items)
    with pytest.raises(TypeError, match="fitted EmbRecEstimator, .*got PopularityRecommender"):
        export(popular, tmp_path / "a")
    with pytest.raises(TypeError, match="got Pipeline. Take the last step"):
        export(make_pipeline(EmbRecEstimator()), tmp_path / "a")
    with pytest.raises(NotFittedError):
        export(EmbRecEstimator(), tmp_path / "a")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    model = fit(shop_log, shop_items)
    with pytest.raises(FileExistsError, match="holds no export of embrec"):
        export(model, tmp_path / "full")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


def test_without_onnxscript_the_extra_is_named(shop_log, shop_items, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ImportError, match=r'pip install "embrec\[onnx\]"'):
        to_onnx(fit(shop_log, shop_items), tmp_path / "a")


@pytest.mark.parametrize("fit", ["onnx", "torch"])
def test_clicks_say_what_they_say_here(shop_log, shop_items, tmp_path, fit):
    """Features of events are inputs, and those of an event of which nothing is known are there."""
    rng = np.random.default_rng(0)
    log = shop_log.assign(kind=rng.choice(["view", "buy"], len(shop_log)))
    kinds = make_column_transformer((OneHotEncoder(), ["kind"]))
    numbers = make_column_transformer((OneHotEncoder(), ["timestamp"]))
    model = fit_small(
        log,
        shop_items,
        event_featurizer=make_union(kinds, numbers),
        user_featurizer=kinds,
        max_epochs=10,
        early_stopping=False,
    )
    write = to_onnx if fit == "onnx" else to_torch
    write(model, tmp_path / "model")
    meta = json.loads((tmp_path / "model" / "embrec-export.json").read_text())
    assert meta["session_step"]["inputs"] == ["states", "vectors", "events_0", "events_1"]
    assert meta["n_event_features"] == [2, 4]
    arrays = load_file(tmp_path / "model" / meta["arrays"])
    ids = json.loads((tmp_path / "model" / meta["items"]).read_text())
    path = str(tmp_path / "model" / meta["session_step"]["file"])
    if fit == "onnx":
        runtime = onnxruntime.InferenceSession(path)

        def step(*inputs):
            names = meta["session_step"]["inputs"]
            return runtime.run(None, dict(zip(names, inputs, strict=True)))
    else:
        loaded = torch.export.load(path).module()

        def step(*inputs):
            return [found.detach().numpy() for found in loaded(*map(torch.from_numpy, inputs))]

    session, states = model.start_session(), arrays["initial_state"][None]
    unknown = [arrays[f"events_{i}"][None] for i in range(2)]
    buy = [np.float32([[1, 0]]), np.float32([[0, 1, 0, 0]])]  # second of the times
    for item, event, features in (
        ("photo-0", None, unknown),
        ("desk-1", {"kind": "buy", "timestamp": 1}, buy),
    ):
        session.add(item, event=event)
        vector = arrays["item_vectors"][[ids.index(item)]]
        states, queries = step(states, vector, *features)
    scores = np.sort((queries @ arrays["item_vectors"].T)[0])[::-1]
    expected = session.recommend(15, exclude_seen=False)[1]
    assert_allclose(scores, expected, atol=1e-5)
    plain = model.recommend([["photo-0", "desk-1"]], 15, exclude_seen=False)[1]
    assert np.abs(expected - plain).max() > 1e-4
