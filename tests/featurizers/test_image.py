"""Items as vectors of their pictures: cells of every kind, bad ones among them."""

import io
import pickle
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from joblib import Memory, parallel_config
from PIL import Image
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline, make_union
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from embrec.encoders import picture_encoder, pictures
from embrec.encoders.alexnet import AlexNet
from embrec.encoders.pictures import PictureError
from embrec.encoders.preprocessing import ImageNetPreprocess
from embrec.encoders.running import forget_encoders
from embrec.featurizers import ImageFeaturizer, UnreadablePictureWarning


@pytest.fixture(autouse=True)
def no_models_of_other_tests():
    yield
    forget_encoders()


class Means(nn.Module):
    """Features: the means of the channels."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, pictures):
        return pictures.mean((2, 3)) * self.scale


@pytest.fixture
def seen():
    """How many pictures went through networks at a time; kept by torch, as it is none of theirs."""
    counts = []

    def remember(network, pictures, means):
        if isinstance(network, Means):
            counts.append(len(means))

    handle = register_module_forward_hook(remember)
    yield counts
    handle.remove()


def small(image):
    pixels = np.array(image.resize((8, 8)), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)


def featurizer(**parameters):
    defaults = {"backbone": Means(), "preprocess": small, "device": "cpu"}
    return ImageFeaturizer(**{**defaults, **parameters})


COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "grey": (51, 51, 51)}


def vector(colour, missing=0):
    return [*(value / 255 for value in COLOURS.get(colour, (0, 0, 0))), missing]


MISSING = vector(None, missing=1)


def png(colour):
    stream = io.BytesIO()
    Image.new("RGB", (20, 10), COLOURS[colour]).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Pictures of one colour each."""
    for name in COLOURS:
        (tmp_path / f"{name}.png").write_bytes(png(name))
    (tmp_path / "broken.png").write_bytes(png("red")[:50])
    return tmp_path


# ---- cells and tables


def test_every_kind_of_cell(folder):
    cells = [
        "red.png",
        str(folder / "green.png"),
        folder / "blue.png",
        (folder / "grey.png").as_uri(),
        png("red"),
        Image.new("RGB", (9, 9), COLOURS["green"]),
        np.full((5, 5, 3), COLOURS["blue"], dtype=np.uint8),
        np.full((5, 5), 0.2),
        *(None, np.nan, np.float32("nan"), pd.NA, pd.NaT, "", "  "),
    ]
    colours = ["red", "green", "blue", "grey"] * 2
    vectors = featurizer(folder=folder).fit_transform(cells)
    np.testing.assert_allclose(vectors[:8], [vector(c) for c in colours], atol=1e-6)
    np.testing.assert_array_equal(vectors[8:], [MISSING] * 7)
    assert vectors.dtype == np.float32


def test_relative_paths_start_at_the_working_directory(folder, monkeypatch):
    monkeypatch.chdir(folder)
    np.testing.assert_allclose(featurizer().fit_transform(["red.png"]), [vector("red")])


TABLES = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}
NAMES = ["red.png", None, "blue.png", "", "red.png"]
EXPECTED = [vector("red"), MISSING, vector("blue"), MISSING, vector("red")]


@pytest.mark.parametrize("library", TABLES)
@pytest.mark.parametrize("columns", ["picture", ["picture"], None], ids=["str", "list", "none"])
def test_tables(folder, library, columns):
    table = {"picture": NAMES, "price": [1.0, 2.0, 3.0, 4.0, 5.0]}
    if columns is None:
        del table["price"]
    X = TABLES[library](table)
    model = featurizer(columns=columns, folder=folder)
    np.testing.assert_allclose(model.fit_transform(X), EXPECTED)
    np.testing.assert_allclose(model.transform(X), EXPECTED)
    assert model.feature_names_in_.tolist() == list(table)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables_of_bytes(library):
    X = TABLES[library]({"picture": [png("red"), None, png("blue")]})
    np.testing.assert_allclose(featurizer().fit_transform(X), EXPECTED[:3])


