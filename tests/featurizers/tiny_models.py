"""Text models small enough to be made by a test."""

import tempfile
from functools import cache
from pathlib import Path

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
