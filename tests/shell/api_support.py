"""The API as its callers have it: an app with a token, and a judge who holds each answer against what the
API says of itself."""

from __future__ import annotations

import copy
import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.domains.booking.models import Lesson, Seat
from app.domains.catalog.models import GROUP, Offering, Review
from app.domains.earnings import queries as earnings
from app.domains.payments.models import Order
from tests.domains.booking.support import DAY, HOUR, MONDAY, NOW
from tests.domains.messaging.support import open_conversation, say
from tests.support import lived
from tests.support.world import Company, World

Json = dict[str, Any]
Operation = tuple[str, str]  # method and address, as they are described
REPLAYED = "Idempotent-Replayed"


@dataclass
class Caller:
    """An app on a company's host; without a bearer it has not signed in."""

    world: World
    host: str
    bearer: str | None = None

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> TestResponse:
        """`body` is sent as JSON; bytes are sent as they are."""
        headers = dict(options.pop("headers", {}))
        if self.bearer:
            headers["Authorization"] = f"Bearer {self.bearer}"
        if key := options.pop("key", None):
            headers["Idempotency-Key"] = key
        if body is not None:
            options["data"] = body if isinstance(body, bytes) else json.dumps(body).encode()
            options.setdefault("content_type", "application/json")
        return self.world.app.test_client().open(
            f"/api/v1/{path}",
            method=method.upper(),
            base_url=f"http://{self.host}",
            headers=headers,
            **options,
        )


def caller(world: World, role: str | None = None, company: Company | None = None) -> Caller:
    company = company or world.anna
    return Caller(world, company.host, world.token(company, role) if role else None)


def problem(answer: TestResponse, status: int, code: str | None = None) -> Json:
    """The problem of a refusal (RFC 9457), which must be one."""
    assert answer.status_code == status, answer.text[:1000]
    assert answer.mimetype == "application/problem+json"
    body: Json = answer.json
    assert body["status"] == status
    assert body["type"] == f"urn:wemaster:{body['code']}"
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["X-Request-Id"]
    assert code in {None, body["code"]}, body
    return body


# -- What is described -------------------------------------------------------------------------------------


def document(world: World, host: str | None = None) -> Json:
    answer = Caller(world, host or world.anna.host)("get", "_openapi.json")
    assert answer.status_code == 200
    return dict(answer.json)


def operations(world: World) -> dict[Operation, Json]:
    """What the domains themselves have, not the records' part; parameters of the address included."""
    found = {}
    for module in world.app.extensions["api_docs"]:
        for path, item in module.PATHS.items():
            for method in set(item) - {"parameters"}:
                parameters = [*item.get("parameters", ()), *item[method].get("parameters", ())]
                found[method, path] = {**item[method], "parameters": parameters}
    return found


def body_of(operation: Json) -> Json | None:
    """The schema of what is sent."""
    if "requestBody" not in operation:
        return None
    return dict(operation["requestBody"]["content"]["application/json"]["schema"])


def takes_key(operation: Json) -> bool:
    return any(parameter["name"] == "Idempotency-Key" for parameter in operation["parameters"])


def validator(schema: Json, components: Json) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": components}, format_checker=FormatChecker())


