"""What is killed. Each target works on a folder again and again, whatever the last time left."""

import os
import random
import threading
import time
from abc import ABC, abstractmethod

import numpy as np
import pandas as pd
from opened_service import open_service
from small_recommender import ITEMS, LOG, fit_small

from embrec._utils import files
from tests.kills.campaign import target

DAYS = 24 * 3600


class Replaced(ABC):
    """A path with one of two versions, 0 and 1; the work puts the other one in its place."""

    first = 0

    def __init__(self, folder):
        self.folder, self.path = folder, folder / "there"
        self.versions = [self.make(0), self.make(1)]
        self.write(self.versions[0])

    @abstractmethod
    def make(self, version):
        """Make what is written."""

    @abstractmethod
    def write(self, version):
        """Write it, which may be killed."""

    @abstractmethod
    def is_there(self, version):
        """Read the path, and tell whether that is a version, in all of its parts."""

    def work(self, state, note):
        self.write(self.versions[1 - state])

    def look(self, state, notes):
        (found,) = [state for state in (0, 1) if self.is_there(self.versions[state])]
        return found

    def left(self):
        marker = next(path.name for path in self.path.iterdir() if path.suffix == ".json")
        version = files.read_folder(self.path, lambda meta: meta["folder"], marker=marker)
        names = {path.name for path in self.path.iterdir()} - {marker, version}
        return sorted(names | {path.name for path in self.folder.iterdir()} - {"there"})


@target
class SavedModels(Replaced):
    """Models that are saved over one another."""

    def make(self, version):
        model = fit_small(LOG, ITEMS, random_state=version)
        return model, self._lists(model)

    @staticmethod
    def _lists(model):
        ids, scores = model.recommend([["photo-0"], ["desk-1", "photo-2"], []], k=10)
        return ids.tolist(), scores.tolist(), model.fingerprint_

    def write(self, version):
        version[0].save(self.path)

    def is_there(self, version):
        from embrec import EmbRecEstimator

        whole = EmbRecEstimator.load(self.path)
        mapped = EmbRecEstimator.load(self.path, mmap_mode="r")
        assert self._lists(whole) == self._lists(mapped)
        return self._lists(whole) == version[1]


@target
class Stores(Replaced):
    """Stores of interactions that are built over one another."""

    def make(self, version):
        rng = np.random.default_rng(version)
        users, items = rng.integers(0, 500, (2, 5000 + version))
        return pd.DataFrame({"user": users, "item": items, "timestamp": np.arange(len(users))})

    def write(self, version):
        from embrec.data.store import InteractionStore

        parts = (version[start : start + 1000] for start in range(0, len(version), 1000))
        InteractionStore.from_tables(parts, self.path, overwrite=True)

    def is_there(self, version):
        from embrec.data.store import InteractionStore

        store = InteractionStore.open(self.path)
        store.check()
        items = np.asarray(store.ids)[np.asarray(store.codes)]
        users = np.asarray(store.users).repeat(np.diff(store.offsets))
        found = pd.DataFrame({"user": users, "item": items}).sort_values("user", kind="stable")
        expected = version.sort_values(["user", "timestamp"])
        return np.array_equal(found, expected[["user", "item"]])


@target
class VectorStores:
    """Batches of vectors that are added to a store, and merged; the state is how many are in."""

    first = 0
    batches, width = 6, 32

    def __init__(self, folder):
        self.folder = folder

    def _store(self):
        from embrec.featurizers import _vector_store

        _vector_store.MAX_SEGMENTS = 4  # merge often
        return _vector_store.VectorStore(self.folder, self.width, mapped=True)

    def _batch(self, number):
        """Make keys and vectors; half of them are in the batch before too."""
        from embrec.featurizers._vector_store import KEY_DTYPE

        names = np.arange(number * 50, number * 50 + 100)
        keys = np.array([f"{name:015d}-" for name in names], dtype=KEY_DTYPE)
        return keys, np.stack([np.random.default_rng(n).random(self.width) for n in names])

    def work(self, state, note):
        store = self._store()
        for number in range(state, state + self.batches):
            keys, vectors = self._batch(number)
            store.add(keys, vectors.astype(np.float32))
            note(number + 1)
            store.read(keys)

    def look(self, state, notes):
        store = self._store()
        n_in = max([state, *notes])
        n_in += bool(store.contains(self._batch(n_in)[0]).all())  # written, and not yet noted
        for number in range(max(0, state - 10), n_in):
            keys, vectors = self._batch(number)
            assert store.contains(keys).all(), f"batch {number} of {n_in} is not there"
            np.testing.assert_allclose(store.read(keys), vectors, rtol=2**-11)
        assert not store.contains(self._batch(n_in + 1)[0][50:]).any()
        for path in self.folder.rglob(".*"):  # else they are kept for two days
            os.utime(path, (time.time() - 3 * DAYS,) * 2)
        return n_in

    def left(self):
        return sorted(path.name for path in self.folder.rglob(".*"))


