"""What is fuzzed. Each target makes a sound input, and tries variants of it.

Accepted or refused as documented: True or False. Anything else raises.
"""

import gzip
import json
import os
import shutil
import struct
import warnings
import zlib
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
from checkpoints import make_state, open_folder
from elmo_reference import random_weights, tiny_options, write_files
from opened_service import open_service
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_union
from sklearn.preprocessing import OneHotEncoder
from small_recommender import ITEMS, LOG, fit_small

from embrec._utils import files
from embrec.featurizers import TimeFeaturizer
from tests.fuzz.campaign import target
from tests.fuzz.mutation import mutate, mutate_json

TEXTS = pd.DataFrame({"title": ["a pen and ink", "pens", "new_york 1"]})


def contents(folder):
    """All files below a folder, and what is in them."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def check_lists(ids, scores, known):
    """Demand lists that could be shown: known items, no one twice, finite scores in order."""
    for row, values in zip(ids, scores, strict=True):
        row = [one for one in row if one is not None]
        assert len(set(row)) == len(row) > 0, row
        assert set(row) <= set(known), row
        values = np.asarray(values[: len(row)], dtype=float)
        assert np.isfinite(values).all(), values
        assert (np.diff(values) <= 0).all(), values


# ---- checkpoints


@target()
def checkpoints(folder):
    """A checkpoint with changed bytes; often with a checksum that is right again."""
    from embrec.training.checkpoint import CheckpointError

    path = folder / "run"
    written = open_folder(path).write(3, make_state(3), is_best=True)
    sound = written.read_bytes()[:-32]
    n_header = struct.unpack("<Q", sound[:8])[0]
    header = json.loads(sound[8 : 8 + n_header])
    header["__metadata__"]["state"] = json.loads(header["__metadata__"]["state"])

    def variant(rng):
        if rng.random() < 0.5:
            return mutate(rng, sound)
        tree = mutate_json(rng, header)
        about = tree.get("__metadata__") if isinstance(tree, dict) else None
        if isinstance(about, dict) and "state" in about:
            about["state"] = json.dumps(about["state"])
        text = json.dumps(tree).encode()
        return struct.pack("<Q", len(text)) + text + sound[8 + n_header :]

    def try_one(rng):
        data = variant(rng)
        right = rng.random() < 0.9
        written.write_bytes(data + blake2b(data if right else sound, digest_size=32).digest())
        before = contents(path)
        try:
            opened = open_folder(path)
            opened.newest()
            opened.best()
        except CheckpointError:
            return False
        finally:
            assert contents(path) == before
        return True

    return try_one


@target(in_suite=False)  # takes longer than the others
def resumed_training(folder):
    """Training that goes on from a checkpoint whose state was changed, its checksum right."""
    from embrec import EmbRecEstimator, TfidfItemFeaturizer
    from embrec.components import GRUEncoder, ItemTowers
    from embrec.training.checkpoint import CheckpointError
    from embrec.training.loop import DivergedError

    path = folder / "run"

    def fit(epochs):
        parts = {"item_model": ItemTowers(4), "encoder": GRUEncoder(4)}
        options = {"max_epochs": epochs, "random_state": 0, "checkpoint_dir": path, **parts}
        return EmbRecEstimator(TfidfItemFeaturizer(columns=["title"]), **options).fit(
            LOG, items=ITEMS
        )

    fit(2)
    sounds = {p: p.read_bytes()[:-32] for p in path.iterdir()}

    def try_one(rng):
        shutil.rmtree(path)
        path.mkdir()
        for p, sound in sounds.items():
            n_header = struct.unpack("<Q", sound[:8])[0]
            header = json.loads(sound[8 : 8 + n_header])
            if rng.random() < 0.7:
                about = header["__metadata__"]
                about["state"] = json.dumps(mutate_json(rng, json.loads(about["state"])))
                text = json.dumps(header).encode()
                data = struct.pack("<Q", len(text)) + text + sound[8 + n_header :]
            else:
                body = mutate(rng, sound[8 + n_header :])
                body = body[: len(sound)].ljust(len(sound) - 8 - n_header, b"\0")
                data = sound[: 8 + n_header] + body
            p.write_bytes(data + blake2b(data, digest_size=32).digest())
        try:
            model = fit(2)
        except (CheckpointError, DivergedError):
            return False
        except ValueError as error:
            assert "are not finite" in str(error)
            return False
        check_lists(*model.recommend([["photo-0"]], k=5), ITEMS["item"])
        return True

    return try_one


# ---- sessions


def _fit_with_events(log):
    """Train on ratings, kinds and times of events as well."""
    steps = np.arange(len(log))
    said = {
        "rating": np.where(steps % 3 > 0, steps % 5, np.nan),
        "kind": pd.Series(["view", "buy"])[steps % 2].to_numpy(),
        "timestamp": pd.to_datetime(log["timestamp"] * 1e5, unit="s"),
    }
    kinds = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["kind"]), (SimpleImputer(), ["rating"])
    )
    reader = make_union(kinds, TimeFeaturizer())
    return fit_small(log.assign(**said), ITEMS, event_featurizer=reader)


@target()
def sessions(folder):
    """Bytes of a session with changes; often with a checksum that is right again."""
    return _changing_sessions(fit_small(LOG, ITEMS), {})


@target()
def sessions_with_times(folder):
    """Bytes of a session that says when its last event was."""
    return _changing_sessions(
        _fit_with_events(LOG), {"event": {"timestamp": pd.Timestamp("1970-02-03"), "kind": "buy"}}
    )


def _changing_sessions(model, said):
    session = model.start_session(["photo-0"]).add("desk-1", **said)
    sound, sane = session.to_bytes(), model.recommend([["photo-0"]], k=5)
    head = struct.Struct("<16s16sIII")

    def variant(rng):
        if rng.random() < 0.3:
            return mutate(rng, sound)
        magic, about, _, n_state, _ = head.unpack_from(sound)
        state, names = sound[head.size :][:n_state], sound[head.size + n_state :]
        kind = rng.random()
        if kind < 0.4:
            state = mutate(rng, state)
            for at in range(0, len(state) - 3, rng.choice((4, 4 * len(state)))):
                number = rng.choice((-1, 1)) * 10.0 ** rng.randrange(-45, 39)
                state = state[:at] + struct.pack("<f", number) + state[at + 4 :]
        elif kind < 0.7:
            names = mutate(rng, names)
        else:
            names = json.dumps(mutate_json(rng, json.loads(names))).encode()
        if rng.random() < 0.1:
            about = rng.randbytes(16)
        checksum = zlib.crc32(state + names)
        return head.pack(magic, about, checksum, len(state), len(names)) + state + names

    def try_one(rng):
        try:
            again = model.resume_session(variant(rng), restart=rng.random() < 0.7)
        except ValueError:
            again = None
        if again is not None:
            ids, scores = again.recommend(5)
            check_lists([ids], [scores], ITEMS["item"])
            again.add("photo-2", **said)
            check_lists(*[[each] for each in again.recommend(5)], ITEMS["item"])
            model.resume_session(again.to_bytes())
        same = model.recommend([["photo-0"]], k=5)
        assert same[0].tolist() == sane[0].tolist()
        np.testing.assert_array_equal(same[1], sane[1])
        return again is not None

    return try_one


@target()
def events(folder):
    """What visitors' clicks are said to be."""
    model = _fit_with_events(LOG)
    odd = [None, "", "buy", "view", b"buy", 3, -1, 2.5, 10**400, float("nan"), float("inf"), 1e39]
    odd += [True, [], {}, (1,), np.int8(3), np.datetime64("NaT"), pd.NaT, pd.NA, "1970-02-03"]
    odd += [
        pd.Timestamp("1970-02-03"),
        pd.Timestamp("1970-02-03", tz="Asia/Tokyo"),
        2**63,
        "\ud800",
    ]
    sound = {"rating": 3.0, "kind": "buy", "timestamp": pd.Timestamp("1970-02-03")}

    def variant(rng):
        if rng.random() < 0.1:
            return rng.choice(odd)
        event = dict(sound)
        for _ in range(rng.choice((1, 1, 2))):
            name = rng.choice((*sound, *sound, "item", "", 3, "_gap"))
            if rng.random() < 0.2:
                event.pop(name, None)
            else:
                event[name] = rng.choice(odd)
        return event

    def try_one(rng):
        session, event = model.start_session(["photo-0"]), variant(rng)
        if rng.random() < 0.5:
            session.add("desk-0", event=sound)
        before = session.to_bytes()
        try:
            session.add("photo-1", event=event)
        except (TypeError, ValueError):
            assert session.to_bytes() == before, event
            return False
        again = model.resume_session(session.to_bytes())
        for one in (session, again):
            ids, scores = one.recommend(5)
            check_lists([ids], [scores], ITEMS["item"])
        return True

    return try_one


