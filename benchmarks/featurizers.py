"""How fast featurizers are, what memory they take, and what ten new items cost.

    OMP_NUM_THREADS=1 python benchmarks/featurizers.py [--posters 256]

Text is title and description of Amazon Office, pictures are the posters of ml1m_posters. ELMo and
AlexNet have random weights of the published shapes: the work is the same. The models that were at
hand for real are MiniLM and EfficientNet-Lite0 (extra `bench`).

Ratios are to the plain way to do the same, in the same run, on the same items: gensim's mean vector
of each text in a loop, sentence-transformers' `encode` as it comes, ELMo one text at a time,
pictures one by one without threads.
"""

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from _common import data_folder, load_office, peak_mib, reset_peak, rss_mib, write_result
from content_features import efficientnet, minilm_folder

from embrec.encoders.running import encode, get_encoder
from embrec.featurizers import (
    CategoryPathFeaturizer,
    ElmoItemFeaturizer,
    ImageFeaturizer,
    TextEncoderItemFeaturizer,
    TfidfItemFeaturizer,
    WordVectorItemFeaturizer,
)

TEXT = ["title", "description"]
#: The published shape of ELMo (Peters et al. 2018).
ELMO = {
    "lstm": {
        "use_skip_connections": True,
        "projection_dim": 512,
        "cell_clip": 3,
        "proj_clip": 3,
        "dim": 4096,
        "n_layers": 2,
    },
    "char_cnn": {
        "activation": "relu",
        "filters": [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]],
        "n_highway": 2,
        "embedding": {"dim": 16},
        "n_characters": 262,
        "max_characters_per_token": 50,
    },
}


def write_random_weights(folder: Path) -> tuple[Path, Path]:
    """Write files of the published layout: options.json and weights.hdf5, 360 MB."""
    import h5py

    rng = np.random.default_rng(0)
    cnn, lstm = ELMO["char_cnn"], ELMO["lstm"]
    dim, cell, n_filters = lstm["projection_dim"], lstm["dim"], sum(n for _, n in cnn["filters"])
    shapes = {"char_embed": (261, 16)}
    for i, (width, n) in enumerate(cnn["filters"]):
        shapes |= {f"CNN/W_cnn_{i}": (1, width, 16, n), f"CNN/b_cnn_{i}": (n,)}
    for i in range(cnn["n_highway"]):
        for kind in ("carry", "transform"):
            shapes[f"CNN_high_{i}/W_{kind}"] = (n_filters, n_filters)
            shapes[f"CNN_high_{i}/b_{kind}"] = (n_filters,)
    shapes |= {"CNN_proj/W_proj": (n_filters, dim), "CNN_proj/b_proj": (dim,)}
    for direction in (0, 1):
        for layer in range(lstm["n_layers"]):
            name = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
            shapes[f"{name}/W_0"] = (2 * dim, 4 * cell)
            shapes |= {f"{name}/B": (4 * cell,), f"{name}/W_P_0": (cell, dim)}
    with h5py.File(folder / "weights.hdf5", "w") as file:
        for name, shape in shapes.items():
            file[name] = (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)
    (folder / "options.json").write_text(json.dumps(ELMO))
    return folder / "options.json", folder / "weights.hdf5"


def measure(function) -> tuple[float, float]:
    """Seconds, and MiB that were needed on top of what was there."""
    before = rss_mib()
    reset_peak()
    started = time.perf_counter()
    function()
    return time.perf_counter() - started, peak_mib() - before


def report(table, name: str, featurizer, items, plain=None) -> None:
    """Time `transform`, and the plain way."""
    fit_seconds, _ = measure(lambda: featurizer.fit(items))
    featurizer.transform(items[:2])
    seconds, mib = measure(lambda: featurizer.transform(items))
    row = {"items": len(items), "items_per_second": len(items) / seconds, "mib": mib}
    row["fit_seconds"] = fit_seconds
    if plain is not None:
        row["plain_items_per_second"] = len(items) / measure(plain)[0]
        row["ratio"] = row["items_per_second"] / row["plain_items_per_second"]
    table[name] = row
    print(f"{name:34}" + "  ".join(f"{key} {value:,.1f}" for key, value in row.items()), flush=True)


