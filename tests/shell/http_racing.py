"""A company whose times and last places many want at once over HTTP, and those who want them."""

from __future__ import annotations

import datetime as dt
import http.client
import itertools
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import Flask

from app.core import clock
from app.core.db import db
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts import queries as accounts
from app.domains.accounts.models import ACTIVE, STUDENT, Account, Membership, Person
from app.domains.accounts.service import signin, tokens
from app.domains.booking import service
from app.domains.booking.service import Stretch
from app.domains.catalog.models import GROUP, Offering, Variant
from app.shell.factory import create_app
from tests.domains.booking.support import DAY, HOUR, MINUTE, add_hours, add_offering
from tests.support.databases import Database, settings_for
from tests.support.servers import LiveServers
from tests.support.world import PASSWORD, make_company, password_hash

VISITORS, MEMBERS, PROGRAMS = 10, 2, 4
CONTENDERS = VISITORS + MEMBERS + PROGRAMS
HOLDS_AT_ONCE = 3  # an account may have so many open
# Both hemispheres, and offsets of whole, half and quarter hours; the last knows no other time in summer.
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Adelaide", "Pacific/Chatham", "Asia/Kathmandu")
ALWAYS = [Stretch(day, 0, 24 * 60) for day in range(7)]
WON, TAKEN = "won", "taken"
_networks = itertools.count()
_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
_ALERT = re.compile(r'role="alert".*?</form>', re.DOTALL)


@dataclass(frozen=True)
class Target:
    """What only one can have, and how it is asked for: `asks[place]` are the members of the request."""

    slug: str
    asks: Sequence[dict[str, str]]
    prepare: Callable[[], Any] = lambda: None


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str


@dataclass(frozen=True)
class Outcome:
    """How it ended for one: `won`, `taken` (409), or what should not have been; and what they were told
    where they were not told what they can have instead."""

    name: str
    bare: str = ""


@dataclass
class Client:
    """Somebody at an address of their own on the company's host of a running server."""

    port: int
    slug: str = "anna"
    cookie: str = ""
    csrf: str = ""
    bearer: str | None = None

    def __post_init__(self) -> None:
        number = next(_networks)
        self.address = f"10.{number // 62500 % 250}.{number // 250 % 250}.{number % 250}"

    def ask(self, method: str, path: str, data: dict[str, Any] | None = None) -> Answer:
        headers = {"Host": f"{self.slug}.localhost:{self.port}", "X-Forwarded-For": self.address}
        if self.bearer:
            headers |= {"Authorization": f"Bearer {self.bearer}", "Content-Type": "application/json"}
            body = json.dumps(data)
        else:
            form = {"Content-Type": "application/x-www-form-urlencoded"} if data is not None else {}
            headers |= {"Accept": "text/html", **({"Cookie": self.cookie} if self.cookie else {}), **form}
            body = urlencode({**(data or {}), "csrf_token": self.csrf}) if data is not None else ""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def open(self, path: str) -> None:
        """Fetch a page with a form: its token, and the cookie that goes with it."""
        answer = self.ask("GET", path)
        found = _TOKEN.search(answer.text)
        assert found, answer.text[:500]
        self.csrf = found[1]
        self._keep_cookie(answer)

    def sign_in(self, email: str, path: str) -> None:
        """As a browser does it, then on to a page with a form."""
        self.open("/login/")
        answer = self.ask("POST", "/login/", {"email": email, "password": PASSWORD})
        assert answer.status == 302, answer.text[:500]
        self._keep_cookie(answer)
        self.open(path)

    def _keep_cookie(self, answer: Answer) -> None:
        for line in answer.headers.get_all("Set-Cookie") or ():
            for name, morsel in SimpleCookie(line).items():
                if name == "wm":
                    self.cookie = f"wm={morsel.value}"

    def hold(self, target: Target, place: int) -> Outcome:
        """Visitors forget the cookie they get, so that each time it is another visitor who comes."""
        asked = target.asks[place]
        if self.bearer:
            given: dict[str, Any] = {**asked, "offering": target.slug}
            if "variant" in given:
                given["variant"] = int(given["variant"])
            return self._by_api(self.ask("POST", "/api/v1/holds", given))
        return self._by_page(self.ask("POST", f"/o/{target.slug}/hold", asked), asked)

    def _by_page(self, answer: Answer, asked: dict[str, str]) -> Outcome:
        if answer.status == 302 and "/checkout/" in answer.headers["Location"]:
            return Outcome(WON)
        if answer.status == 409:
            alert = _ALERT.search(answer.text)
            times = 'name="starts_at"' in alert[0] if alert else False
            dates = set(re.findall(r'name="lesson" value="(\w+)"', answer.text)) - {asked.get("lesson")}
            return Outcome(TAKEN, "" if times or dates else f"page: {_words(answer.text)}")
        return Outcome(f"page {answer.status} {answer.headers.get('Location', '')}")

    def _by_api(self, answer: Answer) -> Outcome:
        said = json.loads(answer.text)
        if answer.status == 201:
            return Outcome(WON)
        if answer.status == 409 and answer.headers.get_content_type() == "application/problem+json":
            return Outcome(TAKEN, "" if said.get("alternatives") or said.get("dates") else f"api: {said}")
        return Outcome(f"api {answer.status} {said.get('code')}")


