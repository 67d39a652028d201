"""A recommendation service: what visitors do, and what the shop does to its catalogue.

    export EMBREC_MODEL=model SECRET_KEY=... SHOP_KEY=...
    uvicorn service:app
    REDIS_URL=redis://... uvicorn service:app --workers 4

Without Redis a visitor's session travels in a signed cookie, and one process serves the shop; what
changes in the catalogue is in its memory, so the shop sends it again after a restart. With Redis,
sessions are kept there, and any number of processes follow one stream of changes.
"""

import json
import logging
import os
import secrets
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import pandas as pd
from fastapi import Cookie, Depends, FastAPI, Header, HTTPException, Query, Request, Response
from itsdangerous import BadSignature, TimestampSigner
from pydantic import BaseModel

from embrec import EmbRecEstimator, Session

MODEL = os.environ["EMBREC_MODEL"]
#: Signs cookies, and opens the shop's own side; each at least 16 characters that nobody guesses.
SECRET_KEY, SHOP_KEY = os.environ["SECRET_KEY"], os.environ["SHOP_KEY"]
if min(len(SECRET_KEY), len(SHOP_KEY)) < 16:
    raise SystemExit("SECRET_KEY and SHOP_KEY must have at least 16 characters.")
REDIS_URL = os.environ.get("REDIS_URL")
#: Seconds that a session is kept after its last click.
KEPT = 30 * 24 * 3600
#: Items that a session names, and bytes that a browser keeps of a cookie.
REMEMBERED, COOKIE_BYTES = 50, 4000
#: Cookies travel encrypted only; switch that off to try the service without TLS.
SECURE = os.environ.get("INSECURE_COOKIES") != "1"

log = logging.getLogger("uvicorn.error")


# ---- what has changed since the model was saved


class LocalJournal:
    """Changes of the catalogue, in the memory of one process: of each item the last."""

    start = 0

    def __init__(self) -> None:
        self.n_entries = 0
        self.newest: Any = None
        self.latest: dict[Any, tuple[int, Any]] = {}
        self.before: dict[Any, tuple[int, Any] | None] = {}

    def add(self, change: Any) -> int:
        """Write a change down, and return its entry."""
        self.n_entries += 1
        self.newest = change
        of_items = {str(record.get("item")): record for record in change.get("put", ())}
        of_items |= dict.fromkeys(change.get("remove", ()))
        self.before = {item: self.latest.get(item) for item in of_items}
        for item, record in of_items.items():
            self.latest[item] = self.n_entries, record
        return self.n_entries

    def forget(self, entry: int) -> None:
        """Take back the change that was added last, as it cannot be made."""
        self.newest = {}
        for item, before in self.before.items():
            del self.latest[item]
            if before is not None:
                self.latest[item] = before

    def after(self, position: int) -> list[tuple[int, Any]]:
        """Return later entries and their changes."""
        if position == self.n_entries - 1:
            return [(self.n_entries, self.newest)]
        later: dict[int, dict[str, list[Any]]] = {}
        for item, (entry, record) in self.latest.items():
            if entry > position:
                change = later.setdefault(entry, {})
                change.setdefault("remove" if record is None else "put", []).append(record or item)
        return sorted(later.items())


class RedisJournal:
    """The same in a stream of Redis, which all processes follow."""

    start = "0-0"
    stream = "catalogue-changes"

    def __init__(self, redis: Any) -> None:
        self.redis = redis

    def add(self, change: Any) -> str:
        """Write a change down, and return its entry."""
        return self.redis.xadd(self.stream, {"change": json.dumps(change)}).decode()

    def forget(self, entry: str) -> None:
        """Take back a change that cannot be made."""
        self.redis.xdel(self.stream, entry)

    def after(self, position: str) -> list[tuple[str, Any]]:
        """Return later entries and their changes."""
        entries = self.redis.xrange(self.stream, min=f"({position}")
        return [(entry.decode(), json.loads(fields[b"change"])) for entry, fields in entries]

    def wait(self, position: str) -> None:
        """Wait for a later entry, a second at most."""
        self.redis.xread({self.stream: position}, block=1000, count=1)


