"""Recommenders that are blended."""

from typing import Any

from pages.histories import HEADS, METRICS, mean_of
from pages.text import is_there, read, source, table

DATA = {
    "blend": "Office, what a visitor has seen left out:",
    "blend_movielens": "MovieLens, the last 50 ratings of each user, what a visitor has seen left out:",
    "blend_games": "Games, all ranked:",
}


def blends() -> str:
    """Each recommender alone, and all of them together."""
    parts = []
    for name, said in DATA.items():
        if is_there(name):
            figures = read(name)
            header = ["", *HEADS, "weights"]
            parts += [said, table(header, rows_of(figures)), source(figures)]
    rest = "\n\n".join(parts)
    return f"""## A network, rules and neighbours

`BlendRecommender` adds up the scores of a network, of `SequentialRulesRecommender` (what came after what), of
`ContentNeighborsRecommender` (what is like the last two items) and of `SessionNeighborsRecommender`. Every
recommender has the defaults; weights are learned on the validation part, figures are those of the test part.
Means over seeds, ± half of the 95 % interval of that mean where there are several; what does not depend on a seed has none.

{rest}
"""


def rows_of(figures: dict[str, Any]) -> list[list[str]]:
    """Figures of the test part, and the mean weights of a blend."""
    rows = []
    for name, means in figures["means_of_test"].items():
        runs = figures["runs"][name]
        weights = [list(run.get("weights", {}).values()) for run in runs]
        shown = ", ".join(f"{sum(each) / len(runs):.2f}" for each in zip(*weights, strict=True))
        rows.append([name, *(mean_of(means[m], len(runs)) for m in METRICS), shown])
    return rows


SECTIONS = [blends]
