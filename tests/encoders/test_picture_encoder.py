"""Pictures to vectors in threads, against each picture alone."""

import threading
import time

import numpy as np
import pytest
from drawn_pictures import encoded, picture, pictures
from joblib import parallel_config
from PIL import Image

from embrec.encoders.picture_encoder import N_AHEAD, PictureEncoder
from embrec.encoders.picture_keys import Picture, tell_apart
from embrec.encoders.running import encode

MISSING = [0, 0, 0, 1]


def shrink(image):
    return np.asarray(image.resize((8, 8)), dtype=np.float64) / 255


def means(prepared):
    return np.stack(prepared).mean((1, 2))


def encoder(prepare=shrink, compute=means, n_computed=3, max_pixels=10**6, **settings):
    return PictureEncoder(
        prepare,
        compute,
        n_computed=n_computed,
        fingerprint="",
        max_pixels=max_pixels,
        **settings,
    )


def encode_batches(made, *batches):
    return list(made.encode(batches))


@pytest.mark.parametrize("n_decoders", [1, 2, 5])
@pytest.mark.parametrize("batch_size", [1, 2, 100])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_good_and_bad_ones_together_equal_each_alone(n_decoders, batch_size, n_jobs):
    contents = pictures(6)
    contents[1] = Picture(b"broken", b"1")
    contents[4] = Picture(b"", b"4")
    made = encoder(n_decoders=n_decoders)
    alone = [encode(made, [content], batch_size=1)[0] for content in contents]
    with parallel_config(backend="threading"):
        together = encode(made, contents, batch_size=batch_size, n_jobs=n_jobs)
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert together[:, -1].tolist() == [0, 1, 0, 0, 1, 0]
    assert (together[[1, 4], :-1] == 0).all()
    assert (together[[0, 2, 3, 5], :-1] != 0).all()


@pytest.mark.parametrize("n_decoders", [1, 3])
def test_batches_come_in_their_order(n_decoders):
    contents = pictures(12)
    batches = [contents[:1], contents[1:6], [], contents[6:]]
    found = encode_batches(encoder(n_decoders=n_decoders), *batches)
    assert [(vectors.shape, vectors.dtype) for vectors in found] == (
        [((n, 4), np.float32) for n in (1, 5, 0, 6)]
    )
    expected = [shrink(picture(seed)).mean((0, 1)) for seed in range(12)]
    np.testing.assert_allclose(np.concatenate(found)[:, :3], expected, rtol=1e-6)


def test_a_batch_of_bad_ones_never_reaches_the_network():
    calls = []
    made = encoder(compute=calls.append, n_computed=2)
    assert encode_batches(made, [Picture(b"", b"")])[0].tolist() == [[0, 0, 1]]
    assert calls == []


def test_too_many_pixels_are_a_missing_picture():
    made = encoder(max_pixels=20)
    contents = [Picture(np.full(size, 255, dtype=np.uint8), b"") for size in ((4, 5), (3, 7))]
    assert encode_batches(made, contents)[0].tolist() == [[1, 1, 1, 0], MISSING]


def test_a_large_jpeg_is_decoded_at_a_fraction():
    content = Picture(encoded(picture(0, 1040, 780), "JPEG"), b"")
    sizes = []

    def prepare(image):
        sizes.append(image.size)
        return shrink(image)

    encode_batches(encoder(prepare), [content])
    encode_batches(encoder(prepare, edge=64), [content])
    assert sizes == [(1040, 780), (260, 195)]


def test_a_file_that_changed_since_it_was_told_apart_is_missing(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.new("RGB", (2, 2), "white")))
    contents = tell_apart([path], max_pixels=10**6, read_files=True)
    assert encode_batches(encoder(), contents)[0].tolist() == [[1, 1, 1, 0]]
    path.write_bytes(encoded(Image.new("RGB", (2, 3), "red")))
    assert encode_batches(encoder(), contents)[0].tolist() == [MISSING]


def test_one_decoder_is_the_thread_that_asks():
    seen = set()

    def prepare(image):
        seen.add(threading.current_thread())
        return shrink(image)

    encode_batches(encoder(prepare, n_decoders=1), pictures(3))
    assert seen == {threading.current_thread()}
    seen.clear()
    encode_batches(encoder(prepare, n_decoders=2), pictures(3))
    assert threading.current_thread() not in seen


def test_threads_decode_ahead_but_not_far():
    read, computed = [], []
    step = threading.Event()

    def prepare(image):
        read.append(image)
        if len(read) >= 2 * (N_AHEAD + 1):
            step.set()
        return image

    def compute(images):
        assert step.wait(10)  # the batches ahead are decoded while this one computes
        computed.append(len(images))
        assert len(read) <= sum(computed) + 2 * N_AHEAD
        return np.zeros((len(images), 1), dtype=np.float32)

    made = encoder(prepare, compute, n_computed=1, n_decoders=2)
    contents = pictures(20)
    batches = list(made.encode(contents[i : i + 2] for i in range(0, 20, 2)))
    assert len(batches) == 10
    assert len(read) == 20


def test_abandoned_work_stops():
    read = []

    def slow(image):
        read.append(image)
        time.sleep(0.005)
        return shrink(image)

    generator = encoder(slow, n_decoders=3).encode([pictures(20)] * 5)
    next(generator)
    del generator
    n_read = len(read)
    assert n_read < 20 * (N_AHEAD + 1)
    time.sleep(0.05)
    assert len(read) == n_read
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("embrec-decode")]


def test_an_error_in_preprocessing_is_not_a_bad_picture():
    def fragile(image):
        raise RuntimeError("my bug")

    for n_decoders in (1, 2):
        with pytest.raises(RuntimeError, match="my bug"):
            encode_batches(encoder(fragile, n_decoders=n_decoders), pictures(2))
