"""Batches through an encoder, here and elsewhere."""

from dataclasses import dataclass

import joblib
import numpy as np
import pytest
from threads import join, start

from embrec.encoders import running
from embrec.encoders.running import encode, forget_encoders, get_encoder


class LengthEncoder:
    """The length of a text, and how many texts were in its batch."""

    n_features = 2
    fingerprint = "length"

    def cost(self, content):
        return len(content)

    def encode(self, batches):
        for batch in batches:
            yield np.array([[len(text), len(batch)] for text in batch], dtype=np.float32)


@dataclass(frozen=True)
class LengthSpec:
    name: str = "length"

    def load(self):
        return LengthEncoder()


TEXTS = ["x" * n for n in (3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5)]


def test_vectors_come_in_the_order_of_the_contents():
    vectors = encode(LengthSpec(), TEXTS, batch_size=4)
    assert vectors[:, 0].tolist() == [len(text) for text in TEXTS]
    assert vectors.dtype == np.float32
    # the longest go first: 9 6 5 5 | 5 4 3 3 | 2 1 1
    assert vectors[:, 1].tolist() == [4, 3, 4, 3, 4, 4, 3, 4, 4, 4, 4]


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_workers_get_the_same_batches(backend):
    expected = encode(LengthSpec(), TEXTS, batch_size=2)
    with joblib.parallel_config(backend):
        np.testing.assert_array_equal(encode(LengthSpec(), TEXTS, batch_size=2, n_jobs=2), expected)


def test_the_active_backend_says_how_many(monkeypatch):
    asked = []
    parallel = running.Parallel

    def spy(*args, **kwargs):
        asked.append(kwargs)
        return parallel(*args, **kwargs)

    monkeypatch.setattr(running, "Parallel", spy)
    encode(LengthSpec(), TEXTS, batch_size=2)
    assert asked == []
    with joblib.parallel_config("threading", n_jobs=2):
        encode(LengthSpec(), TEXTS, batch_size=2)
    assert len(asked) == 1


def test_an_encoder_goes_as_it_is():
    assert encode(LengthEncoder(), ["ab"], batch_size=1).tolist() == [[2, 1]]


def test_nothing_to_encode():
    assert encode(LengthSpec(), [], batch_size=1).shape == (0, 2)


def test_a_model_is_loaded_once(monkeypatch):
    forget_encoders()
    loads = []
    monkeypatch.setattr(LengthSpec, "load", lambda self: loads.append(self) or LengthEncoder())
    found = []
    join(*(start(lambda: found.append(get_encoder(LengthSpec()))) for _ in range(8)))
    assert len(loads) == 1
    assert len({id(encoder) for encoder in found}) == 1
    forget_encoders()
    get_encoder(LengthSpec())
    assert len(loads) == 2


def test_models_that_were_not_used_for_long_are_dropped():
    forget_encoders()
    first = get_encoder(LengthSpec("0"))
    for n in range(1, running.N_KEPT):
        get_encoder(LengthSpec(str(n)))
    assert get_encoder(LengthSpec("0")) is first  # used again
    get_encoder(LengthSpec("one more"))
    assert get_encoder(LengthSpec("0")) is first
    forget_encoders()


def test_progress_is_shown_on_request(capsys):
    encode(LengthSpec(), TEXTS, batch_size=4)
    assert capsys.readouterr().err == ""
    encode(LengthSpec(), TEXTS, batch_size=4, verbose=1, what="texts")
    assert "11/11" in capsys.readouterr().err


def test_what_cannot_be_hashed_is_loaded_every_time():
    loads = []

    @dataclass
    class Spec:
        def load(self):
            loads.append(self)
            return LengthEncoder()

    assert encode(Spec(), ["ab"], batch_size=1).tolist() == [[2, 1]]
    assert encode(Spec(), ["abc"], batch_size=1).tolist() == [[3, 1]]
    assert len(loads) >= 2
