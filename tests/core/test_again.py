"""Bad luck in the database is met by trying again, three times at most, and only where that is safe (F16)."""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask, request
from sqlalchemy import select, text

from app.core import again, outside
from app.core.again import insist
from app.core.db import db
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Person
from app.shell.factory import create_app
from tests.support.databases import Clones, settings_for
from tests.support.world import Browser, World, make_world

CUT = "SELECT pg_terminate_backend(pg_backend_pid())"
LUCK = {
    "deadlock": "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$",
    "serialization": "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$",
    "lock timeout": "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '55P03'; END $$",
    "connection cut": CUT,
}


class Site:
    """An application with views of the test's own, that count how often they ran."""

    def __init__(self, app: Flask) -> None:
        self.app, self.ran = app, Counter[str]()
        self.works: dict[str, Callable[[int], str]] = {}
        app.add_url_rule("/try/<path:name>", "try", self._run, methods=["GET", "POST"])
        with app.app_context():
            self.world: World = make_world(app)
        self.browser = Browser(app, self.world.anna.host)

    def _run(self, name: str) -> str:
        path = f"/try/{name}"
        self.ran[path] += 1
        return self.works[path](self.ran[path])

    def view(self, name: str, work: Callable[[int], str]) -> str:
        """The address of `work`, which is told which run it is, from 1."""
        self.works[f"/try{name}"] = work
        return f"/try{name}"

    def names(self) -> Counter[str]:
        with self.app.app_context(), platform_scope("what a test has to see"):
            return Counter(db.session.scalars(select(Person.full_name)))


