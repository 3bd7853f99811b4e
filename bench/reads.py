"""The reads of the table: each beside its floor, and lists also beside stock Flask-AppBuilder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from app.core import clock
from bench.ground import Ground
from bench.measuring import Contestant, Line, Request, compete, drive
from bench.rivals import Rivals

PAGE, LONG_PAGE, CARDS = 25, 50, 24
A_ROUND = 120  # requests, of those that may not be asked twice
ASKED_BEFORE = 4  # times: a worker learns of a company when it is asked for it


@dataclass(frozen=True)
class Read:
    """A request and its variations, the floor's path with as many rows, and what stock's is."""

    name: str
    goal: float | None
    most: int | None
    requests: Sequence[Request]
    contains: str
    floor: str
    stock: Request | None = None
    is_first: bool = False  # each of the requests only once: nothing can be cached
    before: Sequence[Request] = ()  # asked before, by which the companies are known


@dataclass(frozen=True)
class Pace:
    """How long it is measured."""

    rounds: int = 3
    seconds: float = 1.2
    a_round: int = A_ROUND


def measure(ground: Ground, rivals: Rivals, pace: Pace, say: Callable[[str], None]) -> list[Line]:
    """All of them; the server's caches are warm, but for what is said to be the first time."""
    ground.serve()
    found = []
    for read in reads(ground, rivals):
        say(read.name)
        found.append(line(ground, rivals, read, pace))
    return found


def line(ground: Ground, rivals: Rivals, read: Read, pace: Pace) -> Line:
    for _ in range(ASKED_BEFORE if read.before else 0):
        drive(ground.port, read.before)
    if read.before:  # its statements are counted in this process
        ground.here(read.before[0])
    house = contestant(ground, read, pace)
    floor = Contestant(
        rivals.floor, ground.postgres, lambda _: [Request(rivals.host, read.floor)], statements=1
    )
    contestants = [house, floor]
    if read.stock is not None:
        request = read.stock
        contestants.append(
            Contestant(rivals.stock, ground.postgres, lambda _: [request], "people.test", statements=None)
        )
    for each in contestants:  # both workers have seen its kind
        each.play(0, pace.seconds / 2)
        each.rounds.clear()
    compete(contestants, rounds=pace.rounds, seconds=pace.seconds, first=1)
    costs = [each.cost() for each in contestants]
    return Line(read.name, read.goal, read.most, *costs)


