"""What every encoder keeps to."""

import pickle

import numpy as np
import pytest
from drawn_pictures import pictures, small
from picture_models import Means
from tiny_models import tiny_bert_folder, tiny_elmo_files

from embrec.encoders.elmo import ElmoSpec
from embrec.encoders.pictures import PictureError, decode
from embrec.encoders.protocol import Encoder, EncoderSpec, EncodingError
from embrec.encoders.running import forget_encoders
from embrec.encoders.sentence import SentenceSpec
from embrec.encoders.vision import VisionSpec

TEXTS = ["red pen", "a bottle of blue ink, and paper", "box", "red pen of the box"]
SPECS = {
    "elmo": ("h5py", lambda: ElmoSpec.of(**tiny_elmo_files(), device="cpu")),
    "sentence": (
        "sentence_transformers",
        lambda: SentenceSpec.of(tiny_bert_folder(), device="cpu"),
    ),
    "descriptor": ("skimage", lambda: VisionSpec.of("descriptor")),
    "network": ("PIL", lambda: VisionSpec.of(Means(), preprocess=small, device="cpu")),
}


@pytest.fixture(params=SPECS)
def spec(request):
    library, make = SPECS[request.param]
    pytest.importorskip(library)
    yield make()
    forget_encoders()


def contents_of(spec):
    return pictures(4) if isinstance(spec, VisionSpec) else TEXTS


def test_batches_become_float32_of_one_width(spec):
    assert isinstance(spec, EncoderSpec)
    encoder, contents = spec.load(), contents_of(spec)
    assert isinstance(encoder, Encoder)
    assert all(isinstance(encoder.cost(content), int) for content in contents)
    found = list(encoder.encode([contents[:1], contents[1:]]))
    assert [(vectors.shape, vectors.dtype) for vectors in found] == (
        [((n, encoder.n_features), np.float32) for n in (1, 3)]
    )


def test_a_vector_depends_on_its_content_alone(spec):
    encoder, contents = spec.load(), contents_of(spec)
    [together] = encoder.encode([contents])
    alone = np.concatenate(list(encoder.encode([[content] for content in contents[::-1]])))
    np.testing.assert_allclose(together, alone[::-1], rtol=1e-5, atol=1e-6)
    assert len(np.unique(together.round(4), axis=0)) == 4


def test_a_spec_that_travels_loads_the_same(spec):
    again = pickle.loads(pickle.dumps(spec))
    first = spec.load()
    forget_encoders()
    second = again.load()
    assert first.fingerprint == second.fingerprint
    contents = contents_of(spec)
    for found, expected in zip(second.encode([contents]), first.encode([contents]), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert len({spec, spec}) == 1


class Lengths:
    n_features = 1
    fingerprint = "lengths"

    def cost(self, content):
        return len(content)

    def encode(self, batches):
        for batch in batches:
            yield np.array([[len(text)] for text in batch], dtype=np.float32)


class LengthSpec:
    def load(self):
        return Lengths()


def test_what_is_none():
    assert isinstance(Lengths(), Encoder)
    assert isinstance(LengthSpec(), EncoderSpec)
    assert not isinstance(Lengths(), EncoderSpec)
    assert not isinstance(LengthSpec(), Encoder)


def test_unreadable_contents_are_value_errors():
    with pytest.raises(EncodingError) as caught:
        decode(b"no picture")
    assert isinstance(caught.value, PictureError)
    assert isinstance(caught.value, ValueError)