# ---- files of word vectors


def _word_files():
    words = ["pen", "ink", "café", "1", "new_york"]
    rows = np.arange(15, dtype=np.float32).reshape(5, 3) / 4 - 1
    lines = [f"{w} {' '.join(map(str, v))}" for w, v in zip(words, rows.tolist(), strict=True)]
    text = "\n".join(lines).encode() + b"\n"
    binary = b"".join(w.encode() + b" " + v.tobytes() for w, v in zip(words, rows, strict=True))
    return {"w2v.txt": b"5 3\n" + text, "glove.txt": text, "w2v.bin": b"5 3\n" + binary}


def _fasttext(folder):
    from gensim.models import FastText
    from gensim.models.fasttext import save_facebook_model

    texts = [["pen", "ink"], ["pen", "paper"]] * 5
    model = FastText(texts, vector_size=4, min_count=1, bucket=20, epochs=1, seed=1, workers=1)
    save_facebook_model(model, str(folder / "sound.bin"))
    return (folder / "sound.bin").read_bytes()


def _try_words(rng, path, data):
    from embrec.encoders.word_files import WordFileSpec
    from embrec.featurizers import WordVectorItemFeaturizer

    for left in path.parent.iterdir():  # by an input that was a fault
        left.unlink()
    path.write_bytes(data)
    file_format = rng.choice(("auto", "auto", "auto", "word2vec", "glove", "fasttext"))
    spec = WordFileSpec.of(path, file_format, rng.choice((None, None, 2)))
    try:
        spec.load()
    except ValueError as error:
        assert str(path) in str(error), error
        return False
    finally:
        assert contents(path.parent) == {Path(path.name): data}
        path.unlink()
    path.write_bytes(data)
    featurizer = WordVectorItemFeaturizer(vectors=path, file_format=file_format, limit=spec.limit)
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            vectors = featurizer.fit_transform(TEXTS)
    except ValueError as error:
        assert "has a vector" in str(error), error
        return False
    # a mean of numbers near the end of float32 is said to be none
    assert np.isfinite(vectors).all() or any("not finite" in str(one.message) for one in told)
    path.unlink()
    return True