@target
class Checkpoints:
    """Fits that go on from where the one before was killed: (how many ended, checkpoint)."""

    first = (0, "")

    def __init__(self, folder):
        self.folder = folder
        self.expected = self._fit(None).fingerprint_

    @staticmethod
    def _fit(path):
        from embrec.components import EarlyStopping
        from embrec.training import loop

        loop.CHECKPOINT_SECONDS = 0  # after every step
        options = {"max_epochs": 6, "early_stopping": EarlyStopping(patience=2), "batch_size": 4}
        return fit_small(LOG, ITEMS, checkpoint_dir=path, **options)

    def work(self, state, note):
        note(self._fit(self.folder / str(state[0])).fingerprint_)

    def look(self, state, notes):
        n_ended, step = state
        if notes:
            assert notes == [self.expected], "it ended with other numbers"
            return n_ended + 1, ""
        run = self.folder / str(n_ended)
        newest = max((path.name for path in run.glob("*.ckpt")), default="") if run.exists() else ""
        assert newest >= step, f"{step} was there, now it is {newest!r}"
        if newest:
            from embrec.training.checkpoint_file import CheckpointFile

            CheckpointFile.read(run / newest).state()
        return n_ended, newest

    def left(self):
        return sorted(path.name for path in self.folder.rglob("*") if path.suffix == ".tmp")


@target
class Services:
    """The service of the guide without Redis: changes of the catalogue that it has answered.

    The state is a title for each item that is there.
    """

    def __init__(self, folder):
        import fastapi  # noqa: F401 - not in each process anew
        import httpx  # noqa: F401
        import itsdangerous  # noqa: F401
        import uvicorn  # noqa: F401

        self.folder = folder
        self.first = dict(zip(ITEMS["item"], ITEMS["title"], strict=True))
        fit_small(LOG, ITEMS).save(folder / "model")

    def work(self, state, note):
        import httpx
        import uvicorn

        service = open_service(self.folder)
        service.JOURNAL_GROWTH = service.shop.journal.limit = 1000  # write it anew often
        server = uvicorn.Server(uvicorn.Config(service.app, port=0, log_level="error"))
        server.install_signal_handlers = lambda: None
        threading.Thread(target=server.run, daemon=True).start()
        while not server.started:
            time.sleep(0.001)
        port = server.servers[0].sockets[0].getsockname()[1]
        key = {"Authorization": f"Bearer {os.environ['SHOP_KEY']}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=key) as client:
            for change in self._changes(state):
                note(["asked", change])
                if "remove" in change:
                    answer = client.delete(f"/items/{change['remove']}")
                else:
                    items = [{"item": item, "title": title} for item, title in change.items()]
                    answer = client.put("/items", json=items)
                assert answer.status_code == 200, answer.text
                note(["answered", change])

    @staticmethod
    def _changes(state):
        """Draw changes that follow a state; most put a few items, some take one away."""
        rng = random.Random(repr(state))
        for _ in range(12):
            names = [f"new-{rng.randrange(15)}" for _ in range(rng.randint(1, 3))]
            titles = [f"{rng.choice(('lens', 'lamp', 'desk'))} {rng.random()}" for _ in names]
            removed = rng.random() < 0.3
            yield {"remove": names[0]} if removed else dict(zip(names, titles, strict=True))

    def look(self, state, notes):
        for kind, change in notes:
            before = state
            state = {item: title for item, title in state.items() if item != change.get("remove")}
            state |= {item: title for item, title in change.items() if item != "remove"}
            asked = kind == "asked"
            if not asked:
                before = state
        options = [before, state] if notes and asked else [state]
        service = open_service(self.folder)
        return next(option for option in options if self._holds(service.shop.model, option))

    @staticmethod
    def _holds(model, state):
        from embrec import EmbRecEstimator

        expected = EmbRecEstimator.load(os.environ["EMBREC_MODEL"])
        expected.remove_items(ITEMS["item"].tolist(), missing_ok=True)
        expected.add_items(pd.DataFrame({"item": list(state), "title": state.values()}))
        answers = [one.recommend([["photo-0"], []], k=100) for one in (model, expected)]
        (ids, scores), (same, exact) = answers
        return [set(row) for row in ids] == [set(row) for row in same] and np.allclose(
            np.sort(scores), np.sort(exact), atol=1e-4
        )

    def left(self):
        names = {path.name for path in self.folder.iterdir()}
        return sorted(names - {"model", "model.changes"})