def contestant(ground: Ground, read: Read, pace: Pace) -> Contestant:
    """Ours, with its statements counted."""
    if not read.is_first:
        statements = ground.statements(read.requests[0])
        return Contestant(
            ground.serve(), ground.postgres, lambda _: read.requests, read.contains, statements=statements
        )
    fresh = read.requests[1:]
    number = min(pace.a_round, len(fresh) // (pace.rounds + 1))
    return Contestant(
        ground.serve(),
        ground.postgres,
        lambda n: fresh[n * number : (n + 1) * number],
        read.contains,
        once=True,
        statements=ground.statements(read.requests[0], warm=False),
    )


# -- Which they are ----------------------------------------------------------------------------------------


def reads(ground: Ground, rivals: Rivals) -> list[Read]:
    """Those of the table, in its order, then those beside stock."""
    return [*public(ground), slots(ground), *lists(ground), *beside_stock(ground, rivals)]


def public(ground: Ground) -> list[Read]:
    tenant, tutors = ground.tenant_id, range(1, ground.size.large_tutors + 1)
    offering = f"/offering/{tenant}/lessons-1"
    search = f"/search/{tenant}/{CARDS}"
    seen = [ground.get(f"/o/lessons-{n}") for n in tutors]
    pages = range(1, len(tutors) * 2 // CARDS + 1)
    searched = [*(ground.get(f"/search?page={page}") for page in pages), ground.get("/search?q=exam")]
    hosts = other_hosts(ground)
    # Nobody asked for anything of the first ones before; the others had a request for something else.
    strange, known = hosts[: len(hosts) // 2], hosts[len(hosts) // 2 :]
    unsearched = [
        ground.get(f"/search?{query}", host)
        for query in ("kind=one_to_one", "level=all", "")
        for host in hosts
    ]
    return [
        Read("offering page", 1.5, 0, seen, "Conversation", offering),
        Read("offering page, a miss", 5, 3, unseen(ground, known), "tutor", offering, is_first=True,
             before=[ground.get("/robots.txt", host) for host in known]),
        Read("offering page, first of its company", 5, 3, unseen(ground, strange), "tutor", offering,
             is_first=True),
        Read("search page", 1.5, 0, searched, "tutor", search),
        Read("search page, a miss", 5, 3, unsearched, "tutor", search, is_first=True),
    ]  # fmt: skip


def unseen(ground: Ground, hosts: Sequence[str]) -> list[Request]:
    """Offerings that are asked for once. Two of one company are far apart, so that no two meet in a round."""
    return [
        ground.get(f"/o/{kind}-{n}", host) for kind in ("lessons", "exams") for n in (1, 2) for host in hosts
    ]


def other_hosts(ground: Ground) -> list[str]:
    """The hosts of all other companies that are open."""
    rows = ground.rows("SELECT slug FROM tenant WHERE slug <> 'bench' AND status = 'active' ORDER BY id")
    return [f"{row.slug}.localhost:{ground.port}" for row in rows]


def slots(ground: Ground) -> Read:
    """The free times of a tutor, 14 days from today."""
    since = clock.now().replace(microsecond=0)
    span = f"since={_in_url(since)}&until={_in_url(since + dt.timedelta(days=14))}"
    found = [
        ground.get(f"/api/v1/catalog/offerings/lessons-{n}/slots?{span}")
        for n in range(1, ground.size.large_tutors + 1)
    ]
    rows = len(ground.here(found[0]).json["slots"])
    return Read("free times of 14 days", 5, 3, found, "starts_at", f"/slots/{ground.tenant_id}/{rows}")


def _in_url(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def lists(ground: Ground) -> list[Read]:
    cookie = ground.sign_in("manager@bench.test", ground.host).headers
    bearer = ground.bearer("manager@bench.test")
    tenant = ground.tenant_id
    api = [ground.get(f"/api/v1/seats/?page={page}&size={LONG_PAGE}", headers=bearer) for page in (1, 2)]
    pages = [ground.get(f"/admin/{entry}/", headers=cookie) for entry in ("seats", "all-lessons")]
    return [
        Read("API, 50 bookings", 5, 3, api, "booked_at", f"/api/seats/{tenant}/{LONG_PAGE}"),
        *(
            Read(f"admin list, 25 {words}", 8, 5, [page], "Student" if words == "bookings" else "Tutor",
                 f"/seats/{tenant}/{PAGE}")
            for words, page in zip(("bookings", "lessons"), pages, strict=True)
        ),
    ]  # fmt: skip


def beside_stock(ground: Ground, rivals: Rivals) -> list[Read]:
    """The same people in our list and in Flask-AppBuilder's own."""
    cookie = ground.sign_in("manager@bench.test", ground.host).headers
    bearer = ground.bearer("manager@bench.test")
    tenant = ground.tenant_id
    page, api = (
        ground.get("/admin/people/", headers=cookie),
        ground.get(f"/api/v1/people/?size={LONG_PAGE}", headers=bearer),
    )
    return [
        Read("admin list, 25 people", 8, 5, [page], "people.test", f"/people/{tenant}/{PAGE}",
             rivals.stock_page(PAGE)),
        Read("API, 50 people", 5, 3, [api], "people.test", f"/api/people/{tenant}/{LONG_PAGE}",
             rivals.stock_api(LONG_PAGE)),
    ]  # fmt: skip


def growing(ground: Ground) -> list[Read]:
    """The reads by which growth is measured: the large company's, as they are in the table."""
    kept = (read for read in public(ground) if not read.is_first)
    return [*chain(kept, [slots(ground)], lists(ground))]
