#!/usr/bin/env bash
# precision_at_k of implicit divides the hits by min(K, number of the user's test items), summed over users. With
# one test item per user, as after leave-one-out, that is the hit rate: a list with one right item of ten has a
# precision of 1.0, where others say 0.1. And users count by their test items, not alike.
# Guess: by its name hits / K, the mean over users (the division by min(K, items) was suspected, from its source).
# Seen: implicit 0.7.3, numpy 2.4.6, scipy 1.17.1: 1.0 for 1 right item of 10; .92 for two users, one with 10 of
# 10 and one with 1 of 2 (hits / K would be .55, and each user's share of min(K, items) .75).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check implicit==0.7.3 numpy==2.4.6 scipy==1.17.1
cat > "$folder/try.py" <<'PY'
import numpy as np
from implicit.evaluation import precision_at_k
from scipy.sparse import csr_matrix

train = csr_matrix(np.eye(2, 30, dtype=np.float32))


class FirstTen:
    """Recommends items 10 to 19 to everybody."""

    def recommend(self, userid, user_items, N=10, **_):
        items = np.tile(np.arange(10, 20, dtype=np.int32), (len(userid), 1))
        return items, np.ones(items.shape, np.float32)


def precision(*bought):
    test = np.zeros((2, 30), np.float32)
    for user, items in enumerate(bought):
        test[user, items] = 1
    return round(precision_at_k(FirstTen(), train, csr_matrix(test), K=10, show_progress=False), 2)


print(precision([10], [19]), precision(list(range(10, 20)), [10, 25]))
PY
"$folder/venv/bin/python" "$folder/try.py" | tee "$folder/seen"
diff <(echo "1.0 0.92") "$folder/seen"
