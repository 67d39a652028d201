"""What all pages need: figures from files, tables, and where they come from."""

import json
from typing import Any

from _common import RESULTS


def read(name: str) -> dict[str, Any]:
    """Read the figures of one script."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def is_there(name: str) -> bool:
    """Whether a script was run."""
    return (RESULTS / f"{name}.json").exists()


def table(header: list[str], rows: list[list[str]]) -> str:
    """Write a Markdown table."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def source(figures: dict[str, Any]) -> str:
    """Tell the command and the versions."""
    versions = ", ".join(f"{k} {v}" for k, v in figures["machine"].items())
    return f"`{figures['command']}` ({versions})"


def with_interval(figure: dict[str, float], digits: int = 4) -> str:
    """Show a figure and its interval."""
    value, low, high = (f"{figure[k]:.{digits}f}" for k in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
