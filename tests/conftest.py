"""What all tests share."""

import gc
import os
from pathlib import Path

# the suite runs in two processes on two cores; before numpy and torch are imported, and for the
# processes that tests start
os.environ.setdefault("OMP_NUM_THREADS", "1")
# no test talks to a hub of models; read when the libraries are imported
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pandas as pd
import pytest
import torch
from processes import ForkServer

torch.set_num_threads(1)


def pytest_configure():
    gc.disable()  # what is imported and collected lasts


def pytest_collection_finish():
    gc.freeze()  # else each collection of garbage goes through all of it once more
    gc.enable()


@pytest.fixture(scope="session")
def data_folder():
    """The folder with the real data sets; tests that need it skip where it is absent."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("EMBREC_DATA", default))
    if not folder.is_dir():
        pytest.skip("no real data here: set EMBREC_DATA to the folder that holds the data sets")
    return folder


@pytest.fixture(scope="session")
def processes():
    """Runs scripts in processes of their own, which need not import embrec again."""
    with ForkServer("embrec.baselines", "embrec.datasets", "skops.io") as server:
        yield server


TOPICS = {
    "photo": ["camera", "memory card", "camera bag", "tripod", "lens"],
    "desk": ["fountain pen", "ink bottle", "writing pad", "desk lamp", "stapler"],
    "trail": ["hiking boots", "wool socks", "backpack", "water bottle", "trail map"],
}


@pytest.fixture(scope="session")
def shop_items():
    """15 items of three topics; within a topic each leads to the next."""
    rows = [
        {"item": f"{topic}-{i}", "title": f"{title} {topic}", "price": 10.0 + i}
        for topic, titles in TOPICS.items()
        for i, title in enumerate(titles)
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def shop_log():
    """60 users who each walk along one topic, from a random start, for four steps."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(60):
        topic = list(TOPICS)[user % 3]
        start = rng.integers(5)
        for step in range(4):
            rows.append((f"u{user}", f"{topic}-{(start + step) % 5}", step))
    return pd.DataFrame(rows, columns=["user", "item", "timestamp"])


@pytest.fixture
def record_steps(monkeypatch):
    """Return a function that has a network record the shape of what each step of its GRU reads."""

    def record(network):
        steps, cell, gru = [], torch.gru_cell, network.encoder.gru.forward
        monkeypatch.setattr(
            torch, "gru_cell", lambda x, *rest: steps.append(tuple(x.shape)) or cell(x, *rest)
        )
        monkeypatch.setattr(
            network.encoder.gru,
            "forward",
            lambda x, *rest: steps.append(tuple(x.data.shape)) or gru(x, *rest),
        )
        return steps

    return record
