"""The API of booking: what a page can do, an app can do, and neither more nor twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from werkzeug.test import TestResponse

from app.core import clock
from app.core.db import db
from app.domains.booking.api import PATHS, SCHEMAS
from app.domains.booking.models import ATTENDED, BOOKED, CANCELLED, HELD, MISSED, Seat
from app.domains.catalog.models import TRIAL, Offering
from app.domains.payments.models import Order
from tests.domains.booking.pages.support import HOSTILE, Stage
from tests.domains.booking.support import DAY, HOUR, MONDAY, NOW, add_offering
from tests.support.world import Company

SLOTS = "/api/v1/catalog/offerings/{}/slots"


class App:
    """An app with somebody's token, or none."""

    def __init__(self, stage: Stage, role: str | None = "student", company: Company | None = None) -> None:
        self.stage, world = stage, stage.world
        company = company or world.anna
        self.client = world.app.test_client()
        self.base = f"http://{company.host}"
        self.headers = {"Authorization": f"Bearer {world.token(company, role)}"} if role else {}

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, base_url=self.base, headers=self.headers)

    def post(self, path: str, body: Any = None, key: str | None = None, **more: Any) -> TestResponse:
        headers = {**self.headers, **({"Idempotency-Key": key} if key else {})}
        options: dict[str, Any] = {"json": body} if body is not None else {}
        return self.client.post(path, base_url=self.base, headers=headers, **{**options, **more})

    def delete(self, path: str) -> TestResponse:
        return self.client.delete(path, base_url=self.base, headers=self.headers)

    def hold(self, starts_at: Any = MONDAY, key: str | None = None, **more: Any) -> TestResponse:
        text = starts_at.isoformat() if hasattr(starts_at, "isoformat") else starts_at
        body = {
            "offering": self.stage.offering.slug,
            "variant": self.stage.school.variant_id,
            "starts_at": text,
        }
        return self.post("/api/v1/holds", {**body, **more}, key)


def seats(stage: Stage) -> list[Seat]:
    return stage.read(lambda: list(db.session.query(Seat).order_by(Seat.id)))


# -- Free times --------------------------------------------------------------------------------------------


def test_free_times_are_open_to_everybody_as_their_page_is(stage: Stage) -> None:
    app, path = App(stage, None), SLOTS.format(stage.offering.slug)
    week = app.get(path).json
    assert week["slots"][0] == {
        "starts_at": "2027-01-11T08:00:00+00:00",
        "ends_at": "2027-01-11T09:00:00+00:00",
    }
    assert week["dates"] == []
    assert week["slots"][-1]["starts_at"] < "2027-01-18T06"
    some = app.get(f"{path}?since=2027-01-18T09:00:00%2B01:00&until=2027-01-18T10:00:00Z").json["slots"]
    assert [slot["starts_at"][11:16] for slot in some] == ["08:00", "08:30", "09:00", "09:30"]
    assert app.get(f"{path}?variant={stage.school.variant_id}").status_code == 200


ASKED = [
    ("since=2027-01-18", 422),
    ("since=1e309", 422),
    ("until=%00", 422),
    ("since=2027-01-18T09:00:00Z&until=2027-02-18T09:00:01Z", 422),
    ("since=2027-01-18T09:00:00Z&until=2027-02-18T09:00:00Z", 200),
    ("since=2190-01-01T00:00:00Z", 200),
    ("since=2027-01-18T09:00:00Z&until=2027-01-17T09:00:00Z", 200),
    ("variant=0", 400),
    ("variant=x", 400),
    ("variant=" + "9" * 300, 400),
    ("day=2027-01-18", 400),
]


def test_what_is_asked_is_read_strictly(stage: Stage) -> None:
    app, path = App(stage, None), SLOTS.format(stage.offering.slug)
    for query, status in ASKED:
        assert app.get(f"{path}?{query}").status_code == status, query


def test_a_class_has_dates(stage: Stage) -> None:
    lesson = stage.lesson(stage.inside(lambda: stage.school.session(MONDAY, capacity=3)))
    path = SLOTS.format(stage.group.slug)
    found = App(stage, None).get(f"{path}?since=2027-01-18T00:00:00Z").json
    assert found["slots"] == []
    assert [(row["lesson"], row["left"]) for row in found["dates"]] == [(lesson.code, 3)]
    assert App(stage, None).get(f"{path}?since=2027-01-19T00:00:00Z").json["dates"] == []
    assert App(stage, None).get(SLOTS.format("nothing")).status_code == 404
    assert App(stage, None, stage.world.bert).get(path).status_code == 404


