"""Feature blocks on disk: the same numbers as in memory, read some rows at a time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.base import BaseEstimator, TransformerMixin

from embrec import EmbRecEstimator
from embrec.components import FixedItems, ItemTowers
from embrec.data.memmaps import StackedRows, is_stored, release
from embrec.datasets import make_shop
from embrec.network import to_feature_tensors
from embrec.network.features import StoredMatrix, mean_square_length, select_features
from embrec.network.items import TowerItems

CPU = torch.device("cpu")


def stored(path, array):
    found = np.memmap(path, dtype=array.dtype, mode="w+", shape=array.shape)
    found[:] = array
    found.flush()
    return np.memmap(path, dtype=array.dtype, mode="r", shape=array.shape)


def test_what_is_stored(tmp_path):
    array = stored(tmp_path / "a", np.ones((4, 3), np.float32))
    assert is_stored(array)
    assert is_stored(np.asarray(array)[1:])
    assert is_stored(sp.csr_array((array.ravel(), np.zeros(12, int), np.arange(13)), shape=(12, 1)))
    assert not is_stored(np.array(array))
    assert not is_stored(sp.eye_array(3, format="csr"))


def resident_kib(path):
    """Pages of a mapped file that are resident in this process."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.endswith(str(path)))
    return next(int(line.split()[1]) for line in lines[at:] if line.startswith("Rss:"))


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux to count pages")
def test_pages_are_let_go(tmp_path):
    array = stored(tmp_path / "a", np.arange(2**20))
    assert int(array.sum()) == 2**19 * (2**20 - 1)
    assert resident_kib(tmp_path / "a") == 8 * 2**10
    part = array[5:8]
    release(part)
    assert resident_kib(tmp_path / "a") == 0
    assert part.tolist() == [5, 6, 7]


def test_what_was_written_is_not_let_go(tmp_path):
    np.zeros(4).tofile(tmp_path / "a")
    for mode in ("c", "r+"):
        array = np.memmap(tmp_path / "a", dtype=np.float64, mode=mode)
        array[:] = 7
        release(array)
        assert array.tolist() == [7] * 4
    release(np.ones(3))


def make_blocks(tmp_path, n=50):
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(n, 6)).astype(np.float16)
    sparse = sp.random(n, 9, 0.3, format="csr", dtype=np.float32, rng=rng)
    on_disk = sp.csr_array(sparse)
    on_disk.data = stored(tmp_path / "data", sparse.data)
    in_memory = [dense.astype(np.float32), sparse]
    return in_memory, [stored(tmp_path / "dense", dense), on_disk]


@pytest.mark.parametrize("rows_at_a_time", [7, 100])
def test_towers_read_from_disk_as_from_memory(rows_at_a_time, tmp_path, monkeypatch):
    monkeypatch.setattr("embrec.network.items.ROWS_AT_A_TIME", rows_at_a_time)
    in_memory, on_disk = make_blocks(tmp_path)
    torch.manual_seed(0)
    network = TowerItems((6, 9), 4, 5)
    rows = np.array([3, 4, 7, 8, 11, 30, 49, 0])
    for chosen in (None, rows):
        gradients, embedded = [], []
        for blocks in (in_memory, on_disk):
            features = to_feature_tensors(blocks, CPU, chosen)
            network.zero_grad()
            items = network(features)
            (items**2).sum().backward()
            gradients.append([p.grad for p in network.towers.parameters()])
            embedded.append(items.detach())
            with torch.no_grad():
                torch.testing.assert_close(network(features), embedded[-1])
        assert all(isinstance(feature, StoredMatrix) for feature in features)
        torch.testing.assert_close(embedded[0], embedded[1])
        torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-5)


