"""What nobody means to type, in every field and every argument of every page: never a fault, never part of a page.

Whose pages: the operator's on the platform, and everybody's at anna's. The normal run gives each field and each
argument some of the values, in turns, so that all of them are used; the long form gives each all. What was
saved on the way is looked at in the end, on all pages.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask, request
from markupsafe import Markup
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.shell.support import addresses, links, rows_for_all
from tests.support import hostile
from tests.support.databases import Database
from tests.support.hostile import FILES, VALUES, Form, Reader
from tests.support.world import PLATFORM, Browser, World

NO_PAGES = (
    "/api/",
    "/static/",
    "/socket.io",
    "/webhooks/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/handover/",
    "/logout",
)
ROLES = ("visitor", "student", "guardian", "tutor", "manager", "operator")
# The admin is the managers' and the operators'; others are refused there, which the walk of isolation shows.
IN_ADMIN = ("manager", "operator")
# The normal run takes some of the admin's entries only: their screens are one machine's work.
ENTRY_STEP = 5
# Names that an address may have and a page does not say.
ODD_NAMES = ("x[]", "\x00", "__class__", "q\r\n", "x" * 3000)


@dataclass
class Person:
    """Somebody with a browser who types what nobody means to."""

    world: World
    database: Database
    role: str
    browser: Browser
    few: int | None
    turn: Iterator[int]
    sent: int = 0
    stale: bool = False  # something was saved since the form was read
    troubles: list[str] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    pages: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return PLATFORM if self.role == "operator" else self.world.anna.host

    def some(self, values: Sequence[Any]) -> Iterator[Any]:
        """All of them, or the next few."""
        if self.few is None:
            yield from values
            return
        for _ in range(min(self.few, len(values))):
            yield values[next(self.turn) % len(values)]

    def look(self, answer: TestResponse, what: str) -> TestResponse:
        self.sent += 1
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        self.troubles += [f"{self.role}: {what} {trouble}" for trouble in hostile.troubles(answer, self.host)]
        self.stale = self.stale or answer.status_code < 400
        if answer.status_code == 429:
            self.forgive()
        if answer.status_code == 302 and answer.location.startswith("/login/") and self.role != "visitor":
            self.browser = _browser(self.world, self.role)
        return answer

    def forgive(self) -> None:
        with self.database.connect() as connection:
            connection.execute("DELETE FROM throttle")

    def open(self, path: str) -> TestResponse:
        return self.browser.get(path)

    # -- reads ---------------------------------------------------------------------------------

    def try_arguments(self, path: str, names: set[str]) -> None:
        bare = path.partition("?")[0]
        for name in sorted(names):
            for value in self.some(VALUES):
                asked = hostile.query(name, value)
                self.look(self.browser.get(f"{bare}?{asked}"), f"GET {bare}?{asked[:100]}")
            twice = f"{hostile.query(name, '1')}&{hostile.query(name, hostile.TAG)}"
            self.look(self.browser.get(f"{bare}?{twice}"), f"GET {bare}?{twice[:100]}")
        for name in self.some(ODD_NAMES):
            asked = hostile.query(name, "1")
            self.look(self.browser.get(f"{bare}?{asked}"), f"GET {bare}?{asked[:100]}")

    # -- writes --------------------------------------------------------------------------------

    def try_form(self, page: str, form: Form, heard: Mapping[str, set[str]]) -> None:
        path = form.action.partition("?")[0]
        for name in form.names:
            self._try_field(page, form, name)
        unsaid = heard.get(f"POST {path}", set()) - set(form.names) - {"csrf_token"}
        for name in sorted(unsaid):
            self._try_field(page, form, name)

    def _try_field(self, page: str, form: Form, name: str) -> None:
        is_file = any(one.name == name and one.kind == "file" for one in form.controls)
        for value in self.some(FILES if is_file else VALUES):
            if self.stale:
                form, self.stale = self._again(page, form) or form, False
            values = hostile.plain_values(form, f"w{self.sent}")
            what = f"POST {form.action} {name}={value!r:.80}"
            if is_file:
                data = hostile.upload(values, name, value)
                self.look(self.browser.post_raw(form.action, data), what)
                continue
            body, kind = hostile.encoded(values, name, value), "application/x-www-form-urlencoded"
            self.look(self.browser.post_raw(form.action, body, content_type=kind), what)

    def _again(self, page: str, form: Form) -> Form | None:
        """The same form on the page as it is now: its stamp and its key are fresh."""
        found = Reader.of(self.open(page).text, page).forms
        return next((one for one in found if _kind(one) == _kind(form)), None)


def _kind(form: Form) -> tuple[str, ...]:
    return (form.method, form.action.partition("?")[0], *form.names)


def _browser(world: World, role: str) -> Browser:
    if role == "operator":
        return world.operator()
    return world.browser(world.anna.host, None if role == "visitor" else world.anna.email(role))


def pages_for(rules: Sequence[tuple[Rule, str]], role: str) -> list[str]:
    return [path for rule, path in rules if role in IN_ADMIN or not rule.rule.startswith("/admin/")]


def run(world: World, database: Database, roles: Sequence[str], few: int | None) -> tuple[list[Person], int]:
    """Everybody types; afterwards everybody looks at all pages once more."""
    ids = rows_for_all(world)
    alive = links(world)
    found = list(addresses(world.app, world, ids, alive))
    slugs = sorted({one.slug for one in found if one.slug} & set(ids))
    left_out = set(slugs) - set(slugs if few is None else slugs[::ENTRY_STEP])
    rules = [(one.rule, one.path) for one in found if is_page(one.rule) and one.slug not in left_out]
    turn, done, people = itertools.count(), set[tuple[str, ...]](), list[Person]()
    with hostile.asked(world.app) as heard:
        for role in roles:
            person = Person(world, database, role, _browser(world, role), few, turn)
            people.append(person)
            person.forgive()
            _type(person, pages_for(rules, role), heard, done)
            person.forgive()
    for person in people:
        for path in person.pages:
            person.look(person.open(path), f"GET {path} in the end")
    return people, len(done)


def is_page(rule: Rule) -> bool:
    return "GET" in (rule.methods or ()) and not rule.rule.startswith(NO_PAGES)


def _type(
    person: Person, paths: Sequence[str], heard: Mapping[str, set[str]], done: set[tuple[str, ...]]
) -> None:
    """Arguments first, then forms; what somebody else has tried already is not tried again."""
    places = hostile.places(lambda path: person.look(person.open(path), f"GET {path}"), paths, heard)
    person.pages = places.pages
    for path, names in sorted(places.arguments.items()):
        new = {name for name in names if ("GET", path, name) not in done}
        done |= {("GET", path, name) for name in new}
        person.try_arguments(path, new)
    for page, form in places.forms:
        if _kind(form) not in done:
            done.add(_kind(form))
            person.stale = True
            person.try_form(page, form, heard)


def _judge(people: Sequence[Person], places: int) -> None:
    sent = sum(person.sent for person in people)
    for person in people:
        print(f"{person.role}: {person.sent} requests {dict(sorted(person.statuses.items()))}")
    print(f"{sent} requests, {places} places to type into")
    found = [trouble for person in people for trouble in person.troubles]
    assert not found, f"{len(found)} troubles:\n" + "\n".join(found[:60])


def test_some_values_in_every_place(world: World, database: Database) -> None:
    people, places = run(world, database, ROLES, few=1)
    _judge(people, places)
    assert places > 150


@pytest.mark.soak
@pytest.mark.parametrize("role", ROLES)
def test_every_value_in_every_place(world: World, database: Database, role: str) -> None:
    people, places = run(world, database, (role,), few=None)
    _judge(people, places)
    assert places > 20


# -- The judge can fail ------------------------------------------------------------------------------------


def _faulty() -> Flask:
    app = Flask("faulty")

    @app.route("/page", methods=["GET", "POST"])
    def page() -> Any:
        if hidden := request.args.get("unsaid"):
            return "", 302, {"Location": hidden}
        if request.method == "POST":
            return str(Markup("<p>{}</p>").format(int(request.form["count"] or 0))) + request.form["text"]
        return Markup(
            '<a href="{}">on</a><form method="post"><input name="count"><input name="text"></form>'
        ).format(request.args.get("next", "/"))

    return app


class _Plain:
    """A browser on the throw-away application."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, base_url=f"http://{PLATFORM}")

    def post_raw(self, path: str, data: Any, **options: Any) -> TestResponse:
        return self.client.post(path, data=data, base_url=f"http://{PLATFORM}", **options)


def test_the_judge_sees_each_kind_of_fault() -> None:
    app = _faulty()
    person = Person(World(app, None, None, 0), None, "operator", _Plain(app), None, itertools.count())  # type: ignore[arg-type]
    with hostile.asked(app) as heard:
        _type(person, ["/page"], heard, set())
    told = "\n".join(person.troubles)
    assert "unsaid=https%3A%2F%2Fevil.test leads to evil.test" in told
    assert "is run by a click" in told
    assert "count=' ' answers 500" in told
    assert "is part of the page" in told