# -- Holds -------------------------------------------------------------------------------------------------


def test_from_a_hold_to_an_order(stage: Stage) -> None:
    app = App(stage)
    made = app.hold()
    assert made.status_code == 201, made.text
    assert (made.json["status"], made.json["price"]) == (HELD, {"minor": 4000, "currency": "EUR"})
    assert made.json["lesson"]["starts_at"] == MONDAY.isoformat()
    path = f"/api/v1/holds/{made.json['code']}/order"
    placed = app.post(path, {"student": stage.school.student_id})
    assert placed.status_code == 200, placed.text
    assert (placed.json["status"], placed.json["total"]["minor"]) == ("open", 4000)
    again = app.post(path, {"student": stage.school.student_id})
    assert again.json["order"] == placed.json["order"]
    for student in (stage.school.other_id, 0, None, stage.world.bert.people["student"]):
        assert app.post(path, {"student": student}).status_code == 422


def test_what_costs_nothing_is_booked_at_once(stage: Stage) -> None:
    def work() -> tuple[str, int]:
        with stage.school.inside():
            offering_id, variant_id = add_offering(stage.school.tutor_id, kind=TRIAL, price=0, minutes=30)
            return db.session.get_one(Offering, offering_id).slug, variant_id

    slug, variant = stage.inside(work)
    app = App(stage)
    code = app.hold(offering=slug, variant=variant).json["code"]
    placed = app.post(f"/api/v1/holds/{code}/order", {"student": stage.school.student_id})
    assert placed.json["status"] == "paid"
    assert app.get(f"/api/v1/lessons/{code}").json["status"] == BOOKED


def test_given_up_it_is_gone_and_again_is_no_harm(stage: Stage) -> None:
    app = App(stage)
    code = app.hold().json["code"]
    assert [app.delete(f"/api/v1/holds/{code}").status_code for _ in range(2)] == [204, 204]
    booked = stage.booked(MONDAY + DAY)
    assert app.delete(f"/api/v1/holds/{booked}").status_code == 404
    assert stage.seat(booked).status == BOOKED


def test_a_key_makes_a_repeat_harmless(stage: Stage) -> None:
    app = App(stage)
    first, again = app.hold(key="one"), app.hold(key="one")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json == again.json
    assert again.headers["Idempotent-Replayed"] == "true"
    other = app.hold(MONDAY + DAY, key="one")
    assert other.status_code == 422
    assert other.json["code"] == "idempotency_key_reused"
    for key in ("\x7f", "x" * 201):
        assert app.hold(key=key).status_code == 422
    assert len(seats(stage)) == 1


def test_two_want_the_same_and_the_other_hears_what_is_free(stage: Stage) -> None:
    assert App(stage).hold().status_code == 201
    answer = App(stage, "guardian").hold()
    assert answer.status_code == 409
    assert answer.content_type.startswith("application/problem+json")
    assert answer.json["code"] == "slot_taken"
    assert answer.json["alternatives"][0] == (MONDAY + HOUR).isoformat()


def test_sixteen_at_once_one_wins(stage: Stage) -> None:
    """The same browser's doubles and others': whoever loses gets 409, nobody an error."""
    apps = [App(stage, role) for role in ("student", "guardian", "tutor", "manager") for _ in range(4)]
    barrier = threading.Barrier(len(apps))

    def go(app: App) -> tuple[int, str]:
        barrier.wait()
        answer = app.hold()
        return answer.status_code, answer.json.get("code", "")

    slug = stage.offering.slug
    assert slug
    with ThreadPoolExecutor(len(apps)) as pool:
        found = list(pool.map(go, apps))
    winners = {code for status, code in found if status == 201}
    assert len(winners) == 1, found
    assert {code for status, code in found if status != 201} == {"slot_taken"}
    assert len([seat for seat in seats(stage) if seat.status == HELD]) == 1


