"""ELMo against a reference that loops over words, characters and time steps in float64."""

import json
import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

h5py = pytest.importorskip("h5py", reason="needs the extra 'elmo'")

from embrec.encoders import elmo_network
from embrec.encoders.elmo import ElmoSpec, split_tokens
from embrec.encoders.elmo_characters import character_ids, sentence_marks
from embrec.encoders.elmo_files import ElmoFiles, dataset_shapes
from embrec.encoders.elmo_network import ElmoNetwork, pack
from embrec.encoders.elmo_options import read_options
from embrec.encoders.protocol import Encoder, EncoderSpec
from embrec.encoders.running import encode, forget_encoders

TEXTS = [
    "Red pens, and ink!",
    "pen",
    "naïve café 日本語 don't stop",
    "a box of " + "long" * 20 + " paper : " + " ".join(f"w{i}" for i in range(20)),
    "red pen",
]


def tiny_options():
    """Options in the published layout, with sizes small enough for loops."""
    return {
        "lstm": {
            "use_skip_connections": True,
            "projection_dim": 6,
            "cell_clip": 0.8,
            "proj_clip": 0.5,
            "dim": 12,
            "n_layers": 2,
        },
        "char_cnn": {
            "activation": "relu",
            "filters": [[1, 4], [2, 4], [5, 6]],
            "n_highway": 2,
            "embedding": {"dim": 3},
            "n_characters": 262,
            "max_characters_per_token": 50,
        },
    }


def random_weights(options, seed=0):
    """Weights under the published names, wide enough for memory and output to be clipped."""
    rng = np.random.default_rng(seed)
    cnn, lstm = options["char_cnn"], options["lstm"]
    n_filters = sum(n for _, n in cnn["filters"])
    dim, cell = lstm["projection_dim"], lstm["dim"]
    shapes = {"char_embed": (261, cnn["embedding"]["dim"])}
    for i, (width, n) in enumerate(cnn["filters"]):
        shapes |= {f"CNN/W_cnn_{i}": (1, width, cnn["embedding"]["dim"], n)}
        shapes |= {f"CNN/b_cnn_{i}": (n,)}
    for i in range(cnn["n_highway"]):
        shapes |= {f"CNN_high_{i}/W_{part}": (n_filters,) * 2 for part in ("carry", "transform")}
        shapes |= {f"CNN_high_{i}/b_{part}": (n_filters,) for part in ("carry", "transform")}
    shapes |= {"CNN_proj/W_proj": (n_filters, dim), "CNN_proj/b_proj": (dim,)}
    for direction in (0, 1):
        for layer in range(lstm["n_layers"]):
            name = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
            shapes |= {f"{name}/W_0": (2 * dim, 4 * cell), f"{name}/B": (4 * cell,)}
            shapes |= {f"{name}/W_P_0": (cell, dim)}
    return {name: rng.normal(0, 0.6, shape).astype(np.float32) for name, shape in shapes.items()}


def write(folder, options=None, weights=None):
    """Write the two files of a model."""
    options = tiny_options() if options is None else options
    weights = random_weights(tiny_options()) if weights is None else weights
    folder.mkdir(exist_ok=True)
    (folder / "options.json").write_text(json.dumps(options))
    with h5py.File(folder / "weights.hdf5", "w") as file:
        for name, array in weights.items():
            file[name] = array
    return folder / "options.json", folder / "weights.hdf5"


def spec(files, **settings):
    return ElmoSpec.of(*files, device="cpu", **settings)


def network(files):
    return ElmoFiles.of(*files, "cpu").load().network


