"""A recommendation service: what visitors do, and what the shop does to its catalogue.

    export EMBREC_MODEL=model SECRET_KEY=... SHOP_KEY=...
    uvicorn service:app
    REDIS_URL=redis://... uvicorn service:app --workers 4

Without Redis a visitor's session travels in a signed cookie, and one process serves the shop; what
changes in the catalogue is in a file beside the model, and is made again after a restart. With
Redis, sessions are kept there, and any number of processes follow one stream of changes.
"""

import json
import logging
import os
import secrets
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from operator import itemgetter
from typing import Annotated, Any, BinaryIO

import pandas as pd
from fastapi import Cookie, Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from itsdangerous import BadSignature, TimestampSigner
from pydantic import BaseModel

from embrec import EmbRecEstimator, Session

MODEL = os.environ["EMBREC_MODEL"]
#: Signs cookies, and opens the shop's own side; each at least 16 characters that nobody guesses.
SECRET_KEY, SHOP_KEY = os.environ["SECRET_KEY"], os.environ["SHOP_KEY"]
if min(len(SECRET_KEY), len(SHOP_KEY)) < 16:
    raise SystemExit("SECRET_KEY and SHOP_KEY must have at least 16 characters.")
REDIS_URL = os.environ.get("REDIS_URL")
#: Where changes of the catalogue are written down, if there is no Redis.
JOURNAL = os.environ.get("JOURNAL", f"{MODEL.rstrip('/')}.changes")
#: Bytes that it grows by before it is written anew.
JOURNAL_GROWTH = 2**20
#: Seconds that a session is kept after its last click.
KEPT = 30 * 24 * 3600
#: Items that a session names, and bytes that a browser keeps of a cookie.
REMEMBERED, COOKIE_BYTES = 50, 4000
#: Cookies travel encrypted only; switch that off to try the service without TLS.
SECURE = os.environ.get("INSECURE_COOKIES") != "1"

log = logging.getLogger("uvicorn.error")


# ---- what has changed since the model was saved


def as_line(change: Any) -> bytes:
    """Write a change as JSON that every reader takes; NaN is none, nor half a character."""
    return json.dumps(change, allow_nan=False, ensure_ascii=False).encode() + b"\n"


def open_alone(path: str) -> BinaryIO:
    """Open a file to append to, which no other process has open so."""
    try:
        import fcntl
    except ImportError as error:
        raise SystemExit("Files cannot be locked on Windows: set REDIS_URL.") from error
    file = open(path, "a+b", buffering=0)  # noqa: SIM115 - as long as the process lasts
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise SystemExit(f"{path} is in use: more than one process need REDIS_URL.") from error
    return file


def write_whole(file: BinaryIO, data: bytes) -> None:
    """Write, and see it reach the disk."""
    if file.write(data) < len(data):
        raise OSError(f"The disk took no more than a part of {len(data)} bytes.")
    os.fsync(file.fileno())