@dataclass
class Race:
    winners: list[int] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    won_by: Counter[str] = field(default_factory=Counter)
    bare: list[str] = field(default_factory=list)


@dataclass
class Fair:
    """The company on a running server, and an application on the same database to arrange things with."""

    app: Flask
    live: LiveServers
    tenant_id: int
    offerings: dict[str, tuple[int, str, int]]  # by zone: id, slug and variant
    classes: dict[str, tuple[int, str, int]]
    emails: list[str] = field(default_factory=list)
    _programs: dict[tuple[int, int], Client] = field(default_factory=dict)

    @contextmanager
    def inside(self) -> Iterator[Any]:
        with self.app.app_context(), tenant_scope(self.tenant_id), transaction() as session:
            yield session

    def targets(self, count: int) -> list[Target]:
        """Overlapping times and last places by turns, in all zones, the days of changing clocks first."""
        moments = {zone: (anchors(zone), anchors(zone)) for zone in ZONES}
        found = []
        for number in range(count):
            zone = ZONES[number // 2 % len(ZONES)]
            at = next(moments[zone][number % 2])
            found.append(self._place(zone, at, number) if number % 2 else self._time(zone, at))
        return found

    def _time(self, zone: str, base: dt.datetime) -> Target:
        """Starts a quarter of an hour apart, so that every two of the lessons overlap, said in many zones."""
        _id, slug, variant_id = self.offerings[zone]

        def ask(place: int) -> dict[str, str]:
            spoken = ZoneInfo(ZONES[place % len(ZONES)])
            starts_at = (base + place % 4 * 15 * MINUTE).astimezone(spoken)
            return {"variant": str(variant_id), "starts_at": starts_at.isoformat()}

        return Target(slug, [ask(place) for place in range(CONTENDERS)])

    def _place(self, zone: str, at: dt.datetime, number: int) -> Target:
        """The second of two places; somebody takes the first one just before."""
        offering_id, slug, variant_id = self.classes[zone]
        lesson_id, code = self.give_date(offering_id, variant_id, at, capacity=2)

        def take_first() -> None:
            with self.inside():
                service.hold_seat(lesson_id=lesson_id, actor=f"v:first-{number}")

        return Target(slug, [{"lesson": code}] * CONTENDERS, take_first)

    def give_date(self, offering_id: int, variant_id: int, at: dt.datetime, capacity: int) -> tuple[int, str]:
        with self.inside() as session:
            lesson = service.schedule_session(
                offering=session.get_one(Offering, offering_id),
                variant=session.get_one(Variant, variant_id),
                starts_at=at,
                capacity=capacity,
            )
            return lesson.id, lesson.code

    def members(self, targets: int) -> list[list[Client]]:
        """Students by place; each stands at three targets and then leaves the place to another."""
        needed = -(-targets // HOLDS_AT_ONCE)
        page = f"/o/{self.offerings[ZONES[0]][1]}"
        found = []
        for _place in range(MEMBERS):
            clients = [Client(self.live.port) for _ in range(needed)]
            for client in clients:
                client.sign_in(self.emails.pop(), page)
            found.append(clients)
        return found

    def program(self, place: int, number: int) -> Client:
        """The one that stands there at this target, with a token that is young enough to last."""
        name = place, number // HOLDS_AT_ONCE
        if name not in self._programs:
            with self.inside():
                bearer = self._token(self.live.url("", "anna.localhost"))
            self._programs[name] = Client(self.live.port, bearer=bearer)
        return self._programs[name]

    def _token(self, audience: str) -> str:
        user = accounts.user_by_email(self.emails.pop())
        assert user is not None
        device = signin.Device("10.9.9.9", "race")
        return tokens.issue(user, tenant_id=self.tenant_id, audience=audience, device=device).access_token

    def visitors(self) -> list[Client]:
        found = [Client(self.live.port) for _ in range(VISITORS)]
        for client in found:
            client.open(f"/o/{self.offerings[ZONES[0]][1]}")
        return found


@contextmanager
def fair(database: Database, var_dir: Path, live: LiveServers, *, targets: int) -> Iterator[Fair]:
    """A tutor in each zone who is there at all hours, and as many who give classes; accounts to spare."""
    app = create_app(settings_for(database, var_dir))
    with app.app_context():
        anna = make_company("anna")
        app.extensions["places"].forget()
        made = Fair(app, live, anna.id, {}, {})
        with tenant_scope(anna.id), transaction():
            for zone in ZONES:
                made.offerings[zone] = _teach(zone)
                made.classes[zone] = _teach(zone, kind=GROUP, capacity=5)
        made.emails = _accounts(anna.id, (MEMBERS + PROGRAMS) * -(-targets // HOLDS_AT_ONCE))
    for offering_id, _slug, variant_id in made.classes.values():
        made.give_date(offering_id, variant_id, _midnight(DAY) + 12 * HOUR, capacity=500)
    try:
        yield made
    finally:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()
        app.extensions["redis"].close()


def _teach(zone: str, **more: Any) -> tuple[int, str, int]:
    tutor = Person(full_name=f"Tutor in {zone}")
    db.session.add(tutor)
    db.session.flush()
    add_hours(tutor.id, timezone=zone, rules=ALWAYS, step_minutes=15, horizon_days=365)
    offering_id, variant_id = add_offering(tutor.id, **more)
    return offering_id, str(db.session.get_one(Offering, offering_id).slug), variant_id


def _accounts(tenant_id: int, count: int) -> list[str]:
    """So many students of the company."""
    emails = [f"racer{number}@anna.test" for number in range(count)]
    rows = [
        Account(
            first_name=email, last_name="", username=email, email=email, password=password_hash(), active=True
        )
        for email in emails
    ]
    with platform_scope("test world"), transaction() as session:
        session.add_all(rows)
        session.flush()
        ids = [row.id for row in rows]
    with tenant_scope(tenant_id), transaction() as session:
        people = [Person(full_name=email, email=email) for email in emails]
        session.add_all(people)
        session.flush()
        session.add_all(
            Membership(user_id=user_id, person_id=person.id, role_key=STUDENT, status=ACTIVE)
            for user_id, person in zip(ids, people, strict=True)
        )
    return emails


def anchors(zone: str) -> Iterator[dt.datetime]:
    """Moments to begin at, hours apart from each other: around each change of the clocks in the year to
    come, then day by day."""
    changes = list(changes_of(zone))
    for change in changes:
        for offset in (-90 * MINUTE, 90 * MINUTE, -5 * HOUR):
            yield change + offset
    for number in itertools.count(3):
        noon = _midnight(number * DAY) + 12 * HOUR
        if all(abs(noon - change) > DAY for change in changes):
            yield noon
            yield noon + 4 * HOUR


def changes_of(zone: str) -> Iterator[dt.datetime]:
    """The instants at which the zone's clocks are put forward or back, as far ahead as can be booked."""
    tz, quarter = ZoneInfo(zone), 15 * MINUTE
    for number in range(3, 355):
        day = _midnight(number * DAY)
        if day.astimezone(tz).utcoffset() == (day + DAY).astimezone(tz).utcoffset():
            continue
        for at in (day + step * quarter for step in range(1, 97)):
            if at.astimezone(tz).utcoffset() != (at - quarter).astimezone(tz).utcoffset():
                yield at


def _midnight(after: dt.timedelta) -> dt.datetime:
    return (clock.machine_now() + after).replace(hour=0, minute=0, second=0, microsecond=0)


def run(targets: Sequence[Target], clients: Callable[[int, int], Client]) -> Race:
    """Target by target, all contenders at once; `clients(place, number)` says who stands where."""
    race, barrier = Race(), threading.Barrier(CONTENDERS)

    def contend(place: int, number: int) -> Outcome:
        client = clients(place, number)
        barrier.wait()
        return client.hold(targets[number], place)

    with ThreadPoolExecutor(CONTENDERS) as pool:
        for number, target in enumerate(targets):
            target.prepare()
            found = list(pool.map(contend, range(CONTENDERS), [number] * CONTENDERS))
            race.outcomes.update(outcome.name for outcome in found)
            race.winners.append(sum(outcome.name == WON for outcome in found))
            race.won_by.update(kind_of(place) for place in range(CONTENDERS) if found[place].name == WON)
            race.bare += [f"{number}: {outcome.bare}" for outcome in found if outcome.bare]
    return race


def _words(page: str) -> str:
    main = page.split("<main", 1)[-1].split("</main>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main))[:300]


def kind_of(place: int) -> str:
    if place < VISITORS:
        return "visitor"
    return "member" if place < VISITORS + MEMBERS else "program"
