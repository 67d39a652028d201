"""Print the lowest versions that pyproject.toml declares, as constraints for pip.

    python scripts/lowest_versions.py [EXTRA ...]

Without an extra it prints the dependencies alone. Extras that name extras of embrec itself are
followed. A requirement without a lower bound is left out.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
#: Operators of a specifier that name the lowest version.
LOWEST = {">=", "==", "~="}


def requirements(project: dict, extras: list[str]) -> Iterator[Requirement]:
    """Yield what embrec needs with some extras on this Python."""
    optional = project["optional-dependencies"]
    unknown = sorted(set(extras) - set(optional))
    if unknown:
        raise SystemExit(f"pyproject.toml has no extra named {', '.join(unknown)}")
    waiting = [*project["dependencies"], *(line for extra in extras for line in optional[extra])]
    followed = set(extras)
    while waiting:
        requirement = Requirement(waiting.pop(0))
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        if requirement.name != project["name"]:
            yield requirement
            continue
        for extra in sorted(requirement.extras - followed):
            followed.add(extra)
            waiting += optional[extra]


def lowest(requirement: Requirement) -> str | None:
    """Name the lowest version that a requirement allows, if it names one."""
    for specifier in requirement.specifier:
        if specifier.operator in LOWEST:
            return specifier.version
    return None


def main(extras: list[str]) -> None:
    """Print one line per library."""
    with PYPROJECT.open("rb") as file:
        project = tomllib.load(file)["project"]
    pins = {}
    for requirement in requirements(project, extras):
        version = lowest(requirement)
        if version is not None:
            pins[re.sub(r"[-_.]+", "-", requirement.name).lower()] = version
    for name, version in sorted(pins.items()):
        print(f"{name}=={version}")


if __name__ == "__main__":
    main(sys.argv[1:])