redis: Any = None
if REDIS_URL:
    from redis import Redis

    redis = Redis.from_url(REDIS_URL, socket_timeout=5)


def apply(model: EmbRecEstimator, change: dict[str, Any]) -> None:
    """Change a model's catalogue; doing it again does no harm."""
    if "put" in change:
        model.add_items(pd.DataFrame(change["put"]), exist_ok=True)
    if "remove" in change:
        model.remove_items(change["remove"], missing_ok=True)


class Shop:
    """The model that answers now, in this process, and how far it has followed the journal."""

    def __init__(self) -> None:
        self.name = secrets.token_hex()
        self.journal: Any = RedisJournal(redis) if redis else LocalJournal()
        self.change = threading.Lock()
        self.reloaded: set[Any] = set()
        self.load()
        if redis:
            threading.Thread(target=self.follow, daemon=True).start()

    def load(self) -> None:
        """Load the model, repeat what has changed since it was saved, then let it answer."""
        self.is_stale = False  # before the files are read: what is said from now on counts
        model = EmbRecEstimator.load(MODEL, mmap_mode="r")
        position = self.replay(model, self.journal.start)[0]
        with self.change:
            self.position = self.replay(model, position)[0]
            self.model = model

    def replay(self, model: EmbRecEstimator, position: Any, own: Any = None) -> tuple[Any, Any]:
        """Make the changes after a position; return the last, and what failed of one's own."""
        failure = None
        for entry, change in self.journal.after(position):
            position = entry
            if change.get("reload", self.name) != self.name and entry not in self.reloaded:
                self.reloaded.add(entry)  # once, however often the journal is repeated
                self.is_stale = True
            try:
                apply(model, change)
            except Exception as error:  # the shop goes on selling
                if entry == own:
                    failure = error
                else:
                    log.warning("Change %s of the catalogue cannot be made: %s", entry, error)
        return position, failure

    def publish(self, change: dict[str, Any]) -> None:
        """Change the catalogue in all processes, in one order; in this one before it returns."""
        with self.change:  # so that nobody else makes it, and keeps its failure
            entry = self.journal.add(change)
            self.position, failure = self.replay(self.model, self.position, own=entry)
        if failure is not None:
            self.journal.forget(entry)
            raise failure

    def follow(self) -> None:
        """Do what other processes publish."""
        while True:
            try:
                self.journal.wait(self.position)
                with self.change:
                    self.position = self.replay(self.model, self.position)[0]
                if self.is_stale:
                    self.load()
            except Exception as error:
                log.warning("The changes of the catalogue cannot be followed: %r", error)
                time.sleep(5)


shop = Shop()
app = FastAPI()


@app.exception_handler(ConnectionError)
@app.exception_handler(TimeoutError)
def unavailable(request: Request, error: Exception) -> Response:
    """Say that Redis does not answer."""
    return Response("Sessions are not available for the moment.", 503)


if redis:
    from redis.exceptions import RedisError

    app.exception_handler(RedisError)(unavailable)


@contextmanager
def refusing(status: int) -> Iterator[None]:
    """Turn what embrec says of bad input into an answer."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise HTTPException(status, str(error)) from error


# ---- sessions

signer = TimestampSigner(SECRET_KEY)


def read_session(visitor: Annotated[str | None, Cookie()] = None) -> tuple[str, Session]:
    """Find the session of a request's cookie, or start one."""
    try:
        name = signer.unsign(visitor or "", max_age=KEPT).decode()
        data = redis.get(f"session:{name}") if redis else urlsafe_b64decode(name)
        if data is not None:
            # one of an older model starts again from its history
            return name, shop.model.resume_session(data, restart=True)
    except (BadSignature, ValueError):  # forged, too old, of another version of the service
        pass
    return secrets.token_urlsafe(), shop.model.start_session()