@pytest.fixture(scope="module")
def site(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    app = create_app(settings_for(clones.make("again"), tmp_path_factory.mktemp("again")))
    app.config["TESTING"] = False
    yield Site(app)
    with app.app_context():
        db.engine.dispose()
    app.extensions["redis"].close()


def unlucky(how: str, times: int, name: str) -> Callable[[int], str]:
    def work(run: int) -> str:
        with transaction() as session:
            session.add(Person(full_name=name))
            session.flush()
            if run <= times:
                session.execute(text(LUCK[how]))
        return "done"

    return work


@pytest.mark.parametrize("how", LUCK)
def test_it_is_done_once_however_often_it_was_tried(site: Site, how: str) -> None:
    name = f"Lucky after {how}"
    answer = site.browser.get(path := site.view(f"/lucky/{how.replace(' ', '-')}", unlucky(how, 2, name)))
    assert (answer.status_code, answer.text) == (200, "done")
    assert (site.ran[path], site.names()[name]) == (3, 1)


@pytest.mark.parametrize("how", LUCK)
def test_three_times_is_the_end_and_no_fault(site: Site, how: str) -> None:
    name = f"Never lucky {how}"
    path = site.view(f"/never/{how.replace(' ', '-')}", unlucky(how, 99, name))
    answer = site.browser.get(path)
    assert answer.status_code == (503 if how == "connection cut" else 409)
    if how == "connection cut":
        assert answer.headers["Retry-After"] == "5"
    assert (site.ran[path], site.names()[name]) == (3, 0)
    assert site.browser.get("/").status_code == 200


def test_a_mere_read_is_done_again_as_well(site: Site) -> None:
    def work(run: int) -> str:
        if run < 3:
            db.session.execute(text(CUT))
        return str(db.session.scalar(text("SELECT 41 + 1")))

    answer = site.browser.get(path := site.view("/read", work))
    assert (answer.status_code, answer.text, site.ran[path]) == (200, "42", 3)


def test_never_after_a_commit(site: Site) -> None:
    """Half of it is done: whoever looks again sees that, and another run would do it twice."""

    def work(_run: int) -> str:
        with transaction() as session:
            session.add(Person(full_name="First half"))
        with transaction() as session:
            session.execute(text(LUCK["deadlock"]))
        return "never"

    answer = site.browser.get(path := site.view("/halves", work))
    assert (answer.status_code, site.ran[path], site.names()["First half"]) == (409, 1, 1)


def test_never_where_the_commit_itself_was_cut(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whether it was committed."""

    def work(_run: int) -> str:
        with transaction() as session:
            session.add(Person(full_name="Perhaps"))
            session.flush()
            commit = session.commit

            def cut() -> None:
                pid = session.scalar(text("SELECT pg_backend_pid()"))
                with db.engine.connect() as other:
                    other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
                time.sleep(0.1)
                commit()

            monkeypatch.setattr(session, "commit", cut)
        return "never"

    answer = site.browser.get(path := site.view("/perhaps", work))
    assert (answer.status_code, site.ran[path]) == (503, 1)
    assert site.names()["Perhaps"] == 0


def test_never_after_a_provider_was_called(site: Site) -> None:
    guard = outside.Breaker("again")

    def work(_run: int) -> str:
        guard.call(lambda: None)
        with transaction() as session:
            session.execute(text(LUCK["deadlock"]))
        return "never"

    answer = site.browser.get(path := site.view("/called", work))
    assert (answer.status_code, site.ran[path]) == (409, 1)


def test_not_for_what_is_no_bad_luck(site: Site) -> None:
    def work(_run: int) -> str:
        with transaction() as session:
            session.execute(text("SELECT 1 / 0"))
        return "never"

    answer = site.browser.get(path := site.view("/zero", work))
    assert (answer.status_code, site.ran[path]) == (422, 1)


def test_not_for_longer_than_people_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "PATIENCE_SECONDS", 0.3)

    def work(_run: int) -> str:
        time.sleep(0.2)
        return unlucky("lock timeout", 99, "Too late")(1)

    answer = site.browser.get(path := site.view("/slow", work))
    assert (answer.status_code, site.ran[path]) == (409, 2)


def test_part_of_a_view_insists_by_itself(site: Site) -> None:
    inner = Counter[str]()

    def part() -> str:
        inner["part"] += 1
        return unlucky("deadlock", 2, "Insisted")(inner["part"])

    answer = site.browser.get(path := site.view("/insist", lambda _run: insist(part)))
    assert (answer.status_code, site.ran[path], inner["part"]) == (200, 1, 3)
    assert site.names()["Insisted"] == 1


def test_what_was_sent_is_there_again(site: Site) -> None:
    def work(run: int) -> str:
        sent = f"{request.form['word']} {request.files['file'].stream.read().decode()}"
        return unlucky("deadlock", 1, "Sent")(run) and sent

    path = site.view("/sent", work)
    answer = site.browser.post(path, word="hello", file=(io.BytesIO(b"world"), "x.txt"))
    assert (answer.status_code, answer.text, site.ran[path]) == (200, "hello world", 2)


def test_a_real_deadlock_hurts_neither(site: Site) -> None:
    """Two lock the same two rows in opposite order, at the same moment; PostgreSQL ends one of them."""
    with site.app.app_context(), platform_scope("what a test has to see"):
        ids = list(db.session.scalars(select(Person.id).order_by(Person.id).limit(2)))
    barrier = threading.Barrier(2)

    def work(order: list[int]) -> Callable[[int], str]:
        def lock(run: int) -> str:
            with transaction() as session:
                for place, pk in enumerate(order):
                    session.execute(select(Person.id).where(Person.id == pk).with_for_update())
                    if place == 0 and run == 1:
                        barrier.wait(10)
                session.add(Person(full_name="Deadlocked"))
            return "done"

        return lock

    paths = [site.view("/ab", work(ids)), site.view("/ba", work(ids[::-1]))]
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda path: Browser(site.app, site.world.anna.host).get(path), paths))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert sorted(site.ran[path] for path in paths) == [1, 2], "one of them was ended, and ran again"
    assert site.names()["Deadlocked"] == 2


def test_outside_of_a_request_nothing_is_tried_again(site: Site, tmp_path: Path) -> None:
    """Jobs have the outbox for that."""
    from app.core.errors import Contended
    from app.core.scope import tenant_scope

    with site.app.app_context(), tenant_scope(site.world.anna.id), pytest.raises(Contended):
        unlucky("deadlock", 99, "A job's")(1)