SEQUENCES = {
    "list": list,
    "tuple": tuple,
    "object array": lambda cells: np.array(cells, dtype=object),
    "pandas Series": pd.Series,
    "pandas str Series": lambda cells: pd.Series(cells, dtype="str"),
    "polars Series": pl.Series,
    "rows": lambda cells: [[cell] for cell in cells],
    "2-D array": lambda cells: np.array(cells, dtype=object)[:, np.newaxis],
}


@pytest.mark.parametrize("kind", SEQUENCES)
def test_sequences(folder, kind):
    X = SEQUENCES[kind](NAMES)
    np.testing.assert_allclose(featurizer(folder=folder).fit_transform(X), EXPECTED)


def test_str_arrays_and_stacks_of_pictures(folder):
    model = featurizer(folder=folder)
    X = np.array(["red.png", "blue.png"])
    np.testing.assert_allclose(model.fit_transform(X), [vector("red"), vector("blue")])
    stack = np.zeros((2, 7, 6, 3), dtype=np.uint8)
    stack[0, :, :, 0] = stack[1, :, :, 2] = 255
    np.testing.assert_allclose(model.transform(stack), [vector("red"), vector("blue")])


def test_a_table_after_a_sequence_and_back(folder):
    model = featurizer(columns="picture", folder=folder).fit(NAMES)
    np.testing.assert_allclose(model.transform(pd.DataFrame({"picture": NAMES})), EXPECTED)
    model.fit(pd.DataFrame({"picture": NAMES}))
    np.testing.assert_allclose(model.transform(NAMES), EXPECTED)


def test_other_columns_than_those_of_fit(folder):
    model = featurizer(folder=folder).fit(pd.DataFrame({"picture": NAMES}))
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(pd.DataFrame({"image": NAMES}))


# ---- unreadable pictures


def bad_cells(folder):
    return [
        "red.png",
        "none.png",
        None,
        "broken.png",
        "https://shop.example/a.jpg",
        3.5,
        str(folder),
    ]


def test_unreadable_pictures_are_zeros_and_one_warning(folder):
    model = featurizer(folder=folder).fit(["red.png"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        vectors = model.transform(bad_cells(folder))
    np.testing.assert_allclose(vectors, [vector("red")] + [MISSING] * 6)
    assert [type(warning.message) for warning in caught] == [UnreadablePictureWarning]
    message = str(caught[0].message)
    assert message.startswith("5 of 7 pictures could not be read: ")
    assert f"{folder / 'none.png'}: No such file or directory; " in message
    assert f"{folder / 'broken.png'}: " in message
    assert "shop.example/a.jpg: embrec downloads nothing: download it first; and 2 more" in message


def test_missing_pictures_are_no_error():
    for on_error in ("warn", "raise", "ignore"):
        model = featurizer(on_error=on_error).fit([png("red"), None])
        vectors = model.transform([None, "", np.nan])
        np.testing.assert_array_equal(vectors, [MISSING] * 3)


def test_a_column_without_any_picture():
    with pytest.raises(ValueError, match=r"no pictures in 3 items.*columns=None"):
        featurizer().fit([None, "", np.nan])


def test_the_warning_points_at_the_user_and_says_where_paths_start(folder):
    model = featurizer(folder=folder).fit(["red.png"])
    rows = ["red.png", "none.png"]
    for use in (model.transform, make_pipeline(model).transform):
        with pytest.warns(UnreadablePictureWarning) as caught:
            use(rows)
        assert caught[0].filename == __file__
        assert f"Relative paths start at {folder}, as folder= says." in str(caught[0].message)
    with pytest.warns(UnreadablePictureWarning) as caught:
        model.transform(["broken.png"])
    assert "folder=" not in str(caught[0].message)


def test_a_network_that_does_not_take_such_pictures():
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 10 * 10, 2))
    with pytest.raises(ValueError, match=r"fails on a batch of shape \(1, 3, 8, 8\).*preprocess="):
        featurizer(backbone=network).fit([png("red")])
    with pytest.raises(ValueError, match=r"an instance of 'torch.nn.modules.module.Module'"):
        featurizer(backbone=Means).fit([png("red")])


