"""What featurizers of frozen models share, with a model that can be worked out by hand."""

from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError

from embrec.encoders.running import forget_encoders
from embrec.featurizers import _frozen
from embrec.featurizers._frozen_text import FrozenTextFeaturizer

ITEMS = pd.DataFrame({"title": ["red", None, "blue ink", "red", "", "pen"], "price": range(6)})
EXPECTED = np.array([[3, 1], [0, 0], [8, 2], [3, 1], [0, 0], [3, 1]], dtype=np.float32)


@dataclass
class Counts:
    """The numbers of letters and of words, times a factor; remembers its batches."""

    factor: float
    seen: ClassVar[list] = []
    away: ClassVar[set] = set()

    n_features = 2

    @property
    def fingerprint(self):
        return f"counts-{self.factor}"

    def cost(self, content):
        return len(content)

    def encode(self, batches):
        for batch in batches:
            if Counts.away & set(batch):
                raise OSError("the disk is away")
            Counts.seen.append(list(batch))
            counts = [[len(text), len(text.split())] for text in batch]
            yield np.array(counts, dtype=np.float32) * self.factor


@dataclass(frozen=True)
class CountsSpec:
    factor: float

    def load(self):
        if self.factor <= 0:
            raise ValueError(f"factor={self.factor} is not positive")
        return Counts(self.factor)


class CountFeaturizer(FrozenTextFeaturizer):
    _cpu_batch = 2
    _model_parameters = ("factor",)
    _parameter_constraints: ClassVar[dict] = {
        **FrozenTextFeaturizer._shared_constraints,
        **FrozenTextFeaturizer._text_constraints,
        "factor": "no_validation",
    }

    def __init__(
        self, columns=None, *, factor=1.0, max_words=None, strip_html=True, batch_size="auto",
        device="cpu", memory=None, n_jobs=None, verbose=0,
    ):  # fmt: skip
        self.columns = columns
        self.factor = factor
        self.max_words = max_words
        self.strip_html = strip_html
        self.batch_size = batch_size
        self.device = device
        self.memory = memory
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _source(self):
        return CountsSpec(self.factor)


class Unreadable(CountFeaturizer):
    """Vectors of one word stand for texts that could not be read."""

    def _failed(self, vectors):
        return vectors[:, 1] == 1


@dataclass
class Applied(Counts):
    """Numbers of letters, as a function changes them."""

    fingerprint = "applied"

    def encode(self, batches):
        for vectors in Counts(1.0).encode(batches):
            yield self.factor(vectors)


class FunctionFeaturizer(CountFeaturizer):
    def _source(self):
        return Applied(self.factor)


@pytest.fixture(autouse=True)
def seen():
    forget_encoders()
    Counts.seen.clear()
    Counts.away.clear()
    yield Counts.seen
    forget_encoders()


def test_missing_contents_are_zeros_and_equal_ones_are_read_once(seen):
    vectors = CountFeaturizer("title").fit_transform(ITEMS)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, EXPECTED)
    # the longest first, in batches of two
    assert [len(batch) for batch in seen] == [2, 1]
    assert sorted(chain.from_iterable(seen)) == ["blue ink", "pen", "red"]


def test_nothing_to_read_is_an_error_of_fit_alone(seen):
    with pytest.raises(ValueError, match=r"no texts in 2 items.*columns='title' says where Count"):
        CountFeaturizer("title").fit(ITEMS[1:5:3])
    fitted = CountFeaturizer("title").fit(ITEMS)
    np.testing.assert_array_equal(fitted.transform(ITEMS[1:5:3]), np.zeros((2, 2)))
    assert seen == []


def test_before_fit():
    with pytest.raises(NotFittedError):
        CountFeaturizer().transform(["red"])


def test_names_of_features():
    names = CountFeaturizer().fit(["red"]).get_feature_names_out()
    assert names.tolist() == ["countfeaturizer0", "countfeaturizer1"]


