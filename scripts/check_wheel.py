"""Check that a wheel holds every module of the checkout, py.typed, the license and no more.

python scripts/check_wheel.py WHEEL
"""

import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main(wheel: str) -> None:
    """Print what was found, or exit with what is missing or too much."""
    inside = set(zipfile.ZipFile(wheel).namelist())
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "embrec").rglob("*.py")}
    wanted = code | {"embrec/py.typed"}
    foreign = {name for name in inside - wanted if ".dist-info/" not in name}
    problems = [f"missing: {name}" for name in sorted(wanted - inside)]
    problems += [f"too much: {name}" for name in sorted(foreign)]
    if not any(name.endswith("/licenses/LICENSE") for name in inside):
        problems.append("missing: the license")
    without = {path.parent for path in (ROOT / "embrec").rglob("*.py")}
    without = {folder for folder in without if not (folder / "__init__.py").is_file()}
    problems += [f"no __init__.py: {folder.relative_to(ROOT)}" for folder in sorted(without)]
    if problems:
        raise SystemExit("\n".join(problems))
    packages = sum(name.endswith("__init__.py") for name in code)
    print(f"{Path(wheel).name}: {len(code)} modules in {packages} packages, py.typed, the license")


if __name__ == "__main__":
    main(sys.argv[1])
