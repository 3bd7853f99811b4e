"""THE WALK: every rule of one host, asked by one identity, with the ids and the words of another company."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from flask.testing import FlaskClient
from sqlalchemy import inspect
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app.core.rights import TENANT
from app.core.web.entry import AdminEntry
from app.core.web.list_args import kind_of
from tests.support.canaries import CANARIES, LARGE
from tests.support.entries import SAMPLES, unique
from tests.support.paths import IDS, SAME, source_of
from tests.support.world import World

ABSENT = 777_777_777
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
LAST = ("/logout/", "/api/v1/auth/logout")
# Forms that say the same whoever has the address that is typed in.
DISCREET = ("/forgot/", "/register/")
# What may differ between two answers that say the same: random numbers and what was asked.
NOISE = (
    (re.compile(r'(nonce|name="(?:csrf_token|form_key)"[^>]*value|content)="[^"]*"'), r"\1"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "R"),
    (re.compile(r"\b[\w.-]{60,}\b"), "T"),
    (re.compile(r"\bzq[0-9]{5}\b"), "W"),
)


class Pick:
    """Fills a request with ids and secrets of one kind, and remembers what it said."""

    def __init__(self, ids: dict[str, list[int]], secrets: dict[str, str]) -> None:
        self.ids, self.secrets = ids, secrets
        self.said: list[str] = []

    def id(self, table: str) -> int:
        """The first id there is; an absent one where there is none."""
        found = (self.ids.get(table) or [ABSENT])[0]
        self.said.append(str(found))
        return found

    def secret(self, name: str) -> str:
        self.said.append(self.secrets[name])
        return self.secrets[name]


@dataclass(frozen=True)
class Ask:
    """One request. `names_row`: its path or its `id`s name a row; `compare`: with one for an absent row."""

    rule: str
    method: str
    path: str
    query: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    names_row: bool = False
    compare: bool = True


Build = Callable[[Pick], Ask]
Query = Callable[[Pick], dict[str, Any]]


@dataclass
class Identity:
    """Who asks: a browser's cookies for pages, a bearer token for the API.

    One with rights tries all actions, filters and searches; a thorough one also guesses ids, compares
    answers with those for absent rows, and smuggles members into what it may write. `inside_only`
    leaves out what is administered on the platform's host only, which is not found here anyway; with
    `entries`, of the admin and its API only those are visited.
    """

    name: str
    client: FlaskClient
    csrf: str = ""
    bearer: str | None = None
    has_rights: bool = False
    thorough: bool = False
    inside_only: bool = False
    entries: frozenset[str] | None = None


@dataclass
class Tally:
    """What a walk found. Only `requests` may be more than nothing."""

    requests: int = 0
    leaks: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.requests + other.requests,
            self.leaks + other.leaks,
            self.faults + other.faults,
            self.wrong + other.wrong,
        )

    def __str__(self) -> str:
        found = f"{len(self.leaks)} leaks, {len(self.faults)} faults, {len(self.wrong)} wrong"
        return f"{self.requests} requests, {found}"


class Walk:
    """All requests of all identities in one world, as anna's guests see it and bert's rows suffer it."""

    def __init__(
        self,
        world: World,
        own: dict[str, list[int]],
        foreign: dict[str, list[int]],
        own_words: dict[str, str],
        secrets: dict[str, str],
    ) -> None:
        """`own_words` and `secrets` are codes and slugs by `table.column`; secrets are tokens as well."""
        self.world, self.own, self.own_words, self.secrets = world, own, own_words, secrets
        self.words = {secrets[name].lower() for name in own_words}
        self.foreign = {table: sorted(ids, reverse=True) for table, ids in foreign.items()}
        self.guesses = {
            table: [n for n in (*ids, *range(1, 9)) if n < LARGE and n not in own.get(table, ())]
            for table, ids in foreign.items()
        }
        self.entries = {entry.url: entry for entry in world.app.extensions["admin"].entries}
        rules = [rule for rule in world.app.url_map.iter_rules() if rule.endpoint != "static"]
        self.rules = sorted(rules, key=lambda rule: rule.rule)

    def run(self, who: Identity) -> Tally:
        """Reads first, then writes, the ways out last."""
        tally = Tally()
        inside = [rule for rule in self.rules if rule.rule not in LAST]
        self._ask_all(who, inside, ("GET",), tally)
        self._ask_all(who, inside, UNSAFE, tally)
        if who.thorough:
            for ask in self.smuggles():
                self.judge(who, ask, self.send(who, ask, tally), tally)
            for ask in self.borrowed():
                self.judge(who, ask, self.send(who, ask, tally), tally, foreign=True)
        self._ask_all(who, [rule for rule in self.rules if rule.rule in LAST], UNSAFE, tally)
        return tally

    def _ask_all(self, who: Identity, rules: list[Rule], methods: tuple[str, ...], tally: Tally) -> None:
        for rule in rules:
            entry = self.entry_of(rule)
            if who.inside_only and not self.is_inside(rule):
                continue
            if who.entries is not None and entry is not None and entry.slug not in who.entries:
                continue
            for method in methods:
                if method in (rule.methods or ()):
                    for build in self.builds(rule, method, who):
                        self.probe(who, build, tally)

    # -- asking --------------------------------------------------------------------------------

    def probe(self, who: Identity, build: Build, tally: Tally) -> None:
        """Ask for the other company's rows; a thorough one may see no difference to absent rows."""
        pick = Pick(self.foreign, self.secrets)
        ask = build(pick)
        response = self.send(who, ask, tally)
        self.judge(who, ask, response, tally, foreign=bool(pick.said))
        if not who.thorough or not pick.said or not ask.compare:
            return
        unknown = {**dict.fromkeys(self.secrets, "absent-" + "x" * 40), "email": "absent@nowhere.test"}
        nobody = Pick({}, unknown)
        twin = self.send(who, build(nobody), tally)
        if seen(response, pick) != seen(twin, nobody):
            # The first of the two may have carried a message about what was done before it: once more.
            pick = Pick(self.foreign, self.secrets)
            response = self.send(who, build(pick), tally)
            if seen(response, pick) != seen(twin, nobody):
                tally.wrong.append(f"{who.name}: {said(ask)} differs from that of an absent row")
        if ask.names_row and ask.method == "GET":
            guess = build(Pick(self.guesses, self.secrets))
            self.judge(who, guess, self.send(who, guess, tally), tally, foreign=True)

    def send(self, who: Identity, ask: Ask, tally: Tally) -> TestResponse:
        host = self.world.anna.host
        headers = {
            "X-Tenant-Id": str(self.world.bert.id),
            "X-Forwarded-Host": self.world.bert.host,
            # Errors as pages for those who see pages; as problem JSON, which is quicker, for the others.
            "Accept": "text/html" if who.has_rights and ask.compare else "application/json",
        }
        options: dict[str, Any] = {
            "base_url": f"http://{host}",
            "query_string": ask.query,
            "headers": headers,
        }
        if ask.path.startswith("/api/"):
            if who.bearer:
                headers["Authorization"] = f"Bearer {who.bearer}"
            if ask.method in UNSAFE and ask.method != "DELETE":
                options["json"] = ask.body
        elif ask.method in UNSAFE:
            headers["X-CSRFToken"] = who.csrf
            options["data"] = ask.body
        tally.requests += 1
        return who.client.open(ask.path, method=ask.method, **options)

    def judge(
        self, who: Identity, ask: Ask, response: TestResponse, tally: Tally, *, foreign: bool = False
    ) -> None:
        heard = (text_of(response) + str(response.headers)).lower()
        asked = f"{ask.path} {ask.query} {ask.body}".lower()
        if any(canary in heard for canary in CANARIES) or any(
            word in heard and word not in asked for word in self.words
        ):
            tally.leaks.append(f"{who.name}: {said(ask)} {response.status_code}")
        if response.status_code >= 500:
            tally.faults.append(f"{who.name}: {said(ask)} {response.status_code}")
        if not foreign or not (ask.names_row or ask.method in UNSAFE):
            return
        if response.status_code == 302:
            place = urlsplit(response.location).path
            fits = place == "/login/" or ask.path.startswith(f"{place}/")  # up to the page of the same word
        elif ask.names_row and who.thorough and (ask.method == "GET" and ask.rule.endswith("<id:pk>")):
            fits = response.status_code == 404
        else:
            fits = response.status_code in {400, 401, 403, 404, 409, 410, 422, 429} or ask.path in DISCREET
        if not fits:
            tally.wrong.append(f"{who.name}: {said(ask)} {response.status_code}")

    # -- what to ask ---------------------------------------------------------------------------

    def builds(self, rule: Rule, method: str, who: Identity) -> Iterator[Build]:
        """The requests of one rule and method, waiting for ids."""
        entry = self.entry_of(rule)
        for name in self.names(rule, entry, who):
            for query in self.queries(rule, method, entry, who):
                yield lambda pick, name=name, query=query: self.fill(
                    rule, method, entry, name, query(pick), pick
                )
        if method == "GET":
            yield from self.own_rows(rule, entry, who)

    def own_rows(self, rule: Rule, entry: AdminEntry | None, who: Identity) -> Iterator[Build]:
        """The same of anna's own rows, where nothing of bert's may stand either."""
        if entry is not None and "<id:pk>" in rule.rule and who.has_rights:
            for name in self.names(rule, entry, who):
                for pk in self.own.get(entry.model.__tablename__, ())[: 3 if who.thorough else 1]:
                    yield lambda _pick, name=name, pk=pk: Ask(
                        rule.rule, "GET", path_of(rule, {"pk": pk, "name": name})
                    )
        elif IDS.keys() & rule.arguments or source_of(rule.rule):
            last = {table: [ids[-1]] for table, ids in self.own.items() if ids}
            yield lambda _pick: Ask(
                rule.rule, "GET", path_of(rule, self.arguments(rule, None, "", Pick(last, self.own_words)))
            )

    def entry_of(self, rule: Rule) -> AdminEntry | None:
        """The entry whose screens or API the rule belongs to."""
        base = "/admin/" + re.sub("^/(admin|api/v1)/", "", rule.rule).split("/")[0]
        return self.entries.get(base)

    def names(self, rule: Rule, entry: AdminEntry | None, who: Identity) -> list[str]:
        """The actions that the rule's path may name."""
        if "<name>" not in rule.rule or entry is None:
            return [""]
        known = [action.name for action in entry.actions]
        return known[: None if who.has_rights else 1] or ["nothing"]

    def queries(self, rule: Rule, method: str, entry: AdminEntry | None, who: Identity) -> list[Query]:
        """Query strings: of the other tenant, its words, its ids in each filter, and the sort orders."""
        bert = self.world.bert.id
        first: dict[str, Any] = {"tenant_id": bert, "tenant": bert}
        if rule.rule == "/handover/in":
            return [lambda pick: {"ticket": pick.secret("ticket")}]
        if rule.rule.endswith("/do/<name>"):
            return [lambda pick: {**first, "id": pick.id(entry.model.__tablename__ if entry else "tenant")}]
        if method == "GET" and rule.rule in OTHER_QUERIES:
            return OTHER_QUERIES[rule.rule]
        if method == "GET" and entry is not None and rule.rule == f"{entry.url}/add" and who.has_rights:
            return [lambda _pick: first, *chosen_in(entry)]
        if method != "GET" or entry is None or rule.rule not in lists_of(entry) or not who.has_rights:
            return [lambda _pick: first]
        found: list[Query] = [lambda _pick: first, lambda _pick: {"q": "canary"}]
        if rule.rule.endswith("options"):
            return found
        found.append(lambda _pick: {"size": 100})
        for name in entry.filters:
            if kind_of(entry, name) == "related":
                found.append(lambda pick, name=name: {name: pick.id(table_of(entry, name))})
        if entry.sortable:
            found.append(lambda _pick: {"sort": f"-{entry.sortable[0]}", "size": 100})
        return found

    def fill(
        self, rule: Rule, method: str, entry: AdminEntry | None, name: str, query: dict[str, Any], pick: Pick
    ) -> Ask:
        """One request with its path, query and body filled in."""
        path = path_of(rule, self.arguments(rule, entry, name, pick))
        body = self.body(rule, entry, pick) if method in UNSAFE else {}
        names_row = rule.rule.endswith("/do/<name>") or bool(
            {"pk", *IDS} & rule.arguments or source_of(rule.rule)
        )
        return Ask(rule.rule, method, path, query, body, names_row, self.is_inside(rule))

    def arguments(self, rule: Rule, entry: AdminEntry | None, name: str, pick: Pick) -> dict[str, Any]:
        """What stands in the rule's path."""
        found: dict[str, Any] = {"name": name}
        for argument in sorted(rule.arguments - {"name"} if entry else rule.arguments):
            source = source_of(rule.rule) if argument in {"code", "slug"} else None
            if argument == "pk" and entry is not None:
                found[argument] = pick.id(entry.model.__tablename__)
            elif argument in IDS:
                found[argument] = pick.id(IDS[argument])
            elif source is not None:
                found[argument] = pick.secret(".".join(source))
            elif argument == "token":
                kind = rule.rule.split("/")[1]
                found[argument] = pick.secret(kind) if kind in self.secrets else "garbage"
            else:
                found[argument] = {**SAME, "name": "nothing.webp"}[argument]
        return found

    def is_inside(self, rule: Rule) -> bool:
        """Whether a company's host has what the rule is about."""
        entry = self.entry_of(rule)
        return (entry is None or TENANT in entry.surfaces) and not rule.rule.startswith("/handover/to/")

    def body(self, rule: Rule, entry: AdminEntry | None, pick: Pick) -> dict[str, Any]:
        """A form or JSON body; related fields name rows of the other company."""
        if entry is None or rule.rule in OTHER_BODIES:
            return OTHER_BODIES.get(rule.rule, lambda _pick: {})(pick)
        new = rule.rule.endswith(("/add", "/import", f"/{entry.slug}/"))
        names = entry.form if new else entry.edit_form or ()
        body = {name: self.value(entry, name, pick) for name in names}
        if rule.rule.endswith("/import"):
            text = ",".join(body) + "\n" + ",".join(map(str, body.values())) + "\n"
            return {"file": (io.BytesIO(text.encode()), "rows.csv")}
        if rule.rule.startswith("/api/"):
            return body
        return {**body, "tenant_id": self.world.bert.id}

    def value(self, entry: AdminEntry, name: str, pick: Pick) -> Any:
        mapper = inspect(entry.model)
        if name == "role":
            return f"own:{pick.id('role')}"
        if name in mapper.relationships:
            return str(pick.id(mapper.relationships[name].mapper.class_.__tablename__))
        if name == "rights":
            return ["person.read"]
        if name in {"email", "birth_date", "activated_at"}:
            return "walker@anna.test" if name == "email" else ""
        return f"walker {unique()}"

    def smuggles(self) -> Iterator[Ask]:
        """What would be right, but for members that nobody may write, or a row of somebody else's."""
        for entry in self.entries.values():
            sample, table = SAMPLES[entry.slug], entry.model.__tablename__
            if TENANT not in entry.surfaces or sample.form is None:
                continue
            wrong = {"tenant_id": self.world.bert.id, "id": self.foreign[table][0], "status": "accepted"}
            mine = self.own[table][0]
            for name, value in wrong.items():
                form = {**sample.form(self.world, unique()), name: value}
                change = {**(sample.change or {}), name: value}
                yield Ask("smuggle", "POST", f"{entry.url}/add", {}, form)
                yield Ask("smuggle", "POST", f"{entry.url}/{mine}/edit", {}, {**form, **change})
                if not entry.has_api:
                    continue
                yield Ask("smuggle", "POST", f"/api/v1/{entry.slug}/", {}, form)
                yield Ask("smuggle", "PATCH", f"/api/v1/{entry.slug}/{mine}", {}, change)

    def borrowed(self) -> Iterator[Ask]:
        """New rows that would be right, but for one that they name and that is somebody else's."""
        for entry in self.entries.values():
            sample, relations = SAMPLES[entry.slug], inspect(entry.model).relationships
            if TENANT not in entry.surfaces or sample.form is None:
                continue
            for name in set(entry.form) & set(relations.keys()):
                row = self.foreign[relations[name].mapper.class_.__tablename__][0]
                for path in (f"{entry.url}/add", *([f"/api/v1/{entry.slug}/"] if entry.has_api else [])):
                    yield Ask("borrow", "POST", path, {}, {**sample.form(self.world, unique()), name: row})


