#!/usr/bin/env bash
# Jagged nested tensors hold sequences of different lengths without padding, and scaled_dot_product_attention takes
# them. On a CPU it does so for full attention alone: causal attention, which every model of next items needs, ends in
# "No viable backend", and a mask, with which one could write it out, is not supported either.
# Guess: is_causal=True masks each sequence by itself, as on one that is not nested.
# Seen: torch 2.13.0, CPU: full attention equals that of each sequence alone; causal RuntimeError, mask ValueError.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cat > "$folder/try.py" <<'PY'
import torch
from torch.nn.functional import scaled_dot_product_attention as attend

sequences = [torch.randn(n, 2, 8) for n in (3, 1, 5)]
nested = torch.nested.nested_tensor(sequences, layout=torch.jagged).transpose(1, 2)
found = attend(nested, nested, nested).transpose(1, 2).unbind()
alone = [attend(*[one.transpose(0, 1)[None]] * 3)[0].transpose(0, 1) for one in sequences]
print("full", all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, alone)))
for name, options in (
    ("causal", {"is_causal": True}),
    ("mask", {"attn_mask": torch.zeros(3, 2, 5, 5)}),
):
    try:
        attend(nested, nested, nested, **options)
        print(name, "works")
    except (RuntimeError, ValueError) as error:
        print(name, type(error).__name__)
PY
"$folder/venv/bin/python" "$folder/try.py" 2> /dev/null | tee "$folder/seen"
diff <(printf 'full True\ncausal RuntimeError\nmask ValueError\n') "$folder/seen"
