"""Many lists at once, each with its own filter: no answer may belong to another request's filter.

FAB's own views share one `Filters` between all requests; with threads, answers got mixed up.
"""

from __future__ import annotations

import http.client
import json
import random
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest

from app.core.db import db
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.core.web.admin_data import AdminData, RequestFilters
from app.domains.accounts.models import Guardianship, Person
from app.shell.factory import create_app
from tests.support.databases import Clones, settings_for
from tests.support.servers import live_servers
from tests.support.world import PASSWORD, World, make_company

THREADS = 8
PAIRS = 500
_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
_ROW = re.compile(r'<th scope="row"[^>]*><a href="/admin/guardianships/(\d+)">')


@dataclass(frozen=True)
class Pair:
    """One row, and the two values of which each finds only it."""

    id: int
    guardian_id: int
    child_id: int


@dataclass
class Tally:
    right: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


def make_pairs(tenant_id: int, count: int) -> list[Pair]:
    """Inside an app context: so many guardianships, no two with a person in common."""
    with tenant_scope(tenant_id), transaction() as session:
        people = [Person(full_name=f"Person {n:05}") for n in range(2 * count)]
        session.add_all(people)
        session.flush()
        rows = [
            Guardianship(guardian_id=people[2 * n].id, child_id=people[2 * n + 1].id) for n in range(count)
        ]
        session.add_all(rows)
        session.flush()
        return [Pair(row.id, row.guardian_id, row.child_id) for row in rows]


def query_of(pair: Pair, number: int) -> str:
    """One of the filters that find exactly this row; now and then both, with an order and a size."""
    kinds: tuple[dict[str, object], ...] = (
        {"guardian_id": pair.guardian_id},
        {"child_id": pair.child_id},
        {"guardian_id": pair.guardian_id, "child_id": pair.child_id, "sort": "-created_at", "size": 50},
    )
    return urlencode(kinds[number % len(kinds)])


def race(pairs: list[Pair], count: int, ask: Callable[[], Callable[[bool, str], list[int]]]) -> Tally:
    """`count` lists from all threads at once, half as a page, half from the API. `ask()` makes a thread's
    own way to ask; it returns the ids of the rows in the answer."""
    tally, lock, barrier = Tally(), threading.Lock(), threading.Barrier(THREADS)

    def work(seed: int) -> None:
        dice, fetch = random.Random(seed), ask()
        right, wrong = 0, []
        barrier.wait()
        for number in range(count // THREADS):
            pair, is_page = dice.choice(pairs), number % 2 == 0
            query = query_of(pair, dice.randrange(3))
            try:
                found = fetch(is_page, query)
            except Exception as error:
                wrong.append(f"{query}: {error!r}")
                continue
            if found == [pair.id]:
                right += 1
            else:
                wrong.append(f"{query}: rows {found} instead of {pair.id}")
        with lock:
            tally.right += right
            tally.wrong += wrong

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(THREADS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally.seconds = time.perf_counter() - started
    return tally


# -- Against the real server -------------------------------------------------------------------------------


@dataclass
class Server:
    """A web process on a database of its own, and somebody's ways in."""

    port: int
    host: str
    pairs: list[Pair]
    cookie: str = ""
    bearer: str = ""
    connections: list[http.client.HTTPConnection] = field(default_factory=list)

    def sign_in(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        status, headers, body = self.send(connection, "GET", "/login/")
        found = _TOKEN.search(body)
        assert found
        form = {"email": "manager@anna.test", "password": PASSWORD, "csrf_token": found.group(1)}
        sent = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": headers["Set-Cookie"].split(";")[0],
        }
        status, headers, body = self.send(connection, "POST", "/login/", urlencode(form), sent)
        assert status == http.HTTPStatus.FOUND, body
        self.cookie = headers["Set-Cookie"].split(";")[0]
        login = json.dumps({"email": "manager@anna.test", "password": PASSWORD})
        sent = {"Content-Type": "application/json"}
        status, _headers, body = self.send(connection, "POST", "/api/v1/auth/token", login, sent)
        assert status == http.HTTPStatus.OK, body
        self.bearer = json.loads(body)["access_token"]
        connection.close()

    def send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, http.client.HTTPMessage, str]:
        sent = {"Host": f"{self.host}:{self.port}", "Accept": "text/html", **(headers or {})}
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()

    def asker(self) -> Callable[[bool, str], list[int]]:
        """One connection that is kept alive."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.connections.append(connection)

        def ask(is_page: bool, query: str) -> list[int]:
            if is_page:
                path, headers = f"/admin/guardianships/?{query}", {"Cookie": self.cookie}
            else:
                path, headers = f"/api/v1/guardianships/?{query}", {"Authorization": f"Bearer {self.bearer}"}
            status, _headers, body = self.send(connection, "GET", path, headers=headers)
            assert status == http.HTTPStatus.OK, f"{status} {body[:300]}"
            if is_page:
                return [int(pk) for pk in _ROW.findall(body)]
            answer = json.loads(body)
            assert answer["count"] == len(answer["result"]), "the count is of the same filter"
            return [row["id"] for row in answer["result"]]

        return ask


@pytest.fixture(scope="module")
def server(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    database, var_dir = clones.make("race"), tmp_path_factory.mktemp("race")
    app = create_app(settings_for(database, var_dir))
    with app.app_context():
        anna = make_company("anna")
        pairs = make_pairs(anna.id, PAIRS)
        db.engine.dispose()
    app.extensions["redis"].close()
    with live_servers(database, var_dir, ["serve"]) as live:
        running = Server(live.port, "anna.localhost", pairs)
        running.sign_in()
        yield running


def check(server: Server, count: int) -> None:
    tally = race(server.pairs, count, server.asker)
    while server.connections:
        server.connections.pop().close()
    print(f"{tally.right} right, {len(tally.wrong)} wrong, {tally.seconds:.1f} s")
    assert tally.wrong == []
    assert tally.right == count


def test_2000_lists_with_different_filters(server: Server) -> None:
    check(server, 2_000)


@pytest.mark.soak
def test_10000_lists_with_different_filters(server: Server) -> None:
    check(server, 10_000)


# -- The control: the fault itself is found ----------------------------------------------------------------


class SharedFilters(RequestFilters):
    """FAB's way: one object for all requests, cleared at the beginning of each."""


def test_filters_that_are_shared_give_wrong_answers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with world.app.app_context():
        pairs = make_pairs(world.anna.id, 40)
    token = world.token(world.anna)
    shared: dict[int, RequestFilters] = {}

    def clear_and_share(data: AdminData) -> RequestFilters:
        found = shared.setdefault(id(data), SharedFilters(data))
        found.filters, found.values = [], []
        return found

    def asker() -> Callable[[bool, str], list[int]]:
        client = world.app.test_client()

        def ask(_is_page: bool, query: str) -> list[int]:
            answer = client.get(
                f"/api/v1/guardianships/?{query}",
                base_url=f"http://{world.anna.host}",
                headers={"Authorization": f"Bearer {token}"},
            )
            assert answer.status_code == 200, answer.text
            return [row["id"] for row in answer.json["result"]]

        return ask

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        assert race(pairs, 80, asker).wrong == []
        monkeypatch.setattr(AdminData, "new_filters", clear_and_share)
        wrong: list[str] = []
        for _ in range(20):
            wrong += race(pairs, 160, asker).wrong
            if wrong:
                break
    finally:
        sys.setswitchinterval(interval)
    assert wrong, "the race finds nothing, so it proves nothing"