def test_a_name_without_its_library():
    with pytest.raises(ValueError, match="Did you mean 'torchvision:resnet50'"):
        ImageFeaturizer(backbone="resnet50").fit([png("red")])


def test_ignored_silently(folder):
    vectors = featurizer(folder=folder, on_error="ignore").fit_transform(bad_cells(folder))
    np.testing.assert_allclose(vectors, [vector("red")] + [MISSING] * 6)


@pytest.mark.parametrize("with_memory", [False, True])
def test_strict(folder, with_memory):
    memory = folder / "memory" if with_memory else None
    model = featurizer(folder=folder, on_error="raise", memory=memory).fit(["red.png"])
    with pytest.raises(PictureError, match=r"(?s)5 of 7 .*none\.png: No such.*broken\.png: "):
        model.transform(bad_cells(folder))
    np.testing.assert_allclose(model.transform(["red.png"]), [vector("red")])


def test_bytes_and_arrays_are_named_by_their_position():
    model = featurizer().fit([png("red")])
    with pytest.warns(UnreadablePictureWarning) as caught:
        model.transform([png("red"), b"text", np.full((2, 2), 7.0)])
    message = str(caught[0].message)
    assert "bytes of item 1: not a picture in a format that is read" in message
    assert "ndarray of item 2: an array of floats that are not all from 0 to 1" in message


def test_without_the_indicator(folder):
    model = featurizer(folder=folder, missing_indicator=False, on_error="ignore")
    vectors = model.fit_transform(bad_cells(folder))
    np.testing.assert_allclose(vectors, np.array([vector("red")] + [MISSING] * 6)[:, :3])
    assert model.get_feature_names_out().tolist() == [f"imagefeaturizer{i}" for i in range(3)]
    model.set_params(memory=folder / "memory")
    for _ in range(2):
        np.testing.assert_allclose(model.transform(bad_cells(folder)), vectors)


def test_max_pixels(folder):
    with pytest.warns(UnreadablePictureWarning, match="20 x 10 pixels are more than max_pixels=19"):
        vectors = featurizer(folder=folder, max_pixels=199).fit_transform(["red.png"])
    np.testing.assert_array_equal(vectors, [MISSING])


# ---- what vectors do not depend on


@pytest.mark.parametrize("batch_size", [1, 3, 64])
@pytest.mark.parametrize("n_decoders", [None, 1, 3])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_batches_threads_and_order(folder, batch_size, n_decoders, n_jobs):
    cells = [f"{name}.png" for name in COLOURS] + ["broken.png", None, png("red"), "red.png"]
    cells += list(np.random.default_rng(0).integers(0, 256, (5, 9, 9, 3), dtype=np.uint8))
    reference = featurizer(folder=folder, on_error="ignore").fit_transform(cells)
    model = featurizer(
        folder=folder,
        on_error="ignore",
        batch_size=batch_size,
        n_decoders=n_decoders,
        n_jobs=n_jobs,
    )
    with parallel_config(backend="threading"):
        np.testing.assert_allclose(model.fit_transform(cells), reference, atol=1e-6)
        order = np.random.default_rng(1).permutation(len(cells))
        shuffled = model.transform([cells[i] for i in order])
    np.testing.assert_allclose(shuffled, reference[order], atol=1e-6)


def test_equal_pictures_are_computed_once(folder, seen):
    model = featurizer(folder=folder).fit(["red.png"])
    seen.clear()
    data = png("blue")
    model.transform(["red.png"] * 3 + [folder / "red.png", data, data, None, None])
    assert sum(seen) == 2


def test_several_threads_transform_at_a_time(folder):
    model = featurizer(folder=folder).fit(["red.png"])
    state = dict(vars(model))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: model.transform(NAMES), range(12)))
    for result in results:
        np.testing.assert_allclose(result, EXPECTED)
    assert vars(model) == state