class LocalJournal:
    """Changes of the catalogue in a file of one process, a line for each.

    Once the file has doubled it is written anew, with the last change of every item.
    """

    start = 0

    def __init__(self, path: str) -> None:
        self.path = path
        self.file = open_alone(path)
        sync_folder(path)
        self.size = 0  # what lies beyond was not written whole
        self.limit = JOURNAL_GROWTH
        self.changes: list[tuple[int, Any]] = []
        self.read()

    def read(self) -> None:
        """Read the file; a last line that was cut off belongs to a request without an answer."""
        self.file.seek(0)
        lines = self.file.read().splitlines(keepends=True)
        for entry, line in enumerate(lines, 1):
            try:
                change = json.loads(line)
                if not line.endswith(b"\n") or not is_change(change):
                    raise ValueError("it is cut off, or no change")
                as_line(change)  # else it could not be written anew
            except (ValueError, RecursionError) as error:
                if entry < len(lines):
                    self.file.close()
                    raise SystemExit(
                        f"Line {entry} of {self.path} is damaged ({error}), so a change of the "
                        "catalogue is lost. Take the line out, and send that change again."
                    ) from error
                log.warning("The last line of %s is cut off, and left out.", self.path)
                return
            self.changes.append((entry, change))
            self.size += len(line)

    def add(self, change: Any) -> int:
        """Write a change down, on the disk before this returns; return its entry."""
        line = as_line(change)
        self.file.truncate(self.size)
        write_whole(self.file, line)
        self.size += len(line)
        entry = self.changes[-1][0] + 1 if self.changes else 1
        self.changes.append((entry, change))
        return entry

    def after(self, position: int) -> list[tuple[int, Any]]:
        """Return later entries and their changes."""
        return self.changes[bisect_right(self.changes, position, key=itemgetter(0)) :]

    def compact(self, item_col: str) -> None:
        """Keep of each item the last change, with its entry, if the file has grown long."""
        if self.size <= self.limit:
            return
        self.limit = 2 * self.size + JOURNAL_GROWTH  # should this fail
        last = {
            item: (entry, kind, what)
            for entry, change in self.changes
            for item, (kind, what) in by_item(change, item_col).items()
        }
        kept: dict[int, dict[str, list[Any]]] = {}
        for entry, kind, what in last.values():
            kept.setdefault(entry, {}).setdefault(kind, []).append(what)
        changes = sorted(kept.items())
        data = b"".join(as_line(change) for _, change in changes)
        new = f"{self.path}.new"
        with suppress(FileNotFoundError):
            os.remove(new)
        file = open_alone(new)
        write_whole(file, data)
        os.replace(new, self.path)
        sync_folder(self.path)
        self.file.close()
        self.file, self.size, self.changes = file, len(data), changes
        self.limit = 2 * self.size + JOURNAL_GROWTH


def sync_folder(path: str) -> None:
    """See the name of a file reach the disk."""
    folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


class RedisJournal:
    """Changes in a stream of Redis, which all processes follow."""

    start = "0-0"
    stream = "catalogue-changes"

    def __init__(self, redis: Any) -> None:
        self.redis = redis

    def add(self, change: Any) -> str:
        """Write a change down, and return its entry."""
        return self.redis.xadd(self.stream, {"change": as_line(change)}).decode()

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


def by_item(change: Any, item_col: str) -> dict[str, tuple[str, Any]]:
    """Take a change apart: what happens to each item, and what it takes."""
    put = {json.dumps(one.get(item_col, one)): ("put", one) for one in change.get("put", ())}
    return put | {json.dumps(item): ("remove", item) for item in change.get("remove", ())}


def is_change(change: Any) -> bool:
    """Whether it has the form of what is published."""
    if not isinstance(change, dict) or not change.keys() <= {"put", "remove", "reload"}:
        return False
    put, remove = change.get("put", []), change.get("remove", [])
    if not isinstance(put, list) or not isinstance(remove, list):
        return False
    return all(isinstance(item, dict) for item in put) and all(
        isinstance(item, str | int) for item in remove
    )


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
        self.journal: Any = RedisJournal(redis) if redis else LocalJournal(JOURNAL)
        self.change = threading.Lock()
        self.reloaded: set[Any] = set()
        self.lost: set[str] = set()  # what could not be repeated when the model was loaded
        self.load()
        if redis:
            threading.Thread(target=self.follow, daemon=True).start()

    def load(self, *, whole: bool = False) -> None:
        """Load the model, repeat what has changed since it was saved, then let it answer.

        If that is to be ``whole``, a change that the model does not take is an error, and the model
        before it goes on.
        """
        self.is_stale = False  # before the files are read: what is said from now on counts
        model = EmbRecEstimator.load(MODEL, mmap_mode="r")
        lost: set[str] = set()
        position = self.replay(model, self.journal.start, lost)[0]
        with self.change:
            self.position = self.replay(model, position, lost)[0]
            told = f"{len(lost)} items: {sorted(lost)[:10]}"
            if lost and whole:
                raise ValueError(
                    "This model, which may need other columns, does not take the last change of "
                    f"{told}. So the one before it goes on. Put them again as this one needs them."
                )
            self.model, self.lost = model, lost
        if lost:
            log.error("The model does not take the last change of %s", told)

    def replay(self, model: Any, position: Any, lost: set[str]) -> tuple[Any, dict[Any, Exception]]:
        """Make the changes after a position; return the last, and what those that fail say.

        Items whose last change failed are added to ``lost``.
        """
        failed = {}
        for entry, change in self.journal.after(position):
            position = entry
            if change.get("reload", self.name) != self.name and entry not in self.reloaded:
                self.reloaded.add(entry)  # once, however often the journal is repeated
                self.is_stale = True
            items = by_item(change, model.item_col).keys()
            try:
                apply(model, change)
                lost.difference_update(items)
            except Exception as error:  # the shop goes on selling
                log.warning("A change cannot be made: %s: %.1000s", error, change)
                failed[entry] = error
                lost.update(items)
        return position, failed

    def publish(self, change: dict[str, Any]) -> None:
        """Change the catalogue in all processes, in one order; in this one before it returns."""
        with self.change:
            if redis:
                self.publish_to_all(change)
            else:
                self.publish_to_file(change)

    def publish_to_all(self, change: dict[str, Any]) -> None:
        """Change the catalogue by the stream; what cannot be made is taken back from there."""
        entry = self.journal.add(change)
        self.position, failed = self.replay(self.model, self.position, set())
        if entry in failed:
            self.journal.forget(entry)
            raise failed[entry]

    def publish_to_file(self, change: dict[str, Any]) -> None:
        """Change the catalogue, and write down what could be made."""
        as_line(change)  # what cannot be written is not made
        apply(self.model, change)
        try:
            self.position = self.journal.add(change)
        except OSError as error:
            raise HTTPException(
                503, f"Made, but not written down, so send it again or a restart undoes it: {error}"
            ) from error
        try:
            self.journal.compact(self.model.item_col)
        except OSError as error:
            log.warning("The journal cannot be written anew, and goes on growing: %s", error)

    def follow(self) -> None:
        """Do what other processes publish."""
        while True:
            try:
                self.journal.wait(self.position)
                with self.change:
                    self.position = self.replay(self.model, self.position, set())[0]
                if self.is_stale:
                    self.load()
            except Exception as error:
                log.warning("The changes of the catalogue cannot be followed: %r", error)
                time.sleep(5)