@target()
def word_files(folder):
    """word2vec's text and binary, GloVe; a part of them compressed."""
    sounds = _word_files()
    work = folder / "words"
    work.mkdir()

    def try_one(rng):
        name = rng.choice(list(sounds))
        data = sounds[name]
        squeeze = rng.random()
        if squeeze > 0.3 or rng.random() < 0.5:
            data = mutate(rng, data)
        if squeeze < 0.3:
            name, data = f"{name}.gz", gzip.compress(data, mtime=0)
            data = mutate(rng, data) if rng.random() < 0.7 else data
        return _try_words(rng, work / name, data)

    return try_one


@target()
def fasttext_files(folder):
    """Models of fastText, with subwords."""
    sound = _fasttext(folder)
    work = folder / "words"
    work.mkdir()

    def try_one(rng):
        name, data = "model.bin", mutate(rng, sound)
        if rng.random() < 0.2:
            name, data = "model.bin.gz", gzip.compress(data, mtime=0)
        return _try_words(rng, work / name, data)

    return try_one


# ---- files of ELMo


def _try_elmo(options, weights):
    from embrec.encoders.elmo import ElmoEncoder
    from embrec.encoders.elmo_files import ElmoFiles
    from embrec.encoders.word_mean import WordReader
    from embrec.encoders.words import split_tokens

    before = options.read_bytes(), weights.read_bytes()
    try:
        model = ElmoFiles.of(options, weights, "cpu").load()
    except ValueError as error:
        assert str(options) in str(error) or str(weights) in str(error), error
        return False
    finally:
        assert (options.read_bytes(), weights.read_bytes()) == before
    (vectors,) = ElmoEncoder(model, WordReader(split_tokens, False, 9)).encode([["a pen", ""]])
    assert np.isfinite(vectors).all()
    return True