# ---- memory


def test_what_is_stored_is_not_decoded_again(folder, seen):
    cells = [f"{name}.png" for name in COLOURS] + ["broken.png", "none.png", None]
    model = featurizer(folder=folder, memory=folder / "memory", on_error="ignore")
    first = model.fit_transform(cells)
    seen.clear()
    again = model.transform(cells[::-1])
    np.testing.assert_array_equal(again[::-1], first)
    assert seen == []
    np.testing.assert_allclose(first[:4], [vector(name) for name in COLOURS], atol=1e-3)
    np.testing.assert_array_equal(first[4:], [MISSING] * 3)
    # the same content, by another name
    (folder / "copy.png").write_bytes(png("red"))
    np.testing.assert_array_equal(model.transform(["copy.png", png("blue")]), first[[0, 2]])
    assert seen == []


def test_stored_failures_are_still_reported(folder):
    model = featurizer(folder=folder, memory=folder / "memory").fit(["red.png"])
    messages = []
    for _ in range(2):
        with pytest.warns(UnreadablePictureWarning) as caught:
            model.transform(["broken.png"])
        messages.append(str(caught[0].message))
    assert messages[0] == messages[1]
    assert "could not be decoded" not in messages[0]


def test_what_fails_for_a_while_is_not_stored(folder, monkeypatch):
    """A disk that is away, a lack of memory: the next transform tries again."""
    model = featurizer(folder=folder, memory=folder / "memory").fit(["red.png"])
    with monkeypatch.context() as patch:
        patch.setattr(picture_encoder, "decode", raise_picture_error)
        with pytest.warns(UnreadablePictureWarning, match="was changed or away when it was read"):
            vectors = model.transform(["red.png", None])
    np.testing.assert_array_equal(vectors, [MISSING, MISSING])
    np.testing.assert_allclose(model.transform([None, "red.png"]), [MISSING, vector("red")])


def raise_picture_error(*args, **kwargs):
    raise PictureError("away")