shop = Shop()
app = FastAPI()


@app.exception_handler(RequestValidationError)
def misunderstood(request: Request, error: RequestValidationError) -> Response:
    """Say what is wrong with a request, but not repeat it: NaN in it would be no JSON."""
    told = [{name: one[name] for name in ("type", "loc", "msg")} for one in error.errors()]
    return JSONResponse({"detail": told}, 422)


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
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
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
    if redis:
        redis.setex(f"session:{name}", KEPT, session.to_bytes(max_history=n))
    else:
        # what an encoder remembers may take all of a cookie, and can be made anew
        is_small = len(session.to_bytes(max_history=1)) < COOKIE_BYTES / 2
        data = session.to_bytes(max_history=n, with_state=is_small)
        while len(data) * 4 / 3 > COOKIE_BYTES - 100 and n > 1:
            n //= 2
            data = session.to_bytes(max_history=n, with_state=is_small)
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
    event: dict[str, str | float] | None = None  # {"kind": "buy"}, for a model that reads events


def listed(ids: Any, scores: Any) -> dict[str, Any]:
    """Write an answer for JSON; it has fewer items than asked for if fewer qualify."""
    n = sum(item is not None for item in ids)
    return {"items": ids[:n].tolist(), "scores": scores[:n].tolist()}


# plain functions, not async ones: they run in threads, and torch and numpy let each other run


@app.post("/clicks")
def click(click: Click, visitor: Visitor, response: Response, k: K = 10) -> dict[str, Any]:
    """Take a click, and say what to show next."""
    name, session = visitor
    with refusing(404 if click.event is None else 422):
        session.add(click.item, event=click.event)
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
    columns = dict.fromkeys(name for item in items for name in item)
    with refusing(422):  # each item stands alone, whatever becomes of the others
        shop.publish({"put": [{name: item.get(name) for name in columns} for item in items]})
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
    with refusing(409):
        shop.load(whole=True)
    if redis:
        shop.publish({"reload": shop.name})
    return {"fingerprint": shop.model.fingerprint_}


@app.get("/health")
def health() -> dict[str, Any]:
    """Tell which model answers, over how many items, and without how many changes."""
    return {
        "fingerprint": shop.model.fingerprint_,
        "recall": shop.model.index_.recall_,
        "n_lost": len(shop.lost),
    } | count_items()
