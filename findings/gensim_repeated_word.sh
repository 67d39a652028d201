#!/usr/bin/env bash
# A word2vec file that holds a word twice is read by gensim with a log message. What is read has a place too
# many: None stands at the end of index_to_key, len() counts it, and save_word2vec_format writes the count with
# it and one line fewer, so gensim cannot read its own file.
# Guess: the second one is left out, and three words come back from a round trip.
# Seen: gensim 4.4.0: "4 ['red', 'pen', 'blue', None]", then EOFError.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gensim==4.4.0 numpy==2.4.6
printf '4 2\nred 1 2\nred 9 9\npen 3 4\nblue 5 6\n' > "$folder/twice.txt"
cat > "$folder/try.py" <<'PY'
import sys

from gensim.models import KeyedVectors

folder = sys.argv[1]
vectors = KeyedVectors.load_word2vec_format(f"{folder}/twice.txt")
print(len(vectors), vectors.index_to_key)
vectors.save_word2vec_format(f"{folder}/again.txt")
try:
    KeyedVectors.load_word2vec_format(f"{folder}/again.txt")
except EOFError as error:
    print("EOFError", error)
PY
"$folder/venv/bin/python" "$folder/try.py" "$folder" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
4 ['red', 'pen', 'blue', None]
EOFError unexpected end of input; is count incorrect or file otherwise damaged?
SEEN
