"""The examples of the README and the guides run as they stand."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "docs/getting_started.md",
    "docs/user_guide.md",
    "docs/preprocessing.md",
    "docs/datasets.md",
    "docs/featurizers.md",
    "docs/training.md",
    "docs/serving.md",
    "docs/extending.md",
    "docs/events.md",
]


def python_blocks(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def server(processes):
    processes.load("torch._dynamo")  # which training imports
    return processes


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", PAGES)
def test_examples_run_from_top_to_bottom(page, server, tmp_path):
    blocks = python_blocks(page)
    assert blocks
    done = server.run("\n".join(blocks), tmp_path)
    assert done.code == 0, done.err
