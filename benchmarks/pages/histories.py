"""What reads a history, and what its events say."""

from typing import Any

from pages.text import is_there, read, source, table

METRICS = ("ndcg@10", "hit_rate@10", "hit_rate@50")
GAIN = "share of the oracle's gain"
HEADS = ("NDCG@10", "HitRate@10", "HitRate@50")
HEADER = ["", "NDCG@10, valid", *(f"{head}, test" for head in HEADS), "best epoch"]


def runs_of(figures: dict[str, Any]) -> list[list[str]]:
    """Means over the runs of each way, with intervals of those of the test part."""
    rows = []
    for name, means in figures["means_of_test"].items():
        runs = figures["runs"][name]
        valid = sum(run["valid"]["ndcg@10"] for run in runs) / len(runs)
        epochs = sum(run["best_epoch"] for run in runs) / len(runs)
        cells = [mean_of(means[m], len(runs)) for m in METRICS]
        rows.append([name, f"{valid:.4f}", *cells, f"{epochs:.0f}"])
    return rows


def mean_of(mean_and_interval: list[float], n_runs: int) -> str:
    """Show a mean, and half of its interval if there is one."""
    mean, interval = mean_and_interval
    return f"{mean:.4f} ± {interval:.4f}" if n_runs > 1 else f"{mean:.4f}"


def encoders() -> str:
    """Encoders, similarities and own vectors side by side."""
    of_runs = [read(name) for name in ("encoders", "encoders_scores", "encoders_cosine")]
    rows = [row for figures in of_runs for row in runs_of(figures)]
    n_seeds = len(next(iter(of_runs[0]["runs"].values())))
    sources = "\n\n".join(map(source, of_runs))
    return f"""## Encoders and similarities

Office, the thesis' split, text of all four columns, default parameters throughout; what a visitor has seen is left out.
Means over {n_seeds} seeds of training, ± half of the 95 % interval of that mean. "GRU and attention" averages what
both predict. "Ids" has one-hot ids in the place of text; "content and ids" has text, and vectors and biases of the
items' own.

{table(HEADER, rows)}

{sources}
"""


def encoders_elsewhere() -> str:
    """The same on MovieLens and Games, one seed each."""
    movies, games = read("encoders_movielens"), read("encoders_games")
    return f"""## The same on MovieLens and Games

One seed each, and no intervals: a fit takes 20 minutes to an hour on a thread. MovieLens (ratings of 4 and 5, the last
{movies["last"]} of each user), what a visitor has seen left out:

{table(HEADER, runs_of(movies))}

Games, all ranked (the run was ended after the first of the ways that its command names):

{table(HEADER, runs_of(games))}

{source(movies)}

{source(games)}
"""


def parallel() -> str:
    """One encoder per source, trained together and in turn."""
    movies = read("parallel_movies")
    sections = [table(HEADER, runs_of(movies)), source(movies)]
    if is_there("parallel_office"):
        office = read("parallel_office")
        sections += [
            "Office, title and description as one source, brand and categories as the other:",
            table(HEADER, runs_of(office)),
            source(office),
        ]
    rest = "\n\n".join(sections)
    return f"""## One encoder per source

MovieLens, title and plot as one source, posters (EfficientNet-Lite0) as the other, the last 20 ratings of each user; what
a visitor has seen is left out. "Alternating" trains one source per epoch and holds the other still, as p-RNN was; "in turn, then
both" does so for six epochs.

{rest}
"""


def events_of_movies() -> str:
    """What ratings and times are worth on MovieLens."""
    figures = read("event_features")
    rows = [
        [
            name,
            f"{run['valid']['ndcg@10']:.4f}",
            *(f"{run[m]:.4f}" for m in METRICS),
            f"{run['asked without events']['ndcg@10']:.4f}",
        ]
        for name, runs in figures["runs"].items()
        for run in runs
    ]
    heads = ["", "NDCG@10, valid", *(f"{head}, test" for head in HEADS), "NDCG@10, ids alone asked"]
    return f"""## Ratings and times of MovieLens

The first {figures["n_users"]:,} users, the thesis' split, text of the films, one seed; what a visitor has seen is left
out. All ratings are 4 or 5. The last column asks the same model with ids alone, as a shop does that forgets to pass events.

{table(heads, rows)}

{source(figures)}
"""


def events_of_shop() -> str:
    """What types of events are worth in the generated shop."""
    figures = read("event_features_shop")
    rows = [
        [name, *(f"{run[name][m]:.4f}" for m in METRICS)]
        for run in figures["runs"]
        for name in (
            "items alone",
            "types read",
            "oracle, types summed out",
            "oracle, types known",
        )
    ]
    shares = ", ".join(f"{run[GAIN]:.0%}" for run in figures["runs"])
    unread = figures["runs"][0]["types read"]["asked without events"]
    return f"""## Types of events in the generated shop

A shop of {figures["n_users"]:,} visitors, three in ten of whose events are purchases, after which they go on to other
categories; after views they stay. The oracle knows the law that visitors follow. Of what it gains in NDCG@10 by
knowing the types, the model that reads them gains {shares}. Asked with ids alone, that model has NDCG@10
{unread["ndcg@10"]:.4f}.

{table(["", *HEADS], rows)}

{source(figures)}
"""


SECTIONS = [encoders, encoders_elsewhere, parallel, events_of_shop, events_of_movies]