def test_a_file_that_changes_while_it_is_read(folder, monkeypatch):
    """Between its key and its pixels; another picture with the old content keeps its vector."""
    model = featurizer(folder=folder, memory=folder / "memory", on_error="ignore")
    model.fit(["red.png"])

    def decode(source, **settings):
        (folder / "blue.png").write_bytes(png("green") + b" ")
        return pictures.decode(source, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(picture_encoder, "decode", decode)
        np.testing.assert_array_equal(model.transform(["blue.png"]), [MISSING])
    (folder / "copy.png").write_bytes(png("blue"))
    found = model.transform(["copy.png", "blue.png"])
    np.testing.assert_allclose(found, [vector("blue"), vector("green")])


def test_a_memory_map_with_failures(folder):
    memory = Memory(folder / "memory", mmap_mode="r", verbose=0)
    model = featurizer(folder=folder, memory=memory, on_error="ignore").fit(["red.png"])
    vectors = model.transform(["broken.png", "red.png"])
    np.testing.assert_allclose(vectors, [MISSING, vector("red")])
    assert isinstance(vectors, np.memmap)


def test_workers_look_in_the_folder_of_now(folder, monkeypatch):
    """Worker processes outlive the call, and stay where they were."""
    for name, colour in {"x": "red", "y": "blue"}.items():
        (folder / name).mkdir()
        for i in range(2):
            Image.new("RGB", (20, 10 + i), COLOURS[colour]).save(folder / name / f"{i}.png")
    # of what workers have at hand: they would take seconds to import more
    means = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = ImageFeaturizer(
        backbone=means, preprocess=ImageNetPreprocess(8, 8), device="cpu", n_jobs=2, batch_size=1
    )
    found = []
    for name in ("x", "y"):
        monkeypatch.chdir(folder / name)
        found.append(model.fit_transform(["0.png", "1.png"]))
    assert not np.allclose(*found)
    monkeypatch.chdir(folder / "x")
    np.testing.assert_allclose(model.set_params(n_jobs=1).transform(["0.png", "1.png"]), found[0])


@pytest.mark.parametrize("with_memory", [False, True])
@pytest.mark.parametrize(
    "cell",
    ["x" * 300 + ".jpg", "http://[broken/x.jpg", "\ud800.png", "a\0b.png"],
    ids=["long", "no url", "surrogate", "null"],
)
def test_names_that_no_file_has(folder, cell, with_memory):
    memory = folder / "memory" if with_memory else None
    model = featurizer(folder=folder, memory=memory).fit([cell, "red.png"])
    with pytest.warns(UnreadablePictureWarning, match="1 of 2 pictures could not be read"):
        vectors = model.transform([cell, "red.png"])
    np.testing.assert_allclose(vectors, [MISSING, vector("red")])


@pytest.mark.parametrize("change", ["data", "layer"])
def test_a_network_that_changes_in_any_way(change):
    network = nn.Sequential(Means(), nn.Linear(3, 2))
    model = featurizer(backbone=network).fit([png("red")])
    before = model.transform([png("red")])
    if change == "data":
        network[1].weight.data.zero_()
    else:
        network[1] = nn.Linear(3, 2)
    with pytest.raises(ValueError, match="not the one that it was fitted with"):
        model.transform([png("red")])
    assert not np.allclose(model.fit(["x.png"]).transform([png("red")]), before)


def test_values_within_preprocess_count(folder):
    """Two functions of the same code are told apart by what they hold."""

    def darker(factor):
        return lambda image: small(image) * factor

    for factor in (1.0, 0.5):
        model = featurizer(preprocess=darker(factor), memory=folder / "memory")
        np.testing.assert_allclose(
            model.fit_transform([png("red")]), [[factor, 0, 0, 0]], atol=1e-3
        )


def test_palettes_with_transparency():
    """Equal colours, another alpha."""
    faint, full = (
        Image.new("RGBA", (8, 8), (*COLOURS["red"], alpha)).quantize(4) for alpha in (10, 255)
    )
    vectors = featurizer().fit_transform([full, faint])
    np.testing.assert_allclose(vectors[0], vector("red"), atol=0.02)
    assert vectors[1, 1] > 0.9


def test_a_picture_that_comes_later_is_found(folder):
    model = featurizer(folder=folder, memory=folder / "memory", on_error="ignore").fit(["red.png"])
    np.testing.assert_array_equal(model.transform(["late.png"]), [MISSING])
    (folder / "late.png").write_bytes(png("green"))
    np.testing.assert_allclose(model.transform(["late.png"]), [vector("green")])
    (folder / "late.png").write_bytes(png("blue"))
    np.testing.assert_allclose(model.transform(["late.png"]), [vector("blue")])


def test_a_memory_map(folder):
    memory = Memory(folder / "memory", mmap_mode="r", verbose=0)
    model = featurizer(folder=folder, memory=memory)
    vectors = model.fit_transform(NAMES)
    assert isinstance(vectors, np.memmap)
    assert vectors.dtype == np.float16
    np.testing.assert_allclose(vectors, EXPECTED, atol=1e-3)


# ---- copies


@pytest.fixture
def alexnet_file(tmp_path):
    torch.manual_seed(0)
    torch.save(AlexNet().state_dict(), tmp_path / "alexnet.pth")
    return tmp_path / "alexnet.pth"


def test_alexnet_by_name_pickles_small(folder, alexnet_file):
    model = ImageFeaturizer(weights=alexnet_file, folder=folder, device="cpu")
    vectors = model.fit_transform(["red.png", None])
    assert vectors.shape == (2, 4097)
    assert vectors[0, :-1].any()
    data = pickle.dumps(model)
    assert len(data) < 5000
    forget_encoders()
    np.testing.assert_array_equal(pickle.loads(data).transform(["red.png", None]), vectors)
    alexnet_file.unlink()
    forget_encoders()
    with pytest.raises(FileNotFoundError, match="weights="):
        pickle.loads(data).transform(["red.png"])


def test_other_weights_than_those_of_fit_are_refused(folder):
    model = featurizer(folder=folder).fit(["red.png"])
    with torch.no_grad():
        model.backbone.scale[0] = 2
    with pytest.raises(ValueError, match="not the one that it was fitted with"):
        model.transform(["red.png"])
    np.testing.assert_allclose(model.fit_transform(["red.png"]), [[2, 0, 0, 0]])


def test_clone_keeps_the_network(folder):
    model = featurizer(folder=folder, batch_size=7)
    vectors = model.fit_transform(NAMES)
    copy = clone(model)
    assert copy.batch_size == 7
    with pytest.raises(NotFittedError):
        copy.transform(NAMES)
    np.testing.assert_array_equal(copy.fit_transform(NAMES), vectors)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).transform(NAMES), vectors)