@dataclass
class Judge:
    """Answers are held against the description of their host: status, kind, and content to the last member."""

    document: Json
    seen: set[Operation] = field(default_factory=set)
    refused: set[tuple[Operation, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.document = copy.deepcopy(self.document)
        for name, schema in self.document["components"]["schemas"].items():
            if name != "problem":
                _close(schema)

    def __call__(self, answer: TestResponse, status: int | None = None) -> Any:
        assert answer.status_code == status or status is None, answer.text[:1000]
        method, path = answer.request.method.lower(), urlsplit(answer.request.path).path
        operation = self._operation(method, path)
        described = self.document["paths"][operation[1]][method]["responses"]
        response = described.get(str(answer.status_code))
        if answer.status_code >= 400:
            response = response or self.document["components"]["responses"]["Problem"]
            self.refused.add((operation, answer.status_code))
        else:
            self.seen.add(operation)
        assert response is not None, f"{operation} is not described to answer {answer.status_code}"
        if "content" not in response:
            assert not answer.data
            return None
        ((kind, content),) = response["content"].items()
        assert answer.mimetype == kind, answer.text[:300]
        validator(content["schema"], self.document["components"]).validate(answer.json)
        return answer.json

    def _operation(self, method: str, path: str) -> Operation:
        """The one with the fewest variables that fits."""
        for template in sorted(self.document["paths"], key=lambda each: each.count("{")):
            pattern = re.sub(r"{\w+}", "[^/]+", template)
            if re.fullmatch(pattern, path) and method in self.document["paths"][template]:
                return method, template
        raise AssertionError(f"{method} {path} is not described")


def _close(schema: Any) -> None:
    """No member is answered that is not described."""
    if isinstance(schema, Mapping):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)  # type: ignore[attr-defined]
        for part in schema.values():
            _close(part)
    elif isinstance(schema, list):
        for part in schema:
            _close(part)


# -- A company to ask about --------------------------------------------------------------------------------


@dataclass
class Scene:
    """Anna's company with something of each kind, all of her student's: for each variable of an address
    there is a value that leads somewhere, and for each body one that is taken."""

    world: World
    offering: Offering
    group: Offering
    trial: Offering
    dates: tuple[Lesson, Lesson]
    held: Seat
    booked: Seat
    attended: Seat
    order: Order
    conversation_id: int
    earning_id: int
    review_id: int
    _callers: dict[str, Caller] = field(default_factory=dict)

    def caller(self, operation: Operation) -> Caller:
        """Whoever may do it, signed in once."""
        role = self.role(operation)
        if role not in self._callers:
            self._callers[role] = caller(self.world, role)
        return self._callers[role]

    @property
    def variant_id(self) -> int:
        return variant_of(self.world, self.offering)

    def path(self, operation: Operation) -> str:
        """The address, below /api/v1/."""
        return operation[1].removeprefix("/api/v1/").format_map(self.values(operation[1]))

    def values(self, path: str) -> dict[str, str]:
        values = {
            "slug": self.offering.slug,
            "conversation_id": str(self.conversation_id),
            "earning_id": str(self.earning_id),
            "review_id": str(self.review_id),
        }
        for part, found in (
            ("/orders/", self.order.code),
            ("/holds/", self.held.code),
            ("/teaching/", self.attended.lesson.code),
            ("/lessons/", self.booked.code),
        ):
            if part in path:
                return {**values, "code": found}
        return values

    def role(self, operation: Operation) -> str:
        """The tutor teaches and answers reviews; all else is the student's."""
        return "tutor" if "/teaching/" in operation[1] or operation[1].endswith("/reply") else "student"

    def body(self, operation: Operation, starts_at: dt.datetime = MONDAY + 5 * DAY) -> Json | None:
        at = starts_at.isoformat()
        student = self.world.anna.people["student"]
        bodies: dict[Operation, Json] = {
            ("post", "/api/v1/auth/token"): {"email": self.world.anna.email("student"), "password": "wrong"},
            ("post", "/api/v1/auth/refresh"): {"refresh_token": "wrong"},
            ("post", "/api/v1/holds"): {
                "offering": self.offering.slug,
                "variant": self.variant_id,
                "starts_at": at,
            },
            ("post", "/api/v1/holds/{code}/order"): {"student": student},
            # It is not what goes back, so that nothing is cancelled.
            ("post", "/api/v1/lessons/{code}/cancel"): {"reason": "ill", "expected_minor": 1},
            ("post", "/api/v1/lessons/{code}/move"): {"starts_at": at},
            ("post", "/api/v1/teaching/lessons/{code}/attendance"): {
                "seat": self.attended.code,
                "attended": True,
            },
            ("post", "/api/v1/conversations/{conversation_id}/messages"): {
                "client_id": "6b1f6d0e-2f9e-4f0e-9d43-0d8b8b4f6a11",
                "body": "Hello",
            },
            ("post", "/api/v1/conversations/{conversation_id}/read"): {"seq": 1},
            ("post", "/api/v1/catalog/offerings/{slug}/reviews"): {"rating": 4, "text": "Clear."},
            ("post", "/api/v1/catalog/reviews/{review_id}/reply"): {"reply": "Thank you."},
        }
        return bodies.get(operation)


def variant_of(world: World, offering: Offering, company: Company | None = None) -> int:
    """Its first one."""
    return lived.read(world, lambda: lived.catalog_queries.variants_of(offering.id)[0].id, company)


def make_scene(world: World) -> Scene:
    """At the time that business time stands still at."""
    offering = lived.publish(world)
    group = lived.publish(
        world, kind=GROUP, title="Evening class", variants=(("2 hours", 120, 2400),), capacity=2
    )
    trial = lived.publish(world, kind="trial", title="First time", variants=lived.HALF_AN_HOUR_FREE)
    dates = (
        lived.give_date(world, group, MONDAY + 8 * HOUR),
        lived.give_date(world, group, MONDAY + DAY + 8 * HOUR),
    )
    account = f"u:{world.anna.accounts['student']}"
    held = lived.hold(world, offering, MONDAY + 4 * DAY, actor=account)
    booked = lived.book(world, offering, starts_at=MONDAY + DAY)
    attended = lived.book(world, offering, starts_at=MONDAY, actor="v:other")
    ordered = lived.hold(world, offering, MONDAY + 6 * DAY, actor=account)
    order = lived.place(world, ordered, actor=account)
    conversation_id = open_conversation(world.app, world.anna)
    say(world.app, world.anna, conversation_id, "tutor", "Welcome!")
    sold = lived.read(world, lambda: earnings.of_seat(attended.id))
    assert sold is not None
    # Both have taken the offering once: the guardian has said how it was, the student may.
    for role, day in (("guardian", 8), ("student", 9)):
        taken = lived.book(world, offering, role, MONDAY + day * DAY + 5 * HOUR, actor=f"v:{role}")
        lived.mark(world, taken, attended=True)
        if role == "guardian":
            lived.review(world, offering, 3, at=NOW, student=role)
    review_id = lived.read(world, lambda: lived.db.session.scalar(select(Review.id)))
    assert review_id is not None
    return Scene(
        world,
        offering,
        group,
        trial,
        dates,
        held,
        booked,
        attended,
        order,
        conversation_id,
        int(sold.id),
        int(review_id),
    )