class Reference:
    """ELMo in float64, one text, word, character and step after the other."""

    def __init__(self, options, weights):
        self.cnn, self.lstm = options["char_cnn"], options["lstm"]
        self.weights = {name: array.astype(np.float64) for name, array in weights.items()}
        self.n_clipped = {"cell": 0, "output": 0}

    def text(self, words):
        """The mean over words and layers."""
        layers = self.layers(words)
        return np.mean([layer[1:-1].mean(axis=0) for layer in layers], axis=0)

    def layers(self, words):
        """Vectors of each layer: lists of arrays (n_words + 2, 2 * dim)."""
        tokens = [self.word([256]), *(self.word(list(w.encode())) for w in words), self.word([257])]
        forward, backward = [np.array(tokens)], [np.array(tokens)]
        for layer in range(self.lstm["n_layers"]):
            forward.append(self.direction(0, layer, forward[-1]))
            backward.append(self.direction(1, layer, backward[-1][::-1])[::-1])
        return [np.concatenate(both, axis=1) for both in zip(forward, backward, strict=True)]

    def word(self, characters):
        ids = [258, *characters[:48], 259]
        ids += [260] * (50 - len(ids))
        features = self.highways(self.convolve(ids))
        return features @ self.weights["CNN_proj/W_proj"] + self.weights["CNN_proj/b_proj"]

    def convolve(self, ids):
        vectors = [self.weights["char_embed"][i] for i in ids]
        features = []
        for i, (width, n_filters) in enumerate(self.cnn["filters"]):
            kernel, bias = self.weights[f"CNN/W_cnn_{i}"][0], self.weights[f"CNN/b_cnn_{i}"]
            for j in range(n_filters):
                responses = [
                    sum(vectors[start + k] @ kernel[k, :, j] for k in range(width)) + bias[j]
                    for start in range(50 - width + 1)
                ]
                largest = max(responses)
                relu = self.cnn["activation"] == "relu"
                features.append(max(largest, 0.0) if relu else math.tanh(largest))
        return np.array(features)

    def highways(self, x):
        for i in range(self.cnn["n_highway"]):
            part = {k: self.weights[f"CNN_high_{i}/{k}"] for k in ("W_carry", "W_transform")}
            bias = {k: self.weights[f"CNN_high_{i}/{k}"] for k in ("b_carry", "b_transform")}
            gate = sigmoid(x @ part["W_carry"] + bias["b_carry"])
            changed = np.maximum(x @ part["W_transform"] + bias["b_transform"], 0)
            x = gate * changed + (1 - gate) * x
        return x

    def direction(self, direction, layer, inputs):
        h, c = np.zeros(self.lstm["projection_dim"]), np.zeros(self.lstm["dim"])
        outputs = []
        for x in inputs:
            h, c = self.step(direction, layer, x, h, c)
            skips = layer > 0 and self.lstm["use_skip_connections"]
            outputs.append(h + x if skips else h)
        return np.array(outputs)

    def step(self, direction, layer, x, h, c):
        name = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
        gates = np.concatenate([x, h]) @ self.weights[f"{name}/W_0"] + self.weights[f"{name}/B"]
        i, j, f, o = np.split(gates, 4)
        c = self.clip("cell", sigmoid(f + 1) * c + sigmoid(i) * np.tanh(j), self.lstm["cell_clip"])
        m = sigmoid(o) * np.tanh(c)
        return self.clip("output", m @ self.weights[f"{name}/W_P_0"], self.lstm["proj_clip"]), c

    def clip(self, what, x, limit):
        if limit is None:
            return x
        self.n_clipped[what] += int((np.abs(x) > limit).sum())
        return np.clip(x, -limit, limit)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.fixture
def files(tmp_path):
    return write(tmp_path / "model")


class TestWholeEncoder:
    def check(self, folder, options):
        weights = random_weights(options)
        reference = Reference(options, weights)
        expected = [reference.text(split_tokens(text)) for text in TEXTS]
        encoder = spec(write(folder, options, weights)).load()
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

    def test_parts_of_a_batch(self, tmp_path, monkeypatch):
        # the bounds of memory, which small sizes never reach
        monkeypatch.setattr(elmo_network, "WORDS_AT_ONCE", 3)
        monkeypatch.setattr(elmo_network, "TOKENS_AT_ONCE", 11)
        self.check(tmp_path, tiny_options())