# ---- among other estimators


def test_names_of_features(folder):
    model = featurizer(folder=folder)
    with pytest.raises(NotFittedError):
        model.get_feature_names_out()
    frame = model.set_output(transform="pandas").fit_transform(pd.DataFrame({"picture": NAMES}))
    assert frame.columns.tolist() == [
        *("imagefeaturizer0", "imagefeaturizer1", "imagefeaturizer2"),
        "imagefeaturizer_missing",
    ]
    assert frame["imagefeaturizer_missing"].tolist() == [0, 1, 0, 1, 0]


def test_pipeline(folder):
    pipeline = make_pipeline(featurizer(folder=folder), TruncatedSVD(2, random_state=0))
    pipeline.set_params(imagefeaturizer__batch_size=2)
    vectors = pipeline.fit_transform(pd.DataFrame({"picture": NAMES}))
    assert vectors.shape == (5, 2)
    assert pipeline[0].batch_size == 2


def test_unions(folder):
    X = pd.DataFrame({"front": NAMES, "back": NAMES[::-1]})
    expected = np.hstack([EXPECTED, EXPECTED[::-1]])
    union = make_union(
        featurizer(columns="front", folder=folder), featurizer(columns="back", folder=folder)
    )
    np.testing.assert_allclose(union.fit_transform(X), expected)
    transformer = make_column_transformer(
        (featurizer(folder=folder), "front"), (featurizer(folder=folder), ["back"])
    )
    np.testing.assert_allclose(transformer.fit_transform(X), expected)


def test_column_transformer_names(folder):
    X = pd.DataFrame({"picture": NAMES})
    transformer = ColumnTransformer([("image", featurizer(folder=folder), ["picture"])]).fit(X)
    assert transformer.get_feature_names_out()[-1] == "image__imagefeaturizer_missing"


# ---- parameters and libraries


@pytest.mark.parametrize(
    "parameter",
    [
        *({"on_error": "skip"}, {"max_pixels": 0}, {"n_decoders": 0}, {"batch_size": 0}),
        *({"backbone": 3}, {"preprocess": "none"}, {"missing_indicator": "yes"}),
    ],
    ids=lambda parameter: next(iter(parameter)),
)
def test_wrong_parameters(parameter):
    with pytest.raises(ValueError, match=next(iter(parameter))):
        featurizer(**parameter).fit([png("red")])


@pytest.mark.parametrize("library", ["PIL.Image", "skimage.feature"])
def test_a_missing_library_names_the_extra(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=r'pip install "embrec\[image\]"'):
        ImageFeaturizer(backbone="descriptor").fit([b""])


def test_the_descriptor_tells_posters_apart(folder):
    model = ImageFeaturizer(backbone="descriptor", folder=folder)
    vectors = model.fit_transform(["red.png", "blue.png", "red.png", None])
    assert vectors.shape == (4, 613)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert vectors[0] @ vectors[1] == pytest.approx(0)
    assert np.linalg.norm(vectors[0]) == pytest.approx(1)  # one colour, and no edge
