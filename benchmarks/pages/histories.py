"""What reads a history, and what its events say."""

from pages.text import read, source, table

METRICS = ("ndcg@10", "hit_rate@10", "hit_rate@50")
GAIN = "share of the oracle's gain"
HEADS = ("NDCG@10", "HitRate@10", "HitRate@50")


def encoders() -> str:
    """Encoders, similarities and own vectors side by side."""
    of_runs = [read(name) for name in ("encoders", "encoders_scores", "encoders_cosine")]
    rows = []
    for figures in of_runs:
        for name, means in figures["means_of_test"].items():
            runs = figures["runs"][name]
            valid, epochs = (
                sum(numbers) / len(runs)
                for numbers in (
                    [run["valid"]["ndcg@10"] for run in runs],
                    [run["best_epoch"] for run in runs],
                )
            )
            cells = [f"{means[m][0]:.4f} ± {means[m][1]:.4f}" for m in METRICS]
            rows.append([name, f"{valid:.4f}", *cells, f"{epochs:.0f}"])
    n_seeds = len(next(iter(of_runs[0]["runs"].values())))
    sources = "\n\n".join(map(source, of_runs))
    return f"""## Encoders and similarities

Office, the thesis' split, text of all four columns, default parameters throughout; what a visitor has seen is left out.
Means over {n_seeds} seeds of training, ± half of the 95 % interval of that mean. "GRU and attention" averages what
both predict. "Ids" has one-hot ids in the place of text; "content and ids" has text, and vectors and biases of the
items' own.

{table(["", "NDCG@10, valid", *(f"{head}, test" for head in HEADS), "best epoch"], rows)}

{sources}
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


SECTIONS = [encoders, events_of_shop]
