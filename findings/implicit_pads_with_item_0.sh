#!/usr/bin/env bash
# recommend(N=) of implicit's matrix factorization, asked for more items than there are, fills the list with item 0
# at a score of 0.0: again and again, and above items whose scores are negative if one sorts by them. And items that
# filter_already_liked_items=True (the default) is to leave out come back behind the others where too few are left:
# at -3.4e38 here, at a plain 0.0 from CosineRecommender, where items that nobody bought together have 0.0 as well.
# Small catalogues and heavy users have both.
# Guess: a shorter list, or -1 for an item as faiss does.
# Seen: implicit 0.7.3, numpy 2.4.6, scipy 1.17.1: of 5 items, 3 of them liked, N=8 gives the other 2, then the
# liked ones, then item 0 three times. CosineRecommender gives the 5, the liked ones at 0.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check implicit==0.7.3 numpy==2.4.6 scipy==1.17.1
cat > "$folder/try.py" <<'PY'
import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from scipy.sparse import csr_matrix

likes = csr_matrix(np.array([[0, 1, 1, 1, 0], [1, 1, 0, 0, 1], [0, 0, 1, 1, 1]], dtype=np.float32))
model = AlternatingLeastSquares(factors=2, random_state=0)
model.fit(likes, show_progress=False)
items, scores = model.recommend(0, likes[0], N=8, filter_already_liked_items=True)
print(sorted(items[:2].tolist()), sorted(items[2:5].tolist()), items[5:].tolist())
print((scores[2:5] < -3e38).all(), scores[5:].tolist())
nearest = CosineRecommender(K=3)
nearest.fit(likes, show_progress=False)
items, scores = nearest.recommend(0, likes[0], N=8, filter_already_liked_items=True)
print(sorted(items[:2].tolist()), sorted(items[2:].tolist()), scores[2:].tolist())
PY
OPENBLAS_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/try.py" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
[0, 4] [1, 2, 3] [0, 0, 0]
True [0.0, 0.0, 0.0]
[0, 4] [1, 2, 3] [0.0, 0.0, 0.0]
SEEN
