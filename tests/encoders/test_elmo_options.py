"""Options of ELMo: sizes and switches, and what is said of impossible ones."""

from dataclasses import asdict

import pytest
from elmo_reference import PUBLISHED_OPTIONS, tiny_options, write_options

from embrec.encoders.elmo_options import read_options


def test_what_the_published_file_says(tmp_path):
    options = read_options(write_options(tmp_path, PUBLISHED_OPTIONS))
    assert asdict(options) == {
        "character_dim": 16,
        "filters": ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024)),
        "n_highway": 2,
        "activation": "relu",
        "max_characters": 50,
        "cell_dim": 4096,
        "projection_dim": 512,
        "n_layers": 2,
        "cell_clip": 3.0,
        "projection_clip": 3.0,
        "use_skip_connections": True,
    }
    assert options.n_filters == 2048
    assert hash(options) == hash(read_options(tmp_path / "options.json"))


def test_what_may_be_left_out(tmp_path):
    content = tiny_options()
    for section, name in (
        *(("char_cnn", "n_highway"), ("char_cnn", "n_characters")),
        *(("lstm", "cell_clip"), ("lstm", "proj_clip"), ("lstm", "use_skip_connections")),
    ):
        del content[section][name]
    options = read_options(write_options(tmp_path, content))
    assert (options.n_highway, options.use_skip_connections) == (0, False)
    assert options.cell_clip is options.projection_clip is None


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("char_cnn", {"activation": "gelu"}, "activation='gelu' is none of"),
        ("char_cnn", {"n_characters": 300}, "n_characters=300 is neither 261 nor 262"),
        ("char_cnn", {"filters": []}, r"filters=\[\] are no pairs"),
        ("char_cnn", {"filters": [[51, 4]]}, r"filters=\[\[51, 4\]\] are no pairs"),
        ("char_cnn", {"filters": [3]}, "cannot unpack"),
        ("char_cnn", {"embedding": 3}, "embedding=3 is no object"),
        ("char_cnn", {"n_highway": -1}, "n_highway=-1 is no integer from 0 to 1000"),
        ("lstm", {"dim": "4096"}, "dim='4096' is no integer"),
        ("lstm", {"n_layers": 0}, "n_layers=0 is no integer from 1 to 1000"),
        ("lstm", {"cell_clip": -1}, "cell_clip=-1 is no positive number"),
        ("char_cnn", {"max_characters_per_token": 2}, "max_.*=2 is no integer from 3 to 1000"),
        ("lstm", {"proj_clip": "3"}, "proj_clip='3' is no positive number"),
        ("lstm", {"proj_clip": 10**400}, "proj_clip=1.* is no positive number of float32"),
        ("lstm", {"cell_clip": 1e308}, r"cell_clip=1e\+308 is no positive number of float32"),
        ("lstm", {"n_layers": 2**40}, "n_layers=1099511627776 is no integer from 1 to 1000"),
        ("lstm", {"n_layers": True}, "n_layers=True is no integer"),
        ("char_cnn", {"n_highway": 1001}, "n_highway=1001 is no integer from 0 to 1000"),
        ("char_cnn", {"max_characters_per_token": 2**53}, "max_.* is no integer from 3 to 1000"),
        ("char_cnn", {"filters": [[1, 1e400]]}, r"filters=\[\[1, inf\]\] are no pairs"),
    ],
)
def test_impossible_options(tmp_path, section, changes, message):
    options = tiny_options()
    options[section] |= changes
    with pytest.raises(ValueError, match=f"options.json' holds no options of ELMo: {message}"):
        read_options(write_options(tmp_path, options))


@pytest.mark.parametrize("name", ["char_cnn", "lstm"])
def test_a_part_of_the_options_is_missing(tmp_path, name):
    options = tiny_options()
    del options[name]
    with pytest.raises(ValueError, match=f"'{name}' is missing.*_options.json"):
        read_options(write_options(tmp_path, options))


@pytest.mark.parametrize(
    "content",
    ["", "[]", "3", '{"lstm": 3, "char_cnn": 4}', "{", "[" * 100_000],
    ids=["empty", "list", "number", "numbers", "cut", "deep"],
)
def test_options_of_another_kind(tmp_path, content):
    path = tmp_path / "options.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="holds no options of ELMo"):
        read_options(path)
