"""Encoders of pictures: what they compute with, and what makes one another."""

import pickle
import sys

import numpy as np
import pytest
import torch
from drawn_pictures import picture, pictures, small
from picture_models import Means
from torch import nn

from embrec.encoders.picture_keys import Picture
from embrec.encoders.preprocessing import ImageNetPreprocess
from embrec.encoders.running import encode, forget_encoders, get_encoder
from embrec.encoders.vision import VisionSpec


@pytest.fixture(autouse=True)
def no_models_of_other_tests():
    yield
    forget_encoders()


def spec(backbone=None, **settings):
    settings = {"preprocess": small, "device": "cpu", **settings}
    return VisionSpec.of(Means() if backbone is None else backbone, **settings)


# ---- preprocessing


@pytest.mark.parametrize(
    ("preprocess", "got"),
    [(np.asarray, "ndarray"), (lambda image: torch.zeros(1, 8, 8), r"\(1, 8, 8\)")],
    ids=["array", "one-channel"],
)
def test_preprocessing_that_returns_something_else(preprocess, got):
    with pytest.raises(ValueError, match=f"preprocess must .* got {got}"):
        spec(preprocess=preprocess).load()


def test_preprocessing_to_several_sizes():
    def whole(image):
        return torch.from_numpy(np.asarray(image, dtype=np.float32)).permute(2, 0, 1)

    encoder = spec(preprocess=whole).load()
    sizes = [Picture(np.asarray(picture(0, width)), b"") for width in (40, 50)]
    with pytest.raises(ValueError, match=r"one size; got \[\(3, 50, 40\), \(3, 50, 50\)\]"):
        list(encoder.encode([sizes]))


def test_a_network_that_returns_something_else():
    with pytest.raises(ValueError, match=r"turned \(1, 3, 8, 8\) into \(1, 3, 8, 8\)"):
        spec(nn.Identity()).load()


# ---- the encoder


def test_known_vectors():
    tensors = torch.stack([small(picture(seed)) for seed in range(7)])
    vectors = encode(spec(), pictures(), batch_size=3)
    np.testing.assert_allclose(vectors[:, :-1], Means()(tensors).detach(), rtol=1e-5)
    assert vectors.dtype == np.float32


def test_dropout_and_the_like_are_off():
    vectors = encode(spec(nn.Sequential(Means(), nn.Dropout(0.5))), pictures(), batch_size=3)
    np.testing.assert_allclose(vectors, encode(spec(), pictures(), batch_size=3), rtol=1e-6)


def test_fingerprints():
    def fingerprint(**settings):
        return spec(**settings).load().fingerprint

    changed = Means()
    with torch.no_grad():
        changed.scale[0] = 9
    assert fingerprint() == fingerprint(n_decoders=3)
    different = [
        fingerprint(),
        fingerprint(preprocess=None),
        fingerprint(preprocess=ImageNetPreprocess(resize=300)),
        fingerprint(preprocess=lambda image: small(image)),
        fingerprint(preprocess=lambda image: -small(image)),
        fingerprint(max_pixels=10**6),
        fingerprint(backbone=changed),
        fingerprint(backbone=nn.Sequential(Means(), nn.ReLU())),
        fingerprint(backbone=nn.Sequential(Means(), nn.Tanh())),
        fingerprint(backbone="descriptor", preprocess=None),
    ]
    assert len(set(different)) == len(different)


def test_a_network_changed_in_place_is_loaded_anew():
    network = Means()
    before = get_encoder(spec(network))
    assert get_encoder(spec(network)) is before
    with torch.no_grad():
        network.scale[0] = 9
    assert get_encoder(spec(network)).fingerprint != before.fingerprint


def test_a_function_changed_in_place_is_loaded_anew():
    class Prepare:
        side = torch.ones(1)

        def __call__(self, image):
            return small(image) * self.side

    network, prepare = Means(), Prepare()
    before = get_encoder(spec(network, preprocess=prepare))
    assert get_encoder(spec(network, preprocess=prepare)) is before
    prepare.side = torch.zeros(1)
    assert get_encoder(spec(network, preprocess=prepare)).fingerprint != before.fingerprint


def test_weights_written_anew_are_read_anew(tmp_path):
    path = tmp_path / "w.pth"
    network = Means()
    seen = []
    for first in (1.0, 5.0):
        torch.save({"scale": torch.tensor([first, 2.0, 3.0])}, path)
        seen.append(get_encoder(spec(network, weights=path)).fingerprint)
    assert len(set(seen)) == 2


def test_specs_travel(tmp_path):
    named = VisionSpec.of("alexnet", weights=tmp_path / "w.pth", preprocess=small)
    assert pickle.loads(pickle.dumps(named)) == named
    assert len({named, pickle.loads(pickle.dumps(named))}) == 1


def test_the_descriptor_takes_no_weights():
    for settings in ({"weights": "w.pth"}, {"preprocess": small}):
        with pytest.raises(ValueError, match="neither weights= nor preprocess="):
            VisionSpec.of("descriptor", **settings)


@pytest.mark.parametrize("library", ["PIL.Image", "skimage.feature"])
def test_a_missing_library_names_the_extra(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=r'pip install "embrec\[image\]"'):
        VisionSpec.of("descriptor").load()
