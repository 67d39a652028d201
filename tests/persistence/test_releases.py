"""What each release saved is read, and answers as it did then."""

import json
from pathlib import Path

import numpy as np
import pytest

import embrec
from embrec import EmbRecEstimator, baselines
from embrec.datasets import make_shop

SAVED = sorted((Path(__file__).parents[1] / "fixtures" / "saved").glob("*/*/embrec.json"))


def test_this_version_is_among_them():
    assert embrec.__version__ in {path.parents[1].name for path in SAVED}


@pytest.mark.parametrize("path", SAVED, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_what_was_saved_answers_as_it_did(path):
    meta = json.loads(path.read_text(encoding="utf-8"))
    kind = {"EmbRecEstimator": EmbRecEstimator}.get(meta["class"])
    model = (kind or getattr(baselines, meta["class"])).load(path.parent)
    answers = json.loads((path.parents[1] / f"{path.parent.name}.json").read_text())
    ids = make_shop(n_users=40, n_items=200, random_state=0).items["item"].tolist()
    found, scores = model.recommend([ids[:3], [], ids[9:10]], k=4)
    assert found.tolist() == answers["ids"]
    np.testing.assert_allclose(scores, answers["scores"], rtol=1e-3, atol=1e-5)
