"""ELMo in float64, one word, character and step after the other, and files of tiny models."""

import json
import math

import numpy as np

#: Of the largest of the published models.
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


def random_weights(options=None, seed=0):
    """Weights under the published names, wide enough for memory and output to be clipped."""
    options = tiny_options() if options is None else options
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


def write_options(folder, options):
    """Write options.json."""
    folder.mkdir(exist_ok=True)
    (folder / "options.json").write_text(json.dumps(options))
    return folder / "options.json"


def write_files(folder, options=None, weights=None):
    """Write the two files of a model."""
    options = tiny_options() if options is None else options
    weights = random_weights() if weights is None else weights
    import h5py

    path = write_options(folder, options)
    with h5py.File(folder / "weights.hdf5", "w") as file:
        for name, array in weights.items():
            file[name] = array
    return path, folder / "weights.hdf5"


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
