"""What a file of skops can hold, and what is read from one."""

from zipfile import ZipFile

import joblib
import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from embrec import ImageFeaturizer, TfidfItemFeaturizer
from embrec.persistence.objects import dump_objects, load_objects


def split_at_commas(text):
    return text.split(",")


def made_by(split):
    return TfidfItemFeaturizer(tokenizer=split).fit(["a b", "b c,d"])


def test_a_function_of_a_module_comes_back(tmp_path):
    featurizer = made_by(split_at_commas)
    dump_objects({"featurizer": featurizer}, tmp_path / "file")
    name = f"{__name__}.split_at_commas"
    with pytest.raises(ValueError, match=rf"trusted=\['{name}'\]"):
        load_objects(tmp_path / "file", ())
    loaded = load_objects(tmp_path / "file", [name])["featurizer"]
    assert loaded.tokenizer is split_at_commas
    texts = ["a b", "x,b"]
    np.testing.assert_array_equal(
        loaded.transform(texts).toarray(), featurizer.transform(texts).toarray()
    )


def test_objects_that_joblib_mapped_from_a_file(tmp_path):
    texts = ["a b", "b c"]
    featurizer = TfidfItemFeaturizer(token_pattern=r"\w").fit(texts)
    scaler = StandardScaler().fit(np.eye(3))
    joblib.dump([featurizer, scaler], tmp_path / "pickle")
    mapped = dict(zip("fs", joblib.load(tmp_path / "pickle", mmap_mode="r"), strict=True))
    assert isinstance(mapped["s"].mean_, np.memmap)
    dump_objects(mapped, tmp_path / "file")
    assert isinstance(mapped["s"].mean_, np.memmap)  # they stay as they were
    found = load_objects(tmp_path / "file", ())
    assert type(found["s"].mean_) is np.ndarray
    np.testing.assert_array_equal(found["s"].mean_, scaler.mean_)
    np.testing.assert_array_equal(
        found["f"].transform(texts).toarray(), featurizer.transform(texts).toarray()
    )


def nested():
    def split(text):
        return text.split()

    return split


def test_a_function_that_shares_its_name(tmp_path):
    """Another one would be loaded."""

    def made():
        def split_at_commas(text):
            return text.split()

        split_at_commas.__qualname__ = "split_at_commas"
        return split_at_commas

    with pytest.raises(ValueError, match=r"tokenizer= of TfidfItemFeaturizer is split_at_commas"):
        dump_objects({"featurizer": made_by(made())}, tmp_path / "file")


@pytest.mark.parametrize(
    "tokenizer",
    [lambda text: text.split(), str.split, "a b".split, nested()],
    ids=["lambda", "method of a class", "method of a string", "nested"],
)
def test_what_nobody_could_import_is_refused_when_saving(tokenizer, tmp_path):
    featurizer = TfidfItemFeaturizer(tokenizer=tokenizer)
    with pytest.raises(ValueError, match=r"nobody could import.*at the top of a module.*joblib"):
        dump_objects({"featurizer": featurizer}, tmp_path / "file")


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: make_union(make_pipeline(x))])
def test_networks_are_refused_by_name(wrap, tmp_path):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 224 * 224, 2))
    featurizer = wrap(ImageFeaturizer(backbone=network))
    with pytest.raises(ValueError, match=r"backbone= of .* is a Sequential in memory.*path of its"):
        dump_objects({"scaler": StandardScaler(), "featurizer": featurizer}, tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_a_function_of_a_script_is_missed_elsewhere(processes, tmp_path):
    script = """if True:
        import sys
        from embrec import TfidfItemFeaturizer
        from embrec.persistence.objects import dump_objects
        def split(text):
            return text.split()
        dump_objects({"one": TfidfItemFeaturizer(tokenizer=split)}, sys.argv[1])
    """
    done = processes.run(script, tmp_path / "other", tmp_path / "file")
    assert done.code == 0, done.err
    with pytest.raises(ValueError, match=r"needs __main__\.split, which cannot be imported here"):
        load_objects(tmp_path / "file", ["__main__.split"])


@pytest.mark.parametrize("changes", [{}, {"column_weights": {"title": 2.0}}], ids=str)
def test_terms_are_not_saved_one_by_one(changes, shop_items, tmp_path):
    """Of thousands that took seconds."""
    featurizer = TfidfItemFeaturizer(columns=["title"], max_features=20, **changes)
    dump_objects({"featurizer": featurizer.fit(shop_items)}, tmp_path / "file")
    assert len(ZipFile(tmp_path / "file").namelist()) < 10
