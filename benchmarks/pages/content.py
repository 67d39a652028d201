"""What kinds of content are worth."""

from pages.text import read, source, table

CONTENT_COLUMNS = {
    "AUC, valid": "auc, valid",
    "HitRate@50, valid": "hit_rate@50, valid",
    "AUC, test": "auc, test",
    "HitRate@50, test": "hit_rate@50, test",
    "AUC, cold": "auc, cold, EmbRec",
    "HitRate@50, cold": "hit_rate@50, cold, EmbRec",
    "neighbours: AUC, cold": "auc, cold, neighbours",
    "neighbours: HitRate@50, cold": "hit_rate@50, cold, neighbours",
}


def content_features(name: str) -> str:
    """Kinds of content, of one data set."""
    figures = read(f"content_features_{name}")
    rows = [
        [kind, *(f"{row['mean'][key]:.4f}" for key in CONTENT_COLUMNS.values())]
        + [f"{row[f'silhouette, {metric}']:.3f}" for metric in ("euclidean", "cosine")]
        for kind, row in figures["table"].items()
    ]
    n_seeds = len(next(iter(figures["table"].values()))["runs"])
    seeds = "one seed" if n_seeds == 1 else f"means of {n_seeds} seeds"
    header = ["", *CONTENT_COLUMNS, "silhouette", "silhouette, cosine"]
    return f"""{figures["n_users"]:,} users, {figures["n_items"]:,} items, {figures["n_events"]:,} events; {seeds}.

{table(header, rows)}

{source(figures)}
"""


def content() -> str:
    """Kinds of content (thesis Figure 11 and Table 4)."""
    return f"""## Kinds of content (thesis Figure 11, Table 4)

EmbRec with default parameters, text is title and description alone. SVD is a reduction to 250 numbers, 125 + 125
for two sources. Word vectors are trained on the catalogue, MiniLM is all-MiniLM-L6-v2, EfficientNet is
EfficientNet-Lite0 trained on ImageNet, "colours and edges" is `backbone="descriptor"`. How word vectors are trained was
chosen on the validation part of Office. Cold: a tenth of the items is added after training; the test is on visitors whose
last event is one of them, ranked among all items. Neighbours are content neighbours of the last two items, by
the same features. Silhouette: how well categories of five items or more (the last level of a path, or the first genre)
are clusters of the features.

### Amazon Office

{content_features("office")}
### MovieLens-1M with posters

The last 20 events of each user.

{content_features("movies")}"""


def featurizers() -> str:
    """Throughput of featurizers."""
    figures = read("featurizers")
    rows = [
        [
            name,
            f"{row['items']:,}",
            f"{row['items_per_second']:,.0f}",
            f"{row['mib']:,.0f}",
            f"{row['ratio']:.1f}" if "ratio" in row else "",
        ]
        for name, row in figures["table"].items()
    ]
    new = [
        [
            f"{int(size):,}",
            f"{row['all_seconds']:.1f}",
            f"{row['ten_new_ms']:.1f}",
            str(row["encoded_for_ten_new"]),
            f"{row['all_and_ten_again_seconds']:.1f}",
            str(row["encoded_for_all_again"]),
        ]
        for size, row in figures["ten_new_items"].items()
    ]
    return f"""## Featurizers

`transform`, one thread; memory is what it took on top of what was there, its output included. The ratio is to the plain
way: a loop over gensim's vectors, sentence-transformers' `encode`, ELMo text by text, pictures one by one without threads.
ELMo has random weights of the published shapes.

{table(["", "items", "items/s", "MiB", "times the plain way"], rows)}

With `memory=`, word vectors of 32 dimensions: how long ten new items take beside many that are stored, how many texts are
encoded for them, and for all of them again.

{table(["stored", "all, s", "ten new, ms", "encoded", "all again, s", "encoded"], new)}

{source(figures)}
"""