def test_chunks_drop_the_same_units_forward_and_backward(tmp_path, monkeypatch):
    """Towers run again in the backward pass; with other units dropped gradients would be wrong."""
    monkeypatch.setattr("embrec.network.items.ROWS_AT_A_TIME", 7)
    torch.manual_seed(0)
    network = TowerItems((6,), 4, 5, 0.5).train()
    features = to_feature_tensors([np.random.default_rng(0).normal(size=(50, 6))], CPU)
    features = [features[0].float()]
    torch.manual_seed(1)
    items = network(features)
    items.sum().backward()
    # the sum is linear in the output layer: its gradient is the sum of what went into it
    weight, bias = network.towers[0].output.weight, network.towers[0].output.bias
    hidden_sum = weight.grad[0]
    torch.testing.assert_close(items.sum(0), weight @ hidden_sum + 50 * bias, rtol=1e-4, atol=1e-4)


def test_rows_are_gathered_from_disk_as_from_memory(tmp_path):
    in_memory, on_disk = make_blocks(tmp_path)
    chosen, wanted = np.array([5, 2, 40, 41]), np.array([3, 0, 0])
    weights = [torch.randn(6, 2), torch.randn(9, 2)]
    for rows in (None, chosen):
        ours = select_features(to_feature_tensors(on_disk, CPU, rows), wanted)
        theirs = select_features(to_feature_tensors(in_memory, CPU, rows), wanted)
        for one, two, weight in zip(ours, theirs, weights, strict=True):
            torch.testing.assert_close(one @ weight, two @ weight)


def test_mean_square_length_in_blocks(tmp_path, monkeypatch):
    in_memory, on_disk = make_blocks(tmp_path)
    squares = (in_memory[0] ** 2).sum(axis=1)
    assert mean_square_length(on_disk[0]) == pytest.approx(squares.mean(), rel=1e-3)
    assert mean_square_length(on_disk[1]) == pytest.approx(mean_square_length(in_memory[1]))


class FromDisk(TransformerMixin, BaseEstimator):
    """Hands out precomputed features as they lie on disk, or as they are in memory."""

    def __init__(self, path, dtype, in_memory=False):
        self.path = path
        self.dtype = dtype
        self.in_memory = in_memory

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        rows = X["row"].to_numpy()
        table = np.memmap(self.path, dtype=self.dtype, mode="r").reshape(-1, 8)
        if self.in_memory:
            return np.array(table[rows], dtype=np.float32)
        return table if len(rows) == len(table) else np.array(table[rows])