def distinct(items: pd.DataFrame, n: int) -> pd.DataFrame:
    """Repeat items, each with a word of its own, so that no two are equal."""
    repeated = pd.concat([items] * -(-n // len(items)), ignore_index=True).head(n)
    return repeated.assign(title=[f"{t} x{i}" for i, t in enumerate(repeated["title"])])


def words_and_attributes(table, items) -> None:
    many = distinct(items, 20_000)
    report(table, "TF-IDF", TfidfItemFeaturizer(TEXT), many)
    weighted = TfidfItemFeaturizer(TEXT, column_weights={"title": 3})
    report(table, "TF-IDF, weighted columns", weighted, many)
    report(table, "TF-IDF, hashed", TfidfItemFeaturizer(TEXT, n_hash_features=2**18), many)
    words = WordVectorItemFeaturizer(TEXT, random_state=0, epochs=1)
    words.fit(items)
    table_of = dict(zip(words.words_, words.word_vectors_, strict=True))
    reader = words._reader()
    texts = words._present_texts(words._read_items(many))

    def loop():
        for text in texts:
            known = [table_of[word] for word in reader(text) if word in table_of]
            _ = np.mean(known, axis=0) if known else np.zeros(250)

    report(table, "word vectors", words, many, loop)
    paths = CategoryPathFeaturizer("categories", separator=", ")
    report(table, "category paths", paths, many)


def sentences(table, items) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(minilm_folder()), device="cpu")
    some = distinct(items, 256)
    texts = [f"{t} {d}" for t, d in some[TEXT].fillna("").to_numpy()]
    featurizer = TextEncoderItemFeaturizer(TEXT, model=minilm_folder())
    report(table, "MiniLM", featurizer, some, lambda: model.encode(texts))


def elmo(table, items, folder: Path) -> None:
    options, weights = write_random_weights(folder)
    some = distinct(items, 24)
    featurizer = ElmoItemFeaturizer(
        TEXT, options_file=options, weight_file=weights, max_words=60
    ).fit(some)
    texts = [text for text in featurizer._present_texts(featurizer._read_items(some)) if text]

    def one_by_one():
        encoder = get_encoder(featurizer._source())
        for text in texts:
            encode(encoder, [text], batch_size=1)

    report(table, "ELMo, 60 words", featurizer, some, one_by_one)


def pictures(table, n: int) -> None:
    folder = data_folder("ml1m_posters") / "images"
    paths = sorted(map(str, folder.glob("*.jpg")))[:n]
    items = pd.DataFrame({"picture": paths})
    for name, settings in {
        "colours and edges": {"backbone": "descriptor"},
        "EfficientNet-Lite0": {"backbone": efficientnet()},
    }.items():
        featurizer = ImageFeaturizer("picture", **settings).fit(items[:2])
        plain = ImageFeaturizer("picture", batch_size=1, n_decoders=1, **settings).fit(items[:2])
        report(table, name, featurizer, items, lambda plain=plain: plain.transform(items))


def ten_new_items(sizes: list[int]) -> dict[str, dict[str, float]]:
    """Time ten new items beside many that are stored, and count what is encoded."""
    from embrec.encoders.word_mean import WordMeanEncoder

    encoded = []
    encode_batch = WordMeanEncoder._encode

    def counting(self, texts):
        encoded.append(len(texts))
        return encode_batch(self, texts)

    WordMeanEncoder._encode = counting
    rows = {}
    rng = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(2000)])
    for size in sizes:
        texts = [" ".join(row) for row in words[rng.integers(2000, size=(size, 5))]]
        texts = [f"{text} {i}" for i, text in enumerate(texts)]
        with tempfile.TemporaryDirectory() as folder:
            featurizer = WordVectorItemFeaturizer(
                vector_size=32, epochs=1, random_state=0, memory=folder
            )
            featurizer.fit(texts[:10_000])
            all_seconds, _ = measure(lambda: featurizer.transform(texts))  # noqa: B023
            seconds = []
            for i in range(7):
                new = [f"{text} new{i}" for text in texts[:10]]
                encoded.clear()
                seconds.append(measure(lambda: featurizer.transform(new))[0])  # noqa: B023
            n_encoded = sum(encoded)
            encoded.clear()
            again = [*new, *texts]
            again_seconds, _ = measure(lambda: featurizer.transform(again))  # noqa: B023
            rows[str(size)] = {
                "all_seconds": all_seconds,
                "ten_new_ms": 1000 * float(np.median(seconds)),
                "encoded_for_ten_new": n_encoded,
                "all_and_ten_again_seconds": again_seconds,
                "encoded_for_all_again": sum(encoded),
            }
        print(size, {key: round(value, 3) for key, value in rows[str(size)].items()}, flush=True)
    WordMeanEncoder._encode = encode_batch
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--posters", type=int, default=256)
    parser.add_argument("--largest", type=int, default=1_000_000, help="stored beside ten new")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    sizes = [size for size in (10_000, 100_000, 1_000_000) if size <= arguments.largest]
    items = load_office().items
    table = {}
    words_and_attributes(table, items)
    sentences(table, items)
    pictures(table, arguments.posters)
    with tempfile.TemporaryDirectory() as folder:
        elmo(table, items, Path(folder))
    write_result("featurizers", {"table": table, "ten_new_items": ten_new_items(sizes)})


if __name__ == "__main__":
    main()