OTHER_BODIES: dict[str, Callable[[Pick], dict[str, Any]]] = {
    "/login/": lambda pick: {"email": pick.secret("email"), "password": pick.secret("password")},
    "/forgot/": lambda pick: {"email": pick.secret("email")},
    "/reset/<token>": lambda _pick: {"password": "a new and long one", "repeat": "a new and long one"},
    "/invitation/<token>": lambda _pick: {
        "full_name": "Walker", "password": "a new and long one", "repeat": "a new and long one"
    },
    "/account/": lambda _pick: {"full_name": "Walker", "locale": "", "timezone": "", "tenant_id": "1"},
    "/account/password": lambda _pick: {
        "current": "wrong", "new": "a new and long one", "repeat": "a new and long one"
    },
    "/account/email": lambda _pick: {"new_email": "walker@anna.test"},
    "/admin/brand/": lambda _pick: {
        "name": "Anna", "primary": "#0b5fa5", "corners": "soft", "timezone": "Europe/Berlin", "locale": "en", "tenant_id": "1"
    },
    "/preferences/": lambda _pick: {"locale": "en", "theme": "auto", "next": "/"},
    "/api/v1/auth/token": lambda pick: {"email": pick.secret("email"), "password": pick.secret("password")},
    "/api/v1/auth/refresh": lambda pick: {"refresh_token": pick.secret("refresh")},
    "/register/": lambda pick: {"email": pick.secret("email"), "full_name": "Walker", "kind": "student"},
    "/register/<token>": lambda _pick: {"password": "a new and long one", "repeat": "a new and long one"},
    "/family/add": lambda _pick: {"full_name": "Walker", "birth_date": "2020-02-03"},
    "/family/<id:child_id>/edit": lambda _pick: {"full_name": "Walker", "birth_date": "2020-02-03"},
    "/messages/<id:conversation_id>": lambda _pick: {"client_id": str(uuid4()), "body": "Walker"},
    "/api/v1/conversations/<id:conversation_id>/messages": lambda _pick: {
        "client_id": str(uuid4()), "body": "Walker"
    },
    "/api/v1/conversations/<id:conversation_id>/read": lambda _pick: {"seq": 1},
    "/teach/offerings/new": lambda pick: offering_form(pick),
    "/teach/offerings/<id:offering_id>": lambda pick: offering_form(pick),
    "/teach/profile/": lambda _pick: {"headline": "Walker", "bio": "", "languages": ""},
    "/teach/sessions/": lambda pick: {
        "variant": pick.id("variant"), "on_date": "2030-01-02", "starts": "10:00", "capacity": 3
    },
    "/teach/lessons/<code>/attendance": lambda pick: {"seat": pick.secret("seat.code"), "attended": "yes"},
    "/teach/lessons/<code>/cancel": lambda _pick: {"reason": "Walker"},
    "/learn/lessons/<code>/cancel": lambda _pick: {"reason": "Walker"},
    "/learn/lessons/<code>/move": lambda pick: {
        "starts_at": LATER, "lesson": pick.secret("lesson.code")
    },
    "/api/v1/holds": lambda pick: {
        "offering": pick.secret("offering.slug"), "variant": pick.id("variant"), "starts_at": LATER
    },
    "/api/v1/holds/<code>/order": lambda pick: {"student": pick.id("person")},
    "/api/v1/lessons/<code>/cancel": lambda _pick: {"reason": "Walker"},
    "/api/v1/lessons/<code>/move": lambda _pick: {"starts_at": LATER},
    "/api/v1/teaching/lessons/<code>/attendance": lambda pick: {
        "seat": pick.secret("seat.code"), "attended": True
    },
    "/o/<slug>/hold": lambda pick: {"variant": pick.id("variant"), "starts_at": LATER},
    "/checkout/<code>": lambda pick: {"student": pick.id("person")},
}  # fmt: skip
LATER = "2030-01-02T10:00:00+00:00"
_PLAIN: list[Query] = [lambda _pick: {}]  # where anything else is refused
_SEARCHES: list[Query] = [
    *_PLAIN,
    lambda _pick: {"q": "canary"},
    lambda pick: {"subject": pick.secret("subject.slug")},
    lambda pick: {"tutor": pick.secret("tutor_profile.slug")},
]
_WEEKS: list[Query] = [lambda _pick: {"from": "2027-01-01", "until": "2027-02-28"}]
OTHER_QUERIES: dict[str, list[Query]] = {
    "/learn/calendar/events": _WEEKS,
    "/learn/calendar/free/<code>": _WEEKS,
    "/teach/calendar/events": _WEEKS,
    "/search": _SEARCHES,
    "/admin/search": [*_PLAIN, lambda _pick: {"q": "canary"}, lambda pick: {"q": pick.secret("email")}],
    "/admin/search.json": [*_PLAIN, lambda _pick: {"q": "canary"}, lambda pick: {"q": pick.secret("email")}],
    "/api/v1/catalog/offerings": _SEARCHES,
    "/o/<slug>": [lambda pick: {"variant": pick.id("variant")}],
    "/api/v1/catalog/offerings/<slug>/slots": [*_PLAIN, lambda pick: {"variant": pick.id("variant")}],
    "/api/v1/lessons": _PLAIN,
    "/api/v1/teaching/lessons": _PLAIN,
    "/notifications/": [*_PLAIN, lambda pick: {"before": pick.id("notification")}],
}


