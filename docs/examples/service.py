"""A recommendation service: what visitors do, and what the shop does to its catalogue.

    EMBREC_MODEL=model SECRET_KEY=... uvicorn service:app --workers 1
    EMBREC_MODEL=model SECRET_KEY=... REDIS_URL=redis://... uvicorn service:app --workers 4

Without Redis a visitor's session travels in a signed cookie, and one process serves the shop. With
it, sessions are kept in Redis, and any number of processes follow one stream of changes.
"""

import json
import logging
import os
import secrets
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any

import pandas as pd
from fastapi import Cookie, Depends, FastAPI, Header, HTTPException, Response
from itsdangerous import BadSignature, TimestampSigner
from pydantic import BaseModel

from embrec import EmbRecEstimator, Session

MODEL = os.environ["EMBREC_MODEL"]
SECRET_KEY = os.environ["SECRET_KEY"]
REDIS_URL = os.environ.get("REDIS_URL")
#: Seconds that a session is kept after its last click.
KEPT = 30 * 24 * 3600
#: Items that a session names, so that a cookie stays below its 4,096 bytes.
REMEMBERED = 50
#: Cookies travel encrypted only; switch that off to try the service without TLS.
SECURE = os.environ.get("INSECURE_COOKIES") != "1"
CHANGES = "catalogue-changes"

log = logging.getLogger("uvicorn.error")
redis: Any = None
if REDIS_URL:
    from redis import Redis

    redis = Redis.from_url(REDIS_URL)


# ---- the model, and the changes of its catalogue


def apply(model: EmbRecEstimator, change: dict[str, Any]) -> None:
    """Change a model's catalogue; doing it again does no harm."""
    if "put" in change:
        model.add_items(pd.DataFrame(change["put"]), exist_ok=True)
    else:
        model.remove_items(change["remove"], missing_ok=True)


class Shop:
    """The model that answers now, in this process."""

    def __init__(self) -> None:
        self.change = threading.Lock()
        self.load()
        if redis:
            threading.Thread(target=self.follow, daemon=True).start()

    def load(self) -> None:
        """Load the model, repeat what has changed since it was saved, then let it answer."""
        model, position = EmbRecEstimator.load(MODEL), "0"
        if redis:
            for entry, fields in redis.xrange(CHANGES):
                apply(model, json.loads(fields[b"change"]))
                position = entry.decode()
        with self.change:
            self.model, self.position = model, position

    def publish(self, change: dict[str, Any]) -> None:
        """Change the catalogue: of this process at once, of the others as they follow."""
        with self.change:
            apply(self.model, change)  # what is wrong with it, is said here
        if redis:
            redis.xadd(CHANGES, {"change": json.dumps(change)})

    def follow(self) -> None:
        """Do what other processes publish, and what this one does, in one order for all."""
        while True:
            try:
                for _, entries in redis.xread({CHANGES: self.position}, block=1000) or []:
                    for entry, fields in entries:
                        with self.change:
                            self.position = entry.decode()
                            apply(self.model, json.loads(fields[b"change"]))
            except Exception:  # whatever it is, the shop goes on selling
                log.exception("A change of the catalogue was not followed.")
                time.sleep(1)


shop = Shop()
app = FastAPI()


# ---- sessions

signer = TimestampSigner(SECRET_KEY)


def start(data: bytes | None) -> Session:
    """Go on with a session; one of an older model starts again from its history."""
    if data is not None:
        try:
            return shop.model.resume_session(data, restart=True)
        except ValueError:  # of another version of embrec
            pass
    return shop.model.start_session()


def read_session(visitor: Annotated[str | None, Cookie()] = None) -> tuple[str, Session]:
    """Find the session of a request's cookie, or start one."""
    try:
        name = signer.unsign(visitor or "", max_age=KEPT).decode()
    except BadSignature:
        return secrets.token_urlsafe(), start(None)
    return name, start(redis.get(f"session:{name}") if redis else urlsafe_b64decode(name))


def keep(name: str, session: Session, response: Response) -> None:
    """Keep a session: in Redis under its name, or in the cookie itself."""
    data = session.to_bytes(max_history=REMEMBERED)
    if redis:
        redis.setex(f"session:{name}", KEPT, data)
    else:
        name = urlsafe_b64encode(data).decode()
    response.set_cookie(
        "visitor",
        signer.sign(name).decode(),
        max_age=KEPT,
        httponly=True,
        secure=SECURE,
        samesite="lax",
    )


Visitor = Annotated[tuple[str, Session], Depends(read_session)]


class Click(BaseModel):
    """An item that a visitor touched."""

    item: str


def answer(session: Session, k: int) -> dict[str, Any]:
    """Recommend, in a form for JSON."""
    ids, scores = session.recommend(k)
    n = sum(item is not None for item in ids)  # fewer than k if fewer qualify
    return {"items": ids[:n].tolist(), "scores": scores[:n].tolist()}


# plain functions, not async ones: they run in threads, and torch and numpy let each other run


@app.post("/clicks")
def click(click: Click, visitor: Visitor, response: Response, k: int = 10) -> dict[str, Any]:
    """Take a click, and say what to show next."""
    name, session = visitor
    try:
        session.add(click.item)
    except ValueError as error:
        raise HTTPException(404, str(error)) from error
    keep(name, session, response)
    return answer(session, k)


@app.get("/recommendations")
def recommendations(visitor: Visitor, k: int = 10) -> dict[str, Any]:
    """Say what to show a visitor who has not clicked anything new."""
    return answer(visitor[1], k)


@app.get("/items/{item}/similar")
def similar(item: str, k: int = 10) -> dict[str, Any]:
    """Say what resembles an item."""
    try:
        ids, scores = shop.model.similar_items([item], k)
    except ValueError as error:
        raise HTTPException(404, str(error)) from error
    return {"items": ids[0].tolist(), "scores": scores[0].tolist()}


# ---- the shop's own side


def check_key(authorization: Annotated[str, Header()] = "") -> None:
    """Refuse all but the shop itself."""
    if not secrets.compare_digest(authorization.encode(), f"Bearer {SECRET_KEY}".encode()):
        raise HTTPException(401, "Send the header 'Authorization: Bearer SECRET_KEY'.")


@app.put("/items", dependencies=[Depends(check_key)])
def put_items(items: list[dict[str, Any]]) -> dict[str, int]:
    """Add items, and change those that are there."""
    try:
        shop.publish({"put": items})
    except (ValueError, TypeError) as error:
        raise HTTPException(422, str(error)) from error
    return {"n_items": shop.model.index_.snapshot.n_active}


@app.delete("/items/{item}", dependencies=[Depends(check_key)])
def remove_item(item: str) -> dict[str, int]:
    """Take an item out of all answers."""
    shop.publish({"remove": [item]})
    return {"n_items": shop.model.index_.snapshot.n_active}


@app.post("/model", dependencies=[Depends(check_key)])
def reload_model() -> dict[str, str]:
    """Load the model anew, which was trained again and saved; answers go on meanwhile."""
    shop.load()
    return {"fingerprint": shop.model.fingerprint_}


@app.get("/health")
def health() -> dict[str, Any]:
    """Tell which model answers, and over how many items."""
    index = shop.model.index_
    return {
        "fingerprint": shop.model.fingerprint_,
        "n_items": index.snapshot.n_active,
        "recall": index.recall_,
    }
