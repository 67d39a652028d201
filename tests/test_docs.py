"""The examples of the README and the guides run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "docs/getting_started.md",
    "docs/user_guide.md",
    "docs/datasets.md",
    "docs/featurizers.md",
    "docs/training.md",
    "docs/serving.md",
    "docs/extending.md",
]


def python_blocks(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", PAGES)
def test_examples_run_from_top_to_bottom(page, tmp_path):
    blocks = python_blocks(page)
    assert blocks
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