def offering_form(pick: Pick) -> dict[str, Any]:
    """What a tutor proposes, right but for the rows it names."""
    return {
        "kind": "one_to_one", "title": "Walker", "summary": "Walks.", "description": "Far.",
        "subject_id": pick.id("subject"), "policy_id": pick.id("cancellation_policy"),
        "tax_rate_id": pick.id("tax_rate"), "level": "all", "language": "en",
        "variant_1_name": "An hour", "variant_1_minutes": "60", "variant_1_price": "50.00",
    }  # fmt: skip


def table_of(entry: AdminEntry, column: str) -> str:
    """The table whose rows a column names; none where it depends on the row."""
    if column == "tenant_id":
        return "tenant"
    keys = inspect(entry.model).columns[column].foreign_keys
    return next((key.column.table.name for key in keys), "")


def chosen_in(entry: AdminEntry) -> list[Query]:
    """A form's address may choose a record in it: the other company's."""
    relations = inspect(entry.model).relationships
    tables = {name: relations[name].mapper.local_table.name for name in entry.form if name in relations}
    return [lambda pick, name=name, table=table: {name: pick.id(table)} for name, table in tables.items()]


def lists_of(entry: AdminEntry) -> set[str]:
    """The addresses that list an entry's rows, where it is administered by companies."""
    if TENANT not in entry.surfaces:
        return set()
    return {f"{entry.url}/", f"{entry.url}/export.csv", f"{entry.url}/options", f"/api/v1/{entry.slug}/"}


def path_of(rule: Rule, arguments: dict[str, Any]) -> str:
    path = re.sub("<(?:[a-z]+:)?([a-z_]+)>", lambda found: str(arguments[found[1]]), rule.rule)
    assert "<" not in path, f"the walk knows nothing to put into {rule.rule}"
    return path


def text_of(response: TestResponse) -> str:
    """Also of a document, which is no text."""
    return response.get_data().decode("utf-8", "replace")


def seen(response: TestResponse, pick: Pick) -> tuple[int, str]:
    """An answer without random words and without what was asked."""
    text = text_of(response)
    for value in sorted(set(pick.said), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "#", text)
    for noise, replacement in NOISE:
        text = noise.sub(replacement, text)
    return response.status_code, text


def said(ask: Ask) -> str:
    query = "&".join(f"{name}={value}" for name, value in ask.query.items())
    return f"{ask.method} {ask.path}?{query}" if query else f"{ask.method} {ask.path}"