@target()
def elmo_options(folder):
    """options.json as text and as a tree, beside sound weights."""
    options, weights = write_files(folder / "model")
    assert _try_elmo(options, weights)  # imports are no matter of an input
    sound = tiny_options()

    def try_one(rng):
        if rng.random() < 0.3:
            options.write_bytes(mutate(rng, json.dumps(sound).encode()))
        else:
            options.write_text(json.dumps(mutate_json(rng, sound)))
        return _try_elmo(options, weights)

    return try_one


@target()
def elmo_weights(folder):
    """weights.hdf5, as bytes, and with datasets of declared sizes and odd types."""
    import h5py

    options, weights = write_files(folder / "model")
    assert _try_elmo(options, weights)
    sound, arrays = weights.read_bytes(), random_weights()
    dtypes = ["f2", "f4", "f8", "i4", "S3", "c8", h5py.string_dtype(), "?"]

    def redo(rng):
        changed = tiny_options()
        name = rng.choice(list(arrays))
        with h5py.File(weights, "w") as file:
            for one, array in arrays.items():
                if one != name:
                    file[one] = array
            shape = list(arrays[name].shape)
            if rng.random() < 0.5:
                shape[rng.randrange(len(shape))] = rng.choice((0, 1, 7, 2**20, 2**40))
            chunks = (1,) * len(shape) if all(shape) else None
            dataset = file.create_dataset(name, shape, rng.choice(dtypes), chunks=chunks)
            if all(shape) and rng.random() < 0.9:  # else nothing of it is written
                dataset[(0,) * len(shape)] = rng.choice((0, 1))
        if rng.random() < 0.5:
            size = rng.choice((2**15, 2**20, 2**31, 2**40))
            changed["lstm"] |= {rng.choice(("dim", "projection_dim", "n_layers")): size}
        options.write_text(json.dumps(changed))

    def try_one(rng):
        options.write_text(json.dumps(tiny_options()))
        if rng.random() < 0.15:
            redo(rng)
        else:
            weights.write_bytes(mutate(rng, sound))
        return _try_elmo(options, weights)

    return try_one


# ---- pictures


@target(in_suite=False)  # tests/encoders/test_pictures.py changes them already
def pictures(folder):
    """Pictures in all formats that Pillow writes here."""
    from io import BytesIO

    from PIL import Image

    from embrec.encoders.pictures import FORMATS, PictureError, decode

    image = Image.fromarray(np.arange(20 * 24 * 3, dtype=np.uint8).reshape(20, 24, 3))
    sounds = []
    for name in FORMATS:
        stream = BytesIO()
        try:
            image.save(stream, name)
        except (KeyError, OSError, ValueError):  # cannot be written by this Pillow
            continue
        sounds.append(stream.getvalue())

    def try_one(rng):
        data = mutate(rng, rng.choice(sounds))
        try:
            found = decode(data, edge=rng.choice((None, 8)), max_pixels=10**6)
        except PictureError:
            return False
        assert found.mode == "RGB"
        assert 0 < found.width * found.height <= 10**6
        return True

    return try_one


# ---- logs on disk


@target()
def parquet(folder):
    """Parquet that a store is built from."""
    from embrec.data.store import InteractionStore

    log = pd.concat([LOG] * 3, ignore_index=True)
    log["timestamp"] = pd.to_datetime(log["timestamp"], unit="D")
    sounds = []
    for number, options in enumerate(({}, {"compression": None}, {"use_dictionary": False})):
        log.to_parquet(folder / f"{number}.parquet", index=False, engine="pyarrow", **options)
        sounds.append((folder / f"{number}.parquet").read_bytes())
    work = folder / "log"
    work.mkdir()
    path, store = work / "log.parquet", work / "store"

    def try_one(rng):
        data = bytearray(rng.choice(sounds))
        if rng.random() < 0.5:  # the footer, which tells what is where
            n_footer = int.from_bytes(data[-8:-4], "little")
            begin = len(data) - 8 - n_footer
            footer = mutate(rng, data[begin:-8])
            data = data[:begin] + footer + len(footer).to_bytes(4, "little") + b"PAR1"
        else:
            data = mutate(rng, data)
        path.write_bytes(data)
        shutil.rmtree(store, ignore_errors=True)
        try:
            built = InteractionStore.from_parquet(path, store, batch_rows=8)
        except (ValueError, TypeError):
            assert contents(work) == {Path("log.parquet"): bytes(data)}
            return False
        codes, offsets = np.array(built.codes), np.array(built.offsets)
        assert len(codes) == built.n_events == offsets[-1]
        assert codes.min() >= 0
        assert codes.max() < built.n_items == len(built.ids)
        assert (np.diff(offsets) > 0).all()
        assert len(built.users) == len(offsets) - 1
        return True

    return try_one