def test_hostile_bodies_hold_nothing(stage: Stage) -> None:
    app = App(stage)
    for text in HOSTILE:
        assert app.hold(text).status_code == 422, text
    wrong: list[dict[str, Any]] = [
        {"starts_at": 5}, {"starts_at": None}, {"starts_at": ["x"]}, {"variant": "1"}, {"variant": 1.5}, {"variant": True},
        {"variant": None}, {"variant": 10**30}, {"offering": None}, {"offering": ""}, {"offering": {"a": 1}},
        {"price_minor": 1}, {"actor": "u:1"}, {"tenant_id": 1}, {"expires_at": "2030-01-01T00:00:00Z"}, {"lesson": "x" * 10},
    ]  # fmt: skip
    for body in wrong:
        answer = app.hold(**body)
        assert answer.status_code in {404, 422}, (body, answer.text)
    for raw in (b"", b"[]", b"nul", b'"x"', b"[" * 100_000, b"\xff"):
        answer = app.post("/api/v1/holds", data=raw, content_type="application/json")
        assert answer.status_code == 400, raw[:20]
    big = app.post(
        "/api/v1/holds", data=b'{"offering": "' + b"x" * 1_100_000 + b'"}', content_type="application/json"
    )
    assert big.status_code == 413
    assert seats(stage) == []


def test_what_is_not_offered_says_why(stage: Stage) -> None:
    app = App(stage)
    for starts_at, why in ((NOW - DAY, "past"), (NOW + HOUR, "notice"), (NOW + 99 * DAY, "horizon")):
        answer = app.hold(starts_at)
        assert (answer.status_code, answer.json["why"]) == (422, why)


def test_somebody_else_s_hold_is_not_there(stage: Stage) -> None:
    code = App(stage).hold().json["code"]
    for app in (App(stage, "guardian"), App(stage, "manager"), App(stage, "student", stage.world.bert)):
        assert app.delete(f"/api/v1/holds/{code}").status_code == 404
        assert (
            app.post(f"/api/v1/holds/{code}/order", {"student": stage.school.student_id}).status_code == 404
        )
    nobody = App(stage, None)
    assert nobody.hold().status_code == 401
    assert nobody.delete(f"/api/v1/holds/{code}").status_code == 401
    assert stage.read(lambda: db.session.query(Order).count()) == 0


# -- Lessons -----------------------------------------------------------------------------------------------