class TestLayers:
    def test_spelling(self):
        pad = [260] * 50
        expected = [
            [258, 112, 101, 110, 259, *pad][:50],
            [258, 0xC3, 0xA9, 0xE2, 0x82, 0xAC, 259, *pad][:50],
            [258, *[120] * 48, 259],
            # two bytes each, cut in the middle of one
            [258, 97, *[0xC3, 0xA9] * 23, 0xC3, 259],
            [258, 259, *pad][:50],
            [258, *[120] * 48, 259],
        ]
        words = ["pen", "é€", "x" * 60, "a" + "é" * 30, "", "x" * 48]
        np.testing.assert_array_equal(character_ids(words), expected)
        marks = [[258, 256, 259, *pad][:50], [258, 257, 259, *pad][:50]]
        np.testing.assert_array_equal(sentence_marks(), marks)
        np.testing.assert_array_equal(character_ids(["pen"], 4), [[258, 112, 101, 259]])
        assert character_ids([]).shape == (0, 50)

    def test_tokens(self):
        assert split_tokens("Don't panic! (3.5 mm, é)") == (
            ["Don't", "panic", "!", "(", "3", ".", "5", "mm", ",", "é", ")"]
        )
        assert split_tokens("it\u2019s 'so'") == ["it\u2019s", "'", "so", "'"]
        assert split_tokens(" \n") == []

    def test_convolution_and_highway(self, files):
        reference = Reference(tiny_options(), random_weights(tiny_options()))
        cnn = network(files).characters
        words = ["pen", "é€", "x" * 60, "q" * 44, "w" * 43]
        found = cnn(torch.from_numpy(character_ids(words))).double()
        expected = [reference.word(list(word.encode())) for word in words]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        x = np.random.default_rng(0).normal(size=(3, 14))
        y = torch.from_numpy(x.astype(np.float32))
        for highway in cnn.highways:
            y = highway(y)
        np.testing.assert_allclose(y.double(), reference.highways(x), rtol=1e-5, atol=1e-6)

    def test_padding_is_read_only_where_it_counts(self, files):
        cnn = network(files).characters
        words = ["w" * n for n in range(49)]
        together = cnn(torch.from_numpy(character_ids(words)))
        alone = torch.cat([cnn(torch.from_numpy(character_ids([word]))) for word in words])
        torch.testing.assert_close(alone, together)

    def test_one_step_of_an_lstm(self, files):
        reference = Reference(tiny_options(), random_weights(tiny_options()))
        layer = network(files).layers[1]
        rng = np.random.default_rng(1)
        x, h, c = rng.normal(size=(2, 6)), rng.normal(size=(2, 6)), 2 * rng.normal(size=(2, 12))
        inputs = torch.from_numpy(np.concatenate([x, h], axis=1)).float().unsqueeze(1)
        gates = inputs @ layer.weight + layer.bias.unsqueeze(1)
        hidden, cell = layer.step(gates, torch.from_numpy(c).float().unsqueeze(1))
        for direction in (0, 1):
            expected = reference.step(direction, 1, x[direction], h[direction], c[direction])
            np.testing.assert_allclose(hidden[direction, 0], expected[0], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(cell[direction, 0], expected[1], rtol=1e-5, atol=1e-6)
        assert reference.n_clipped["cell"] > 0
        assert reference.n_clipped["output"] > 0

    def test_every_layer(self, files):
        reference = Reference(tiny_options(), random_weights(tiny_options()))
        words = ["red", "pen", "ink"]
        characters = np.concatenate([sentence_marks(), character_ids(words)])
        found = network(files)(
            torch.from_numpy(characters), torch.tensor([0, 2, 3, 4, 1, 0, 3, 1]), [5, 3]
        )
        expected = np.concatenate(
            [reference.layers(["red", "pen", "ink"]), reference.layers(["pen"])], axis=1
        )
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        # the word by itself, twice
        np.testing.assert_array_equal(found[0, :, :6], found[0, :, 6:])

    def test_backward_is_forward_on_the_reversed_text(self, tmp_path):
        weights = random_weights(tiny_options())
        swapped = {
            name.replace("RNN_0/", "RNN_x/").replace("RNN_1/", "RNN_0/").replace("x/", "1/"): array
            for name, array in weights.items()
        }
        plain = network(write(tmp_path / "plain", weights=weights))
        other = network(write(tmp_path / "swapped", weights=swapped))
        characters = torch.from_numpy(character_ids(["a", "bc", "d", "efg"]))
        found = plain(characters, torch.tensor([0, 1, 2, 3, 2, 1]), [4, 2])
        reversed_ = other(characters, torch.tensor([3, 2, 1, 0, 1, 2]), [4, 2])
        back = reversed_[:, [3, 2, 1, 0, 5, 4]]
        torch.testing.assert_close(found[..., 6:], back[..., :6])
        torch.testing.assert_close(found[..., :6], back[..., 6:])

    def test_packing(self):
        order, n_active = pack([3, 2, 2])  # texts 0 1 2, 3 4, 5 6
        assert n_active == [3, 3, 1]
        assert order.tolist() == [[0, 3, 5, 1, 4, 6, 2], [2, 4, 6, 1, 3, 5, 0]]
        for wrong in ([2, 3], [2, 0]):
            with pytest.raises(ValueError, match="the longest first"):
                pack(wrong)


PUBLISHED_OPTIONS = {
    "lstm": {
        "use_skip_connections": True,
        "projection_dim": 512,
        "cell_clip": 3,
        "proj_clip": 3,
        "dim": 4096,
        "n_layers": 2,
    },
    "char_cnn": {
        "activation": "relu",
        "filters": [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]],
        "n_highway": 2,
        "embedding": {"dim": 16},
        "n_characters": 262,
        "max_characters_per_token": 50,
    },
}