def _one_file_changed(rng, sound):
    name = rng.choice(sorted(sound))
    data = sound[name]
    if name.suffix == ".json" and rng.random() < 0.6:
        data = json.dumps(mutate_json(rng, json.loads(data))).encode()
    else:
        data = mutate(rng, data)
    return name, data


def _sign(folder, marker):
    """Write checksums as somebody would who wants the folder to be believed."""
    try:
        meta = json.loads((folder / marker).read_bytes())
        meta["files"] = files.described(folder / meta["folder"])
        meta["digest"] = files.digest_of(meta)
    except (ValueError, TypeError, LookupError, OSError, RecursionError):
        return
    (folder / marker).write_text(json.dumps(meta))


def _changing_folder(folder, marker, sound, documented, use):
    """Try a folder in which one file was changed; use it, and demand that it stays as it is."""

    def try_one(rng):
        name, data = _one_file_changed(rng, sound)
        (folder / name).write_bytes(data)
        if rng.random() < 0.5:
            _sign(folder, marker)
        before = contents(folder)
        try:
            use(rng)
        except documented as error:
            assert str(folder) in str(error), error
            return False
        finally:
            assert contents(folder) == before
            for each in (name, marker):
                (folder / each).write_bytes(sound[Path(each)])
        return True

    return try_one


@target()
def stores(folder):
    """A store in which one file was changed."""
    from embrec.data.store import InteractionStore

    path = folder / "store"
    said = LOG.assign(rating=LOG["timestamp"] / 2, kind=LOG["item"])
    InteractionStore.from_tables(said, path, event_cols=["rating", "kind"])

    def use(rng):
        store = InteractionStore.open(path)
        if hasattr(store, "check"):
            store.check()
        codes, offsets = np.array(store.codes), np.array(store.offsets)
        assert len(codes) == store.n_events == offsets[-1]
        assert codes.min() >= 0
        assert codes.max() < store.n_items == len(store.ids)
        assert (np.diff(offsets) > 0).all()
        assert len(store.users) == len(offsets) - 1
        if store.events is not None:
            assert len(store.events) == len(codes)
            assert len(store.events[: len(codes)]) == len(store.events[codes % 7]) == len(codes)

    return _changing_folder(path, "interactions.json", contents(path), ValueError, use)


@target()
def saved_models(folder):
    """A saved recommender in which one file was changed."""
    from embrec import EmbRecEstimator

    path = folder / "model"
    fit_small(LOG, ITEMS).save(path)

    def use(rng):
        model = EmbRecEstimator.load(path, mmap_mode=rng.choice((None, "r")))
        if not np.isfinite(model.index_.vectors).all():
            return  # mapped, and with checksums to match
        known = model.catalog_.ids.ids.tolist()
        check_lists(*model.recommend([known[:1], []], k=5), known)

    return _changing_folder(path, "embrec.json", contents(path), ValueError, use)


# ---- the service