@pytest.mark.parametrize("negatives", ["all", 30])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_fit_from_disk_is_a_fit_from_memory(negatives, dtype, tmp_path):
    shop = make_shop(n_users=80, n_items=200, random_state=0)
    items = pd.DataFrame({"item": shop.items["item"], "row": np.arange(200)})
    stored(tmp_path / "f", np.random.default_rng(0).normal(size=(200, 8)).astype(dtype))
    models = []
    for in_memory in (False, True):
        featurizer = FromDisk(tmp_path / "f", dtype, in_memory)
        model = EmbRecEstimator(
            featurizer, negatives=negatives, max_epochs=2, batch_size=16, random_state=0
        )
        models.append(model.fit(shop.interactions, items=items))
    assert is_stored(models[0].catalog_.blocks[0])
    np.testing.assert_allclose(
        models[0].index_.vectors, models[1].index_.vectors, rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
@pytest.mark.parametrize(
    ("loss", "item_model"),
    [("cross_entropy", ItemTowers(5)), ("cosine", FixedItems(5))],
    ids=["cross_entropy", "cosine"],
)
def test_models_of_features_on_disk_go_on(loss, item_model, dtype, tmp_path):
    shop = make_shop(n_users=80, n_items=200, random_state=0)
    items = pd.DataFrame({"item": shop.items["item"], "row": np.arange(200)})
    features = np.random.default_rng(0).normal(size=(200, 8)).astype(dtype)
    stored(tmp_path / "f", features)
    model = EmbRecEstimator(
        FromDisk(str(tmp_path / "f"), np.dtype(dtype).name),
        loss=loss,
        item_model=item_model,
        max_epochs=1,
        random_state=0,
    ).fit(shop.interactions, items=items)
    model.save(tmp_path / "model")
    new = pd.DataFrame({"item": ["new"], "row": [3]})
    recent = shop.interactions.tail(50)
    trusted = [f"{__name__}.FromDisk"]
    models = [model, EmbRecEstimator.load(tmp_path / "model", trusted=trusted)]
    for each in models:
        each.add_items(new).partial_fit(recent)
        assert len(each.catalog_) == 201
        np.testing.assert_array_equal(each.catalog_.blocks[0][:200], features.astype(np.float32))
    np.testing.assert_allclose(models[0].index_.vectors, models[1].index_.vectors, rtol=1e-5)


def test_features_on_disk_that_are_no_numbers_are_an_error(tmp_path):
    values = np.ones((200, 8), np.float32)
    values[17, 3] = np.nan
    stored(tmp_path / "f", values)
    shop = make_shop(n_users=20, n_items=200, random_state=0)
    items = pd.DataFrame({"item": shop.items["item"], "row": np.arange(200)})
    with pytest.raises(ValueError, match=r"1 values that are NaN or infinite.*first is row 17"):
        EmbRecEstimator(FromDisk(tmp_path / "f", np.float32)).fit(shop.interactions, items=items)


class TestStackedRows:
    @pytest.fixture
    def parts(self, tmp_path):
        numbers = np.arange(60, dtype=np.float32).reshape(20, 3)
        return [
            stored(tmp_path / "a", numbers[:12].astype(np.float16)),
            numbers[12:15],
            numbers[15:],
        ]

    @pytest.mark.parametrize(
        "rows",
        [slice(None), slice(3, 9), np.array([7, 0, 7, 3]), np.array([], dtype=int)],
        ids=["all", "slice", "any", "none"],
    )
    def test_rows_are_those_of_the_parts(self, parts, rows):
        positions = np.array([19, 0, 12, 5, 14, 11, 3, 16, 2, 5])
        stacked = StackedRows(parts, positions)
        whole = np.concatenate(parts, dtype=np.float32)[positions]
        np.testing.assert_array_equal(stacked[rows], whole[rows])
        assert stacked[rows].dtype == np.float32
        assert stacked.shape == (10, 3)
        np.testing.assert_array_equal(np.asarray(stacked), whole)
        assert is_stored(stacked)

    def test_stacks_of_stacks(self, parts):
        inner = StackedRows(parts, np.arange(20)[::-1])
        outer = StackedRows([inner, parts[1]], np.array([21, 0, 19]))
        np.testing.assert_array_equal(outer[:], [parts[1][1], parts[2][-1], parts[0][0]])


def test_new_items_leave_the_others_on_disk(tmp_path):
    shop = make_shop(n_users=60, n_items=200, random_state=0)
    vectors = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    column_of = dict(zip(shop.items["item"], range(200), strict=True))

    class OnDisk(TransformerMixin, BaseEstimator):
        def __init__(self, mapped=True):
            self.mapped = mapped

        def fit(self, X, y=None):
            return self

        def transform(self, X):
            rows = vectors[[column_of[f"I{int(r):05}"] for r in X["row"]]]
            if not self.mapped or len(rows) < 50:
                return rows
            return stored(tmp_path / f"{len(rows)}", rows)

    items = shop.items[["item"]].assign(row=range(200))
    log = shop.interactions
    is_new = items["row"] >= 190
    old_log = log[~log["item"].isin(items["item"][is_new])]
    recs = [EmbRecEstimator(OnDisk(mapped=m), max_epochs=1, random_state=0) for m in (True, False)]
    for rec in recs:
        rec.fit(old_log, items=items[~is_new])
        rec.add_items(items[is_new])
        rec.update_items(items[:1].assign(row=5))
        rec.partial_fit(log)
    [block] = recs[0].catalog_.blocks
    assert is_stored(block)
    np.testing.assert_array_equal(np.asarray(block), recs[1].catalog_.blocks[0])
    np.testing.assert_allclose(
        recs[0].item_embeddings(["I00195"]), recs[1].item_embeddings(["I00195"]), atol=1e-5
    )