def test_a_failed_fit_changes_nothing():
    fitted = CountFeaturizer("title").fit(ITEMS)
    before = dict(vars(fitted))
    with pytest.raises(ValueError, match="no column 'title'"):
        fitted.fit(ITEMS[["price"]])
    assert vars(fitted) == before
    with pytest.raises(ValueError, match="factor=-1 is not positive"):
        fitted.set_params(factor=-1).fit(ITEMS.assign(more=1))
    assert vars(fitted.set_params(factor=1.0)) == before
    np.testing.assert_array_equal(fitted.transform(ITEMS), EXPECTED)


def test_another_model_than_that_of_fit_is_refused():
    fitted = CountFeaturizer("title").fit(ITEMS)
    with pytest.raises(ValueError, match="model of CountFeaturizer is not the .* of factor= have"):
        fitted.set_params(factor=2.0).transform(ITEMS)
    with pytest.raises(ValueError, match="factor=-1 is not positive") as caught:
        fitted.set_params(factor=-1).transform(ITEMS)
    assert "set_params of the fitted CountFeaturizer" in caught.value.__notes__[0]
    np.testing.assert_array_equal(fitted.set_params(factor=2.0).fit_transform(ITEMS), 2 * EXPECTED)


@pytest.mark.parametrize(
    ("batch_size", "kind", "size"), [("auto", "cpu", 2), ("auto", "cuda", 64), (5, "cpu", 5)],
    ids=["cpu", "gpu", "asked-for"],
)  # fmt: skip
def test_batches_are_as_large_as_suits_the_device(monkeypatch, seen, batch_size, kind, size):
    monkeypatch.setattr(_frozen, "resolve_device", lambda device: torch.device(kind))
    fitted = CountFeaturizer(batch_size=batch_size).fit(["red"])
    fitted.transform(["x" * n for n in range(1, 131)])
    assert len(seen[0]) == size