@target()
def requests(folder):  # noqa: C901 - the parts of a request
    """Requests to the service: methods, paths, parameters, headers, cookies and bodies."""
    from fastapi.testclient import TestClient

    fit_small(LOG, ITEMS).save(folder / "model")
    service = open_service(folder)
    client = TestClient(service.app)  # an error that nobody expected comes through
    client.__enter__()  # one thread for all requests, not one for each
    words = ["photo-0", "desk-1", "nobody", "%00", "a/b", "é", "..", "", " ", "photo-0/similar"]
    numbers = [
        "1",
        "10",
        "0",
        "-1",
        "101",
        "1e3",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "nan",
        "9" * 400,
        "",
        "x",
        "5\0",
    ]
    key = {"Authorization": f"Bearer {os.environ['SHOP_KEY']}"}
    item = {"item": "photo-0", "title": "camera", "price": 3, "tags": ["a"]}
    bodies = {"/clicks": {"item": "photo-0"}, "/items": [item, {**item, "item": "new"}]}

    def body(rng, path):
        sound = bodies.get(path, rng.choice((None, {}, [])))
        kind = rng.random()
        if kind < 0.2:
            return mutate(rng, json.dumps(sound).encode())
        tree = sound if kind < 0.3 or sound is None else mutate_json(rng, sound)
        return json.dumps(tree).encode()

    def ask(rng):
        item = quote(rng.choice(words), safe="/%" if rng.random() < 0.2 else "")
        method, path = rng.choice(
            (
                *[("POST", "/clicks"), ("PUT", "/items")] * 3,
                *[("GET", "/recommendations"), ("GET", f"/items/{item}/similar")],
                *[("DELETE", f"/items/{item}"), ("GET", "/health"), ("PATCH", "/items")],
                ("POST", "/model"),
            )
        )
        headers = {"content-type": rng.choice(("application/json",) * 9 + ("text/plain", ""))}
        if rng.random() < 0.85:
            headers |= key
        elif rng.random() < 0.5:
            headers["Authorization"] = mutate(rng, key["Authorization"].encode()).decode("latin-1")
        params = {"k": rng.choice(numbers)} if rng.random() < 0.3 else None
        cookie = client.cookies.get("visitor")
        if cookie and rng.random() < 0.3:
            headers["cookie"] = b"visitor=" + mutate(rng, cookie.encode())
        for name, value in list(headers.items()):
            headers[name] = value.encode("latin-1") if isinstance(value, str) else value
        content = body(rng, path) if method in ("POST", "PUT", "PATCH") else None
        return client.request(method, path, params=params, headers=headers, content=content)

    def state():
        journal = Path(service.JOURNAL).read_bytes()
        return journal, client.get("/health").json(), client.get("/recommendations").json()

    def try_one(rng):
        client.cookies.clear()
        if rng.random() < 0.5:
            client.post("/clicks", json={"item": "desk-1"})
        before = state()
        try:
            answer = ask(rng)
        except Exception as error:
            # what the client itself cannot send is no request
            if type(error).__module__.startswith("httpx"):
                return False
            raise
        assert answer.status_code < 500, (answer.status_code, answer.text[:300])
        after = state()
        assert after[1]["n_lost"] == 0
        if answer.status_code >= 400 or answer.request.url.path == "/model":
            assert after == before, answer.request  # a model that is loaded anew is the same
        listed = answer.json() if answer.status_code < 400 else {}
        for one in (listed, after[2]):
            if "items" in one:
                values = one["scores"]
                assert np.isfinite(values).all()
                assert len(set(one["items"])) == len(values) == len(one["items"])
        return answer.status_code < 400

    return try_one


@target()
def journals(folder):
    """The journal that the service reads when it starts."""
    fit_small(LOG, ITEMS).save(folder / "model")
    service = open_service(folder)
    journal = Path(service.JOURNAL)
    opened, open_alone = [service.shop.journal.file], service.open_alone
    service.open_alone = lambda path: opened.append(open_alone(path)) or opened[-1]
    changes = [
        {"put": [{"item": "new", "title": "camera"}, {"item": "photo-0", "title": "lens"}]},
        {"remove": ["photo-1"]},
        {"put": [{"item": "newer", "title": "lamp"}]},
    ]
    sound = b"".join(map(service.as_line, changes))

    def variant(rng):
        if rng.random() < 0.4:
            return mutate(rng, sound)
        return b"".join(json.dumps(mutate_json(rng, c)).encode() + b"\n" for c in changes)

    def try_one(rng):
        tree = variant(rng)
        while opened:
            opened.pop().close()
        journal.write_bytes(tree)
        try:
            shop = service.Shop()
        except SystemExit as error:
            assert f" of {journal} is damaged" in str(error), error
            return False
        finally:
            assert journal.read_bytes() == tree
        check_lists(*shop.model.recommend([["photo-0"], []], k=5), shop.model.catalog_.ids.ids)
        shop.publish({"remove": ["desk-0"]})
        assert journal.read_bytes().endswith(service.as_line({"remove": ["desk-0"]}))
        return True

    return try_one
