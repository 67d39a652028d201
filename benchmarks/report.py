"""Write docs/results from the figures in benchmarks/results.

python benchmarks/report.py
"""

from pathlib import Path

from pages import accuracy, blends, cold_start, content, histories, speed, table2

FOLDER = Path(__file__).parents[1] / "docs" / "results"
NOTE = (
    "Written by `python benchmarks/report.py` from the figures in `benchmarks/results`; each "
    "section names the command\nthat made it. The data is not part of embrec: set `EMBREC_DATA` to "
    "the folder that holds it.\n"
)
#: Title and sections of each page.
PAGES = {
    "table2": ("Table 2", [*table2.SECTIONS]),
    "cold_start": (
        "New items and new visitors",
        [cold_start.cold_items, cold_start.cold_users, cold_start.untouched_items],
    ),
    "accuracy": (
        "Losses, ids and defaults",
        [accuracy.office, accuracy.losses, accuracy.hybrid, accuracy.games],
    ),
    "histories": ("What reads a history, and what events say", histories.SECTIONS),
    "blends": ("Blends", blends.SECTIONS),
    "content": ("Kinds of content", [content.content, content.featurizers]),
    "speed": (
        "Time and memory",
        [
            speed.training_step,
            speed.kernels,
            speed.log_on_disk,
            speed.serving,
            speed.growth,
            speed.soak,
            speed.interactions,
            speed.reading,
            speed.rectools,
        ],
    ),
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, (title, sections) in PAGES.items():
        parts = [f"# {title}\n\n{NOTE}", *(section() for section in sections)]
        (FOLDER / f"{name}.md").write_text("\n".join(parts), encoding="utf-8")
    contents = "\n".join(["```{toctree}", ":maxdepth: 2", "", *PAGES, "```", ""])
    (FOLDER / "index.md").write_text(f"# Results\n\n{NOTE}\n{contents}", encoding="utf-8")


if __name__ == "__main__":
    main()
