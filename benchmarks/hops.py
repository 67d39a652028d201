"""How far a call travels: which files fit, recommend, a click, new items and save go through.

    python benchmarks/hops.py

Counts, for each, the files of embrec that functions are called in, the arrows between them (one file
calls into another), and the pairs of files that call each other both ways. Files that only offer help
(``_utils``, and their names before there was that room) are left out. What is loaded is whatever embrec
Python finds first, so that two checkouts can be compared with PYTHONPATH.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import embrec
from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.datasets import make_shop

ROOT = Path(embrec.__file__).parent
HELP = ("_utils", "_compat", "_warn", "_optional", "_files", "memmaps", "ragged", "data/ragged")


def file_of(frame: Any) -> str | None:
    """Name a frame's file within embrec, without its suffix; None for others."""
    path = frame.f_code.co_filename
    if not path.startswith(str(ROOT)) or frame.f_code.co_name.startswith("<"):
        return None
    name = str(Path(path).relative_to(ROOT).with_suffix(""))
    return None if name.startswith(HELP) else name


def travel(call: Callable[[], Any]) -> dict[str, Any]:
    """Run a call, and say through which files it goes."""
    arrows: set[tuple[str, str]] = set()
    files: set[str] = set()

    def watch(frame: Any, event: str, _: Any) -> None:
        if event != "call":
            return
        here, above = file_of(frame), frame.f_back
        if here is None:
            return
        files.add(here)
        while above is not None and file_of(above) is None:
            above = above.f_back
        caller = None if above is None else file_of(above)
        if caller is not None and caller != here:
            arrows.add((caller, here))

    sys.setprofile(watch)
    try:
        call()
    finally:
        sys.setprofile(None)
    both = sorted({tuple(sorted(a)) for a in arrows if a[::-1] in arrows})
    return {
        "files": len(files),
        "arrows": len(arrows),
        "both_ways": [" <-> ".join(b) for b in both],
    }


def main() -> None:
    shop = make_shop(n_users=60, n_items=200, random_state=0)
    model = EmbRecEstimator(TfidfItemFeaturizer(columns=["title"]), max_epochs=1, random_state=0)
    ids = shop.items["item"].tolist()
    new = shop.items.head(1).assign(item=["new"])
    found = {"fit": travel(lambda: model.fit(shop.interactions, items=shop.items))}
    found["recommend"] = travel(lambda: model.recommend([ids[:3]], 5))
    session = model.start_session(ids[:2])
    found["session.add"] = travel(lambda: session.add(ids[3]))
    found["add_items"] = travel(lambda: model.add_items(new))
    with tempfile.TemporaryDirectory() as folder:
        found["save"] = travel(lambda: model.save(Path(folder) / "model"))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
