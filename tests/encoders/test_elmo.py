"""ELMo against a reference that loops over words, characters and time steps in float64."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

h5py = pytest.importorskip("h5py", reason="needs the extra 'elmo'")

from elmo_reference import Reference, random_weights, tiny_options, write_files

from embrec.encoders.elmo import ElmoSpec, split_tokens
from embrec.encoders.protocol import Encoder, EncoderSpec
from embrec.encoders.running import encode, forget_encoders, get_encoder

TEXTS = [
    "Red pens, and ink!",
    "pen",
    "naïve café 日本語 don't stop",
    "a box of " + "long" * 20 + " paper : " + " ".join(f"w{i}" for i in range(20)),
    "red pen",
]


def spec(files, **settings):
    return ElmoSpec.of(*files, device="cpu", **settings)


@pytest.fixture
def files(tmp_path):
    return write_files(tmp_path / "model")


def test_tokens():
    assert split_tokens("Don't panic! (3.5 mm, é)") == (
        ["Don't", "panic", "!", "(", "3", ".", "5", "mm", ",", "é", ")"]
    )
    assert split_tokens("it\u2019s 'so'") == ["it\u2019s", "'", "so", "'"]
    assert split_tokens(" \n") == []


class TestWholeEncoder:
    def check(self, folder, options):
        weights = random_weights(options)
        reference = Reference(options, weights)
        expected = [reference.text(split_tokens(text)) for text in TEXTS]
        encoder = spec(write_files(folder, options, weights)).load()
        [vectors] = encoder.encode([TEXTS])
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(TEXTS), encoder.n_features) == (5, 12)
        np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=2e-6)
        return reference

    def test_published_switches(self, tmp_path):
        reference = self.check(tmp_path, tiny_options())
        # or the test would not see a limit that is ignored
        assert min(reference.n_clipped.values()) > 20

    def test_without_skip_connections(self, tmp_path):
        options = tiny_options()
        options["lstm"]["use_skip_connections"] = False
        self.check(tmp_path, options)

    def test_tanh(self, tmp_path):
        options = tiny_options()
        options["char_cnn"]["activation"] = "tanh"
        self.check(tmp_path, options)

    def test_without_limits(self, tmp_path):
        options = tiny_options()
        options["lstm"] |= {"cell_clip": None, "proj_clip": None}
        self.check(tmp_path, options)

    def test_other_depths(self, tmp_path):
        options = tiny_options()
        options["lstm"]["n_layers"] = 3
        options["char_cnn"] |= {"n_highway": 1, "n_characters": 261}
        self.check(tmp_path, options)


class TestEncoder:
    def test_protocols(self, files):
        assert isinstance(spec(files), EncoderSpec)
        encoder = spec(files).load()
        assert isinstance(encoder, Encoder)
        assert encoder.cost("Red pens, and ink!") == 6

    @pytest.mark.parametrize("batch_size", [1, 2, 64])
    def test_batch_mates_change_nothing(self, files, batch_size):
        [expected] = spec(files).load().encode([TEXTS])
        found = encode(spec(files), TEXTS[::-1], batch_size=batch_size)[::-1]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)

    def test_the_same_twice(self, files):
        encoder = spec(files).load()
        first, second = encoder.encode([TEXTS, TEXTS])
        np.testing.assert_array_equal(first, second)

    def test_texts_without_words(self, files):
        encoder = spec(files).load()
        [vectors] = encoder.encode([["", "pen", " \n"]])
        np.testing.assert_array_equal(vectors[[0, 2]], 0)
        [pen] = encoder.encode([["pen"]])
        np.testing.assert_allclose(vectors[1:2], pen, rtol=1e-5, atol=1e-6)
        [nothing] = encoder.encode([["", " "]])
        np.testing.assert_array_equal(nothing, np.zeros((2, 12), dtype=np.float32))

    def test_limit_of_words(self, files):
        text = " ".join(f"w{i}" for i in range(300))
        cut = " ".join(f"w{i}" for i in range(250))
        encoder = spec(files).load()
        assert encoder.cost(text) == 250
        [vectors] = encoder.encode([[text]])
        [expected] = encoder.encode([[cut]])
        np.testing.assert_array_equal(vectors, expected)
        [whole] = spec(files, max_words=None).load().encode([[text]])
        assert not np.allclose(whole, expected)
        # marks of punctuation count
        assert spec(files, max_words=3).load().cost("a, b, c") == 3

    def test_tokenizer(self, files):
        plain = spec(files).load()
        blanks = spec(files, tokenizer=str.split).load()
        [by_mark], [by_blank] = plain.encode([["pen, ink"]]), blanks.encode([["pen, ink"]])
        assert not np.allclose(by_mark, by_blank)
        assert plain.fingerprint != blanks.fingerprint
        reference = Reference(tiny_options(), random_weights())
        expected = reference.text(["pen,", "ink"])
        np.testing.assert_allclose(by_blank[0], expected, rtol=1e-5, atol=1e-6)
        # words of no character are none
        empty = spec(files, tokenizer=lambda text: text.split(" ")).load()
        assert empty.cost("pen  ink ") == 2

    def test_a_tokenizer_changed_in_place_is_another(self, files):
        marks = [" "]
        tokenizer = lambda text: text.split(*marks)  # noqa: E731
        before = get_encoder(spec(files, tokenizer=tokenizer))
        assert get_encoder(spec(files, tokenizer=tokenizer)) is before
        marks[0] = ","
        assert get_encoder(spec(files, tokenizer=tokenizer)).fingerprint != before.fingerprint

    def test_a_tokenizer_that_makes_no_words(self, files):
        encoder = spec(files, tokenizer=lambda text: [7]).load()
        with pytest.raises(TypeError, match=r"words of type str; it made 7 \(int\) of 'pen'"):
            list(encoder.encode([["pen"]]))

    def test_threads_share_an_encoder(self, files):
        encoder = spec(files).load()
        [expected] = encoder.encode([TEXTS])
        with ThreadPoolExecutor(8) as pool:
            for [vectors] in pool.map(lambda _: list(encoder.encode([TEXTS])), range(16)):
                np.testing.assert_array_equal(vectors, expected)

    def test_specs_travel(self, files):
        made = spec(files)
        assert pickle.loads(pickle.dumps(made)) == made
        assert hash(pickle.loads(pickle.dumps(made))) == hash(made)
        assert len(pickle.dumps(made)) < 1000

    def test_settings_share_a_network(self, files):
        forget_encoders()
        one, other = spec(files).load(), spec(files, max_words=2).load()
        assert one._network is other._network
        assert one.fingerprint != other.fingerprint

    def test_fingerprint(self, tmp_path):
        options = tiny_options()
        same = [spec(write_files(tmp_path / n)).load().fingerprint for n in ("a", "b")]
        assert same[0] == same[1]
        weights = random_weights(options)
        weights["CNN_proj/b_proj"][0] += 1e-3
        assert spec(write_files(tmp_path / "c", None, weights)).load().fingerprint != same[0]
        options["lstm"]["cell_clip"] = 2
        assert spec(write_files(tmp_path / "d", options)).load().fingerprint != same[0]