class TestMemory:
    def test_what_is_stored_is_not_read_again(self, tmp_path, seen):
        first = CountFeaturizer("title", memory=tmp_path).fit_transform(ITEMS)
        seen.clear()
        again = CountFeaturizer("title", memory=str(tmp_path)).fit(ITEMS)
        new = pd.DataFrame({"title": ["pen", None, "paper", "red"], "price": range(4)})
        np.testing.assert_array_equal(again.transform(new), [[3, 1], [0, 0], [5, 1], [3, 1]])
        assert seen == [["paper"]]
        np.testing.assert_array_equal(first, EXPECTED)
        # of another model nothing is known
        np.testing.assert_array_equal(
            CountFeaturizer("title", factor=3.0, memory=tmp_path).fit_transform(ITEMS), 3 * EXPECTED
        )

    def test_a_memory_map(self, tmp_path):
        memory = joblib.Memory(tmp_path, mmap_mode="r", verbose=0)
        mapped = CountFeaturizer("title", memory=memory).fit_transform(ITEMS)
        assert isinstance(mapped, np.memmap)
        assert (mapped.dtype, mapped.flags.writeable) == (np.float16, False)
        np.testing.assert_array_equal(mapped, EXPECTED)

    def test_much_is_stored_a_part_at_a_time(self, tmp_path, monkeypatch, seen):
        """What is done when the process dies is there for the next one."""
        monkeypatch.setattr(_frozen, "STORED_AT_A_TIME", 3 * 2 * 4)  # three vectors
        fitted = CountFeaturizer(memory=tmp_path).fit(["red"])
        texts = [f"text {'x' * n}" for n in range(9)]
        Counts.away.add(texts[0])  # the shortest goes last
        with pytest.raises(OSError, match="the disk is away"):
            fitted.transform(texts)
        done = list(chain.from_iterable(seen))
        Counts.away.clear()
        seen.clear()
        expected = [[5 + n, 1 + (n > 0)] for n in range(9)]
        np.testing.assert_array_equal(fitted.transform(texts), expected)
        again = list(chain.from_iterable(seen))
        # of the part in which it failed, some may be read twice
        assert 0 <= len(done) + len(again) - 9 <= 2

    def test_what_could_not_be_read_is_tried_again(self, tmp_path, seen):
        fitted = Unreadable(memory=tmp_path).fit(["red pen"])
        texts = ["red pen", "ink", None, "blue box"]
        for _ in range(2):
            seen.clear()
            # as if it were missing: its own vector is not kept
            np.testing.assert_array_equal(fitted.transform(texts), [[7, 2], [0, 0], [0, 0], [8, 2]])
        assert seen == [["ink"]]

    @pytest.mark.parametrize("mapped", [False, True])
    @pytest.mark.parametrize("broken", [np.nan, np.inf])
    def test_what_is_not_finite_is_not_kept(self, tmp_path, broken, mapped):
        """As in one batch alone, or when a function fails for a while."""

        def fail(vectors):
            return np.where(vectors[:, :1] == 3, broken, vectors)

        texts = ["blue ink", "red", None, "red", "paper"]
        expected = [[8, 2], [broken] * 2, [0, 0], [broken] * 2, [5, 1]]
        told = r"vectors of 2 of 5 items, such as that at position 1, are not finite.*batch_size"
        with pytest.warns(UserWarning, match=told):
            plain = FunctionFeaturizer(factor=fail).fit_transform(texts)
        np.testing.assert_array_equal(plain, expected)
        memory = joblib.Memory(tmp_path, mmap_mode="r" if mapped else None, verbose=0)
        featurizer = FunctionFeaturizer(factor=fail, memory=memory).fit(texts)
        for _ in range(2):
            with pytest.warns(UserWarning, match=told):
                kept = featurizer.transform(texts)
            np.testing.assert_array_equal(kept, expected)
        assert isinstance(kept, np.memmap) == mapped
        assert kept.flags.writeable != mapped
        files = [path for path in tmp_path.rglob("*.npy") if path.name != "keys.npy"]
        assert files
        assert all(np.isfinite(np.load(path)).all() for path in files)

    def test_what_functions_read_tells_vectors_apart(self, tmp_path, monkeypatch, seen):
        def transform():
            return FunctionFeaturizer(factor=times_global, memory=tmp_path).fit_transform(["red"])

        monkeypatch.setitem(globals(), "TIMES", torch.tensor([2.0, 3.0]))
        assert transform().tolist() == [[6, 3]]
        n_files = len(list(tmp_path.rglob("*")))
        monkeypatch.setitem(globals(), "TIMES", torch.tensor([0.0, 2.0, 3.0])[1:])  # equal
        assert transform().tolist() == [[6, 3]]
        assert (len(seen), len(list(tmp_path.rglob("*")))) == (1, n_files)
        monkeypatch.setitem(globals(), "TIMES", torch.tensor([4.0, 4.0]))
        assert transform().tolist() == [[12, 4]]

    def test_functions_that_read_what_nobody_can_know(self, tmp_path, monkeypatch):
        monkeypatch.setitem(globals(), "TIMES", (n for n in range(1, 9)))
        featurizer = FunctionFeaturizer(factor=lambda vectors: vectors * next(TIMES))
        assert featurizer.fit_transform(["red"]).tolist() == [[3, 1]]
        with pytest.raises(ValueError, match=r"factor= of Function.*TIMES.*generator.*memory= out"):
            featurizer.set_params(memory=tmp_path).transform(["red"])
        assert list(tmp_path.iterdir()) == []

    def test_functions_that_change_what_they_read(self, tmp_path):
        calls = []
        featurizer = FunctionFeaturizer(factor=lambda vectors: calls.append(1) or vectors)
        featurizer.fit(["red"]).set_params(memory=tmp_path)
        with pytest.warns(UserWarning, match="factor= of FunctionFeaturizer changes what"):
            assert featurizer.transform(["red"]).tolist() == [[3, 1]]


TIMES = None


def times_global(vectors):
    return vectors * TIMES.numpy()