def keep(name: str, session: Session, response: Response) -> None:
    """Keep a session: in Redis under its name, or in the cookie itself."""
    n = REMEMBERED
    data = session.to_bytes(max_history=n)
    if redis:
        redis.setex(f"session:{name}", KEPT, data)
    else:
        while len(data) * 4 / 3 > COOKIE_BYTES - 100 and n > 1:
            n //= 2
            data = session.to_bytes(max_history=n)
        name = urlsafe_b64encode(data).decode()
    cookie = signer.sign(name).decode()
    if len(cookie) > COOKIE_BYTES:
        log.error("A session takes %s bytes, too many for a cookie: use Redis.", len(cookie))
    response.set_cookie(
        "visitor", cookie, max_age=KEPT, httponly=True, secure=SECURE, samesite="lax"
    )


Visitor = Annotated[tuple[str, Session], Depends(read_session)]
K = Annotated[int, Query(ge=1, le=100)]


class Click(BaseModel):
    """An item that a visitor touched."""

    item: str  # int, for a catalogue whose ids are integers; so below


def listed(ids: Any, scores: Any) -> dict[str, Any]:
    """Write an answer for JSON; it has fewer items than asked for if fewer qualify."""
    n = sum(item is not None for item in ids)
    return {"items": ids[:n].tolist(), "scores": scores[:n].tolist()}


# plain functions, not async ones: they run in threads, and torch and numpy let each other run


@app.post("/clicks")
def click(click: Click, visitor: Visitor, response: Response, k: K = 10) -> dict[str, Any]:
    """Take a click, and say what to show next."""
    name, session = visitor
    with refusing(404):
        session.add(click.item)
    keep(name, session, response)
    return listed(*session.recommend(k))


@app.get("/recommendations")
def recommendations(visitor: Visitor, k: K = 10) -> dict[str, Any]:
    """Say what to show a visitor who has not clicked anything new."""
    return listed(*visitor[1].recommend(k))


@app.get("/items/{item:path}/similar")
def similar(item: str, k: K = 10) -> dict[str, Any]:
    """Say what resembles an item."""
    with refusing(404):
        ids, scores = shop.model.similar_items([item], k)
    return listed(ids[0], scores[0])


# ---- the shop's own side


def check_key(authorization: Annotated[str, Header()] = "") -> None:
    """Refuse all but the shop itself."""
    if not secrets.compare_digest(authorization.encode(), f"Bearer {SHOP_KEY}".encode()):
        raise HTTPException(401, "Send the header 'Authorization: Bearer ' and the SHOP_KEY.")


def count_items() -> dict[str, int]:
    """Count what may be recommended."""
    return {"n_items": shop.model.index_.snapshot.n_active}


@app.put("/items", dependencies=[Depends(check_key)])
def put_items(items: list[dict[str, Any]]) -> dict[str, int]:
    """Add items, and change those that are there."""
    with refusing(422):
        shop.publish({"put": items})
    return count_items()


@app.delete("/items/{item:path}", dependencies=[Depends(check_key)])
def remove_item(item: str) -> dict[str, int]:
    """Take an item out of all answers."""
    with refusing(422):
        shop.publish({"remove": [item]})
    return count_items()


@app.post("/model", dependencies=[Depends(check_key)])
def reload_model() -> dict[str, str]:
    """Load the model anew, which was trained again and saved, in all processes.

    Answers go on meanwhile; visitors go on from their histories.
    """
    shop.load()
    shop.publish({"reload": shop.name})
    return {"fingerprint": shop.model.fingerprint_}


@app.get("/health")
def health() -> dict[str, Any]:
    """Tell which model answers, and over how many items."""
    return {"fingerprint": shop.model.fingerprint_, "recall": shop.model.index_.recall_} | (
        count_items()
    )