class TestPublishedSizes:
    # sizes and millions of parameters of the three models, from AllenNLP's page on ELMo
    @pytest.mark.parametrize(
        ("cell_dim", "dim", "n_highway", "millions"),
        [(4096, 512, 2, 93.6), (2048, 256, 1, 28.0), (1024, 128, 1, 13.6)],
        ids=["original", "medium", "small"],
    )
    def test_number_of_parameters(self, tmp_path, cell_dim, dim, n_highway, millions):
        options = json.loads(json.dumps(PUBLISHED_OPTIONS))
        options["lstm"] |= {"dim": cell_dim, "projection_dim": dim}
        options["char_cnn"]["n_highway"] = n_highway
        path = tmp_path / "options.json"
        path.write_text(json.dumps(options))
        read = read_options(path)
        with torch.device("meta"):
            model = ElmoNetwork(read)
        n_parameters = sum(parameter.numel() for parameter in model.parameters())
        characters = 261 * 16
        windows = 1 * 32 + 2 * 32 + 3 * 64 + 4 * 128 + 5 * 256 + 6 * 512 + 7 * 1024
        convolutions = 16 * windows + 2048
        highways = n_highway * 2 * (2048 * 2048 + 2048)
        projection = 2048 * dim + dim
        # four gates that read input and state, their bias, and the projection
        lstm = 2 * dim * 4 * cell_dim + 4 * cell_dim + cell_dim * dim
        assert n_parameters == characters + convolutions + highways + projection + 2 * 2 * lstm
        assert round(n_parameters / 1e6, 1) == millions
        assert sum(map(math.prod, dataset_shapes(read).values())) == n_parameters

    def test_original_file(self, tmp_path):
        # 374 MB in single precision, as the file on the hub
        path = tmp_path / "options.json"
        path.write_text(json.dumps(PUBLISHED_OPTIONS))
        options = read_options(path)
        n_numbers = sum(map(math.prod, dataset_shapes(options).values()))
        assert n_numbers == 93_600_848
        assert round(4 * n_numbers / 1e6) == 374
        assert (options.cell_clip, options.projection_clip, options.max_characters) == (3, 3, 50)


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
        np.testing.assert_allclose(vectors[1:2], pen, rtol=1e-5)
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
        reference = Reference(tiny_options(), random_weights(tiny_options()))
        np.testing.assert_allclose(by_blank[0], reference.text(["pen,", "ink"]), rtol=1e-4)
        # words of no character are none
        empty = spec(files, tokenizer=lambda text: text.split(" ")).load()
        assert empty.cost("pen  ink ") == 2

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
        same = [spec(write(tmp_path / n)).load().fingerprint for n in ("a", "b")]
        assert same[0] == same[1]
        weights = random_weights(options)
        weights["CNN_proj/b_proj"][0] += 1e-3
        assert spec(write(tmp_path / "c", None, weights)).load().fingerprint != same[0]
        options["lstm"]["cell_clip"] = 2
        assert spec(write(tmp_path / "d", options)).load().fingerprint != same[0]

    def test_half_precision_files(self, tmp_path):
        weights = {n: a.astype(np.float16) for n, a in random_weights(tiny_options()).items()}
        [vectors] = spec(write(tmp_path, weights=weights)).load().encode([["red pen"]])
        expected = Reference(tiny_options(), weights).text(["red", "pen"])
        np.testing.assert_allclose(vectors[0], expected, rtol=1e-5, atol=1e-6)


