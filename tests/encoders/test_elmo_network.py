"""The layers of ELMo against a reference that takes one step after the other in float64."""

import numpy as np
import pytest
import torch

h5py = pytest.importorskip("h5py", reason="needs the extra 'elmo'")

from elmo_reference import Reference, random_weights, tiny_options, write_files

from embrec.encoders import elmo_network
from embrec.encoders.elmo_characters import character_ids, sentence_marks
from embrec.encoders.elmo_files import ElmoFiles
from embrec.encoders.elmo_network import pack


def network(files):
    return ElmoFiles.of(*files, "cpu").load().network


@pytest.fixture
def files(tmp_path):
    return write_files(tmp_path / "model")


def test_convolution_and_highway(files):
    reference = Reference(tiny_options(), random_weights())
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


def test_padding_is_read_only_where_it_counts(files):
    cnn = network(files).characters
    words = ["w" * n for n in range(49)]
    together = cnn(torch.from_numpy(character_ids(words)))
    alone = torch.cat([cnn(torch.from_numpy(character_ids([word]))) for word in words])
    torch.testing.assert_close(alone, together)


def test_one_step_of_an_lstm(files):
    reference = Reference(tiny_options(), random_weights())
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


def test_every_layer(files):
    reference = Reference(tiny_options(), random_weights())
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


def test_backward_is_forward_on_the_reversed_text(tmp_path):
    weights = random_weights()
    swapped = {
        name.replace("RNN_0/", "RNN_x/").replace("RNN_1/", "RNN_0/").replace("x/", "1/"): array
        for name, array in weights.items()
    }
    plain = network(write_files(tmp_path / "plain", weights=weights))
    other = network(write_files(tmp_path / "swapped", weights=swapped))
    characters = torch.from_numpy(character_ids(["a", "bc", "d", "efg"]))
    found = plain(characters, torch.tensor([0, 1, 2, 3, 2, 1]), [4, 2])
    reversed_ = other(characters, torch.tensor([3, 2, 1, 0, 1, 2]), [4, 2])
    back = reversed_[:, [3, 2, 1, 0, 5, 4]]
    torch.testing.assert_close(found[..., 6:], back[..., :6])
    torch.testing.assert_close(found[..., :6], back[..., 6:])


def test_packing():
    order, n_active = pack([3, 2, 2])  # texts 0 1 2, 3 4, 5 6
    assert n_active == [3, 3, 1]
    assert order.tolist() == [[0, 3, 5, 1, 4, 6, 2], [2, 4, 6, 1, 3, 5, 0]]
    for wrong in ([2, 3], [2, 0]):
        with pytest.raises(ValueError, match="the longest first"):
            pack(wrong)


def test_one_text_is_read_as_it_stands():
    order, n_active = pack([3])
    assert n_active == [1, 1, 1]
    assert order.tolist() == [[0, 1, 2], [2, 1, 0]]


def read_texts(model):
    words = ["red", "pen", "ink", "of", "paper"]
    characters = torch.from_numpy(character_ids(words))
    return model(characters, torch.tensor([0, 1, 2, 3, 4, 2, 2, 1, 0, 4]), [5, 3, 2])


def test_parts_of_a_batch(files, monkeypatch):
    """The bounds of memory, which small sizes never reach, change nothing."""
    model = network(files)
    expected = read_texts(model)
    monkeypatch.setattr(elmo_network, "WORDS_AT_ONCE", 2)
    monkeypatch.setattr(elmo_network, "TOKENS_AT_ONCE", 7)
    sizes = []
    convolution = model.characters.convolutions[0]
    convolution.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    torch.testing.assert_close(read_texts(model), expected)
    assert sizes == [2, 2, 1]


def test_texts_do_not_see_each_other(files):
    model = network(files)
    together = read_texts(model)
    characters = torch.from_numpy(character_ids(["red", "pen", "ink", "of", "paper"]))
    alone = [model(characters, torch.tensor(text), [len(text)]) for text in ([2, 2, 1], [0, 4])]
    torch.testing.assert_close(together[:, 5:], torch.cat(alone, dim=1))