def test_own_lessons_and_what_can_be_done(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    app = App(stage)
    [row] = app.get("/api/v1/lessons").json["result"]
    assert (row["code"], row["status"]) == (code, BOOKED)
    assert app.get("/api/v1/lessons?when=past").json["result"] == []
    assert app.get("/api/v1/lessons?when=never").status_code == 400
    one = app.get(f"/api/v1/lessons/{code}").json
    assert one["cancel"] == {"why_not": None, "free_until": (MONDAY - DAY).isoformat()}
    assert one["move"] == {"why_not": None, "until": (MONDAY - 12 * HOUR).isoformat()}
    with clock.frozen(MONDAY):
        one = app.get(f"/api/v1/lessons/{code}").json
    assert (one["cancel"]["why_not"], one["move"]["why_not"]) == ("started", "started")


def test_the_preview_is_what_cancelling_gives_back(stage: Stage) -> None:
    for at, minor in ((NOW, 4000), (MONDAY - HOUR, 2000)):
        code = stage.booked(MONDAY)
        app = App(stage)
        with clock.frozen(at):
            seen = app.get(f"/api/v1/lessons/{code}/refund-preview").json
            assert seen["refund"]["minor"] == minor
            wrong = app.post(f"/api/v1/lessons/{code}/cancel", {"expected_minor": minor + 1})
            assert (wrong.status_code, wrong.json["refund"]["minor"]) == (409, minor)
            assert stage.seat(code).status == BOOKED
            done = app.post(f"/api/v1/lessons/{code}/cancel", {"expected_minor": minor, "reason": "ill"}, "k")
            assert (done.json["refund"]["minor"], done.json["status"]) == (minor, CANCELLED)
            again = app.post(
                f"/api/v1/lessons/{code}/cancel", {"expected_minor": minor, "reason": "ill"}, "k"
            )
            assert again.json == done.json
            late = app.post(f"/api/v1/lessons/{code}/cancel")
            assert (late.status_code, late.json["code"]) == (409, "cannot_cancel")


def test_moving(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    stage.booked(MONDAY + DAY, student_id=stage.school.other_id)
    app, path = App(stage), f"/api/v1/lessons/{code}/move"
    taken = app.post(path, {"starts_at": (MONDAY + DAY).isoformat()})
    assert (taken.status_code, taken.json["code"]) == (409, "slot_taken")
    assert taken.json["alternatives"]
    moved = app.post(path, {"starts_at": (MONDAY + 2 * DAY).isoformat()}, "k")
    assert moved.json["lesson"]["starts_at"] == (MONDAY + 2 * DAY).isoformat()
    assert app.post(path, {"starts_at": (MONDAY + 2 * DAY).isoformat()}, "k").json["moves"] == 1
    for body in ({}, {"starts_at": "x"}, {"starts_at": MONDAY.isoformat(), "lesson": "0000000000"}):
        assert app.post(path, body).status_code == 422
    assert app.post(path, {"lesson": "0000000000"}).status_code == 404


def test_nobody_reaches_a_lesson_of_others(stage: Stage) -> None:
    code = stage.booked(MONDAY, student_id=stage.child("Mia"))
    assert App(stage, "guardian").get(f"/api/v1/lessons/{code}").json["student"]["name"] == "Mia"
    for app in (
        App(stage),
        App(stage, "tutor"),
        App(stage, "manager"),
        App(stage, "guardian", stage.world.bert),
    ):
        assert app.get("/api/v1/lessons").json["result"] == []
        for path in ("", "/refund-preview"):
            assert app.get(f"/api/v1/lessons/{code}{path}").status_code == 404
        assert app.post(f"/api/v1/lessons/{code}/cancel", {}).status_code == 404
        assert (
            app.post(f"/api/v1/lessons/{code}/move", {"starts_at": (MONDAY + DAY).isoformat()}).status_code
            == 404
        )
    for path in ("/api/v1/lessons", f"/api/v1/lessons/{code}", "/api/v1/teaching/lessons"):
        assert App(stage, None).get(path).status_code == 401
    assert stage.seat(code).status == BOOKED


# -- Teaching ----------------------------------------------------------------------------------------------


def test_a_tutor_s_lessons_and_who_came(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    app = App(stage, "tutor")
    [row] = app.get("/api/v1/teaching/lessons").json["result"]
    assert [seat["student"]["name"] for seat in row["participants"]] == ["Student anna"]
    path = f"/api/v1/teaching/lessons/{row['code']}/attendance"
    early = app.post(path, {"seat": code, "attended": True})
    assert (early.status_code, early.json["code"]) == (409, "not_yet")
    with clock.frozen(MONDAY + HOUR):
        assert app.post(path, {"seat": code, "attended": True}).json["status"] == ATTENDED
        assert app.post(path, {"seat": code, "attended": False}).json["status"] == MISSED
        for body in ({"seat": code}, {"seat": code, "attended": "yes"}, {"seat": code, "attended": 1}):
            assert app.post(path, body).status_code == 422, body
        assert app.post(path, {"seat": "0" * 40, "attended": True}).status_code == 404
    for role in ("student", "guardian", "manager"):
        other = App(stage, role)
        assert other.get("/api/v1/teaching/lessons").status_code == 404
        assert other.post(path, {"seat": code, "attended": True}).status_code == 404
    assert (
        App(stage, "tutor", stage.world.bert).post(path, {"seat": code, "attended": True}).status_code == 404
    )


# -- As it is described ------------------------------------------------------------------------------------


def test_the_description_is_complete(stage: Stage) -> None:
    """Every route, and every member that is answered."""
    rules = {
        (rule.rule.replace("<", "{").replace(">", "}"), method.lower())
        for rule in stage.world.app.url_map.iter_rules()
        if rule.endpoint.startswith("booking_api.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    told = {(path, method) for path, item in PATHS.items() for method in item if method != "parameters"}
    assert told == rules
    code = stage.booked(MONDAY)
    app, tutor = App(stage), App(stage, "tutor")
    answers = {
        "booking.slots": app.get(SLOTS.format(stage.offering.slug)).json,
        "booking.seat": app.hold(MONDAY + DAY).json,
        "booking.own": app.get(f"/api/v1/lessons/{code}").json,
        "booking.lessons": app.get("/api/v1/lessons").json,
        "booking.refund": app.get(f"/api/v1/lessons/{code}/refund-preview").json,
        "booking.teaching": tutor.get("/api/v1/teaching/lessons").json,
        "booking.cancelled": app.post(f"/api/v1/lessons/{code}/cancel", {}).json,
    }
    for name, answer in answers.items():
        assert set(answer) == set(SCHEMAS[name]["properties"]), name
