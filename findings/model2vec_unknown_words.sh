#!/usr/bin/env bash
# sentence-transformers reads the folders of model2vec, which name its StaticEmbedding as their module. Known words
# give the same vectors. Words that the tokenizer does not know are left out of the mean by model2vec, and counted
# in with the vector of [UNK] by sentence-transformers: a text of unknown words alone is zeros there, and here a
# vector that all such texts share. No error and no warning, so vectors of both get mixed: of a catalogue that was
# encoded by one and queries that were encoded by the other.
# Guess: the same folder gives the same vectors in both.
# Seen: model2vec 0.10.0, sentence-transformers 6.2.0: equal for "red pen"; other ones for "red zzz pen" and "zzz".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 model2vec==0.10.0 \
  sentence-transformers==6.2.0 transformers==5.23.0 tokenizers==0.23.3
cat > "$folder/try.py" <<'PY'
import sys

import numpy as np
from model2vec import StaticModel
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, models, pre_tokenizers

words = {word: i for i, word in enumerate(["[UNK]", "[PAD]", "red", "blue", "pen"])}
tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
vectors = np.random.default_rng(0).normal(size=(len(words), 4)).astype(np.float32)
StaticModel(vectors, tokenizer).save_pretrained(sys.argv[1])
first = StaticModel.from_pretrained(sys.argv[1])
second = SentenceTransformer(sys.argv[1], device="cpu")
for text in ("red pen", "red zzz pen", "zzz"):
    pair = first.encode([text])[0], second.encode([text])[0]
    print(text, "|", np.allclose(*pair), [bool(vector.any()) for vector in pair])
PY
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" "$folder/try.py" "$folder/model" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
red pen | True [True, True]
red zzz pen | False [True, True]
zzz | False [False, True]
SEEN