class TestLoaderErrors:
    @pytest.mark.parametrize("missing", [0, 1], ids=["options", "weights"])
    def test_no_such_file(self, files, missing):
        files[missing].unlink()
        what = ["options_file", "weight_file"][missing]
        with pytest.raises(FileNotFoundError, match=f"{what}=.*: there is no such file"):
            spec(files)

    def test_no_hdf5(self, files):
        files[1].write_bytes(b"not HDF5")
        with pytest.raises(ValueError, match=r"weights\.hdf5' is not HDF5.*_weights\.hdf5; down"):
            spec(files).load()

    def test_cut_short(self, files):
        files[1].write_bytes(files[1].read_bytes()[:3000])
        with pytest.raises(ValueError, match="is not HDF5, or is damaged"):
            spec(files).load()

    def test_files_in_the_wrong_places(self, files):
        with pytest.raises(ValueError, match="options_file='.*hdf5' holds no options of ELMo"):
            spec(files[::-1]).load()

    def test_a_dataset_is_missing(self, tmp_path):
        weights = random_weights(tiny_options())
        del weights["RNN_1/RNN/MultiRNNCell/Cell0/LSTMCell/W_P_0"]
        message = r"RNN_1/\S*/W_P_0 is missing, expected \(12, 6\)\. Pass the weights"
        with pytest.raises(ValueError, match=message):
            spec(write(tmp_path, weights=weights)).load()

    def test_many_faults_are_counted(self, tmp_path):
        weights = {"CNN/W_cnn_0/oops": np.zeros(3)}  # a group in place of a dataset
        message = r"char_embed is missing.*CNN/W_cnn_0 is missing.* and \d\d more\."
        with pytest.raises(ValueError, match=message):
            spec(write(tmp_path, weights=weights)).load()

    @pytest.mark.parametrize("name", sorted(random_weights(tiny_options())))
    def test_every_shape_is_checked(self, tmp_path, name):
        weights = random_weights(tiny_options())
        weights[name] = np.concatenate([weights[name]] * 2)
        shape = str(weights[name].shape).replace("(", r"\(").replace(")", r"\)")
        with pytest.raises(ValueError, match=f"{name} has shape {shape} of float32, expected"):
            spec(write(tmp_path, weights=weights)).load()

    def test_options_of_another_model(self, tmp_path):
        options = tiny_options()
        options["lstm"]["dim"] = 13
        message = r"W_0 has shape \(12, 48\) of float32, expected \(12, 52\).*published with"
        with pytest.raises(ValueError, match=message):
            spec(write(tmp_path, options, random_weights(tiny_options()))).load()

    def test_weights_that_are_no_floats(self, tmp_path):
        weights = random_weights(tiny_options())
        weights["char_embed"] = weights["char_embed"].astype(np.int32)
        with pytest.raises(ValueError, match=r"char_embed has shape \(261, 3\) of int32"):
            spec(write(tmp_path, weights=weights)).load()

    @pytest.mark.parametrize(
        ("section", "changes", "message"),
        [
            ("char_cnn", {"activation": "gelu"}, "activation='gelu' is none of"),
            ("char_cnn", {"n_characters": 300}, "n_characters=300 is neither 261 nor 262"),
            ("char_cnn", {"filters": []}, r"filters=\[\] are no pairs"),
            ("char_cnn", {"filters": [[51, 4]]}, r"filters=\[\[51, 4\]\] are no pairs"),
            ("char_cnn", {"filters": [3]}, "cannot unpack"),
            ("char_cnn", {"embedding": 3}, "embedding=3 is no object"),
            ("char_cnn", {"n_highway": -1}, "n_highway=-1 is no integer of at least 0"),
            ("lstm", {"dim": "4096"}, "dim='4096' is no integer"),
            ("lstm", {"n_layers": 0}, "n_layers=0 is no integer of at least 1"),
            ("lstm", {"cell_clip": -1}, "cell_clip=-1 is no positive number"),
        ],
    )
    def test_impossible_options(self, tmp_path, section, changes, message):
        options = tiny_options()
        options[section] |= changes
        with pytest.raises(ValueError, match=f"options.json' holds no options of ELMo: {message}"):
            spec(write(tmp_path, options)).load()

    @pytest.mark.parametrize("name", ["char_cnn", "lstm"])
    def test_a_part_of_the_options_is_missing(self, tmp_path, name):
        options = tiny_options()
        del options[name]
        with pytest.raises(ValueError, match=f"'{name}' is missing.*_options.json"):
            spec(write(tmp_path, options)).load()

    @pytest.mark.parametrize("content", ["", "[]", "3", '{"lstm": 3, "char_cnn": 4}', "{"])
    def test_options_of_another_kind(self, files, content):
        Path(files[0]).write_text(content)
        with pytest.raises(ValueError, match="holds no options of ELMo"):
            spec(files).load()
