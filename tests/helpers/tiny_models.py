"""Text models small enough to be made by a test."""

import json
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

WORDS = ["red", "blue", "green", "pen", "ink", "paper", "bottle", "box", "of", "with", "the"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@cache
def tiny_bert_folder():
    """Save a Hugging Face BERT of 16 dimensions, which has no pooling layer."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = Path(tempfile.mkdtemp(prefix="embrec-tiny-bert-"))
    vocabulary = [*SPECIAL, *WORDS, "and", "a", "##s", "##er"]
    vocabulary += [*map(chr, range(97, 123)), *map(str, range(10))]
    vocabulary += [f"##{piece}" for piece in [*map(str, range(10)), ".", "-"]] + [".", "-"]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)) + "\n")
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=32)
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BertModel(config)
        # far enough apart for tests to tell texts from each other
        for name, parameter in model.named_parameters():
            if "LayerNorm" not in name:
                torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return folder


def bert_vectors(texts, folder=None, max_length=32, normalize=True):
    """Vectors by transformers alone, one text at a time: mean over tokens, unit length."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = folder or tiny_bert_folder()
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    vectors = []
    for text in texts:
        tokens = tokenizer(text, return_tensors="pt", truncation=True, max_length=max_length)
        with torch.no_grad():
            mean = model.eval()(**tokens).last_hidden_state[0].double().mean(dim=0)
        vectors.append(mean / mean.norm() if normalize else mean)
    return np.stack(vectors)


ELMO_OPTIONS = {
    "lstm": {
        "use_skip_connections": True,
        "projection_dim": 4,
        "cell_clip": 3,
        "proj_clip": 3,
        "dim": 8,
        "n_layers": 2,
    },
    "char_cnn": {
        "activation": "relu",
        "filters": [[1, 4], [2, 4], [3, 8]],
        "n_highway": 1,
        "embedding": {"dim": 4},
        "n_characters": 262,
        "max_characters_per_token": 50,
    },
}


def write_elmo(folder, seed=0):
    """Write options.json and weights.hdf5; their layout is tested with the encoder."""
    import h5py

    from embrec.encoders.elmo_files import dataset_shapes
    from embrec.encoders.elmo_options import read_options

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "options.json").write_text(json.dumps(ELMO_OPTIONS))
    rng = np.random.default_rng(seed)
    with h5py.File(folder / "weights.hdf5", "w") as file:
        for name, shape in dataset_shapes(read_options(folder / "options.json")).items():
            file[name] = rng.normal(0, 0.5, shape).astype(np.float32)
    return {"options_file": folder / "options.json", "weight_file": folder / "weights.hdf5"}


@cache
def tiny_elmo_files():
    """Write files of ELMo of 8 dimensions."""
    return write_elmo(Path(tempfile.mkdtemp(prefix="embrec-tiny-elmo-")))
