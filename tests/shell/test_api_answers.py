"""What the API answers is what it describes: a purchase lived through it, each answer judged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from app.core import clock
from app.core.db import db
from app.core.scope import tenant_scope
from app.domains.catalog.models import GROUP, TRIAL
from app.domains.payments import jobs
from app.domains.payments.models import Payment
from app.providers.payments.controls import SimulatorControls
from tests.domains.booking.support import DAY, HOUR, MONDAY, NOW
from tests.domains.payments.support import GOOD, simulating
from tests.shell.api_support import Caller, Judge, caller, document, operations
from tests.support import lived
from tests.support.world import PASSWORD, World, drain


@pytest.fixture
def controls(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorControls]:
    """Somebody with a card at the provider's page."""
    with simulating(app, tmp_path / "simulator") as (simulator, provider, keys):
        monkeypatch.setitem(app.extensions, "payments", provider)
        yield SimulatorControls(simulator.port, keys)


@pytest.fixture
def at_now() -> Iterator[None]:
    with clock.frozen(NOW):
        yield


def iso(at: dt.datetime) -> str:
    return at.isoformat()


def test_a_purchase(world: World, controls: SimulatorControls, at_now: None) -> None:
    offering = lived.publish(world)
    group = lived.publish(
        world, kind=GROUP, title="Evening class", variants=(("2 hours", 120, 2400),), capacity=1
    )
    trial = lived.publish(world, kind=TRIAL, title="First time", variants=lived.HALF_AN_HOUR_FREE)
    first, second = (lived.give_date(world, group, MONDAY + n * DAY + 8 * HOUR) for n in range(2))
    judge, anybody = Judge(document(world)), caller(world)

    judge(anybody("get", "_openapi.json"), 200)
    student = _sign_in(judge, world)
    tutor = caller(world, "tutor")
    page = judge(anybody("get", "catalog/offerings?kind=one_to_one&size=10"), 200)
    slug = page["result"][0]["slug"]
    assert slug == offering.slug
    variant = judge(anybody("get", f"catalog/offerings/{slug}"), 200)["variants"][0]["id"]
    since, until = NOW.strftime("%Y-%m-%dT%H:%M:%SZ"), (MONDAY + DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    free = judge(anybody("get", f"catalog/offerings/{slug}/slots?since={since}&until={until}"), 200)["slots"]
    assert iso(MONDAY) in {slot["starts_at"] for slot in free}
    dates = judge(anybody("get", f"catalog/offerings/{group.slug}/slots?until={until}"), 200)["dates"]
    assert [date["lesson"] for date in dates] == [first.code]

    wanted = {"offering": slug, "variant": variant, "starts_at": iso(MONDAY)}
    hold = judge(student("post", "holds", wanted), 201)
    taken = judge(tutor("post", "holds", wanted), 409)
    assert taken["code"] == "slot_taken"
    assert taken["alternatives"][0] == iso(MONDAY + HOUR)
    judge(student("post", "holds", {**wanted, "starts_at": iso(NOW - HOUR)}), 422)
    other = judge(student("post", "holds", {**wanted, "starts_at": iso(MONDAY + DAY)}), 201)
    judge(student("delete", f"holds/{other['code']}"), 204)
    # The one place of the first date is the student's; the tutor is told of the second date.
    place = {"offering": group.slug, "lesson": first.code}
    judge(student("post", "holds", place), 201)
    full = judge(tutor("post", "holds", place), 409)
    assert [date["lesson"] for date in full["dates"]] == [second.code]

    ordered = judge(
        student("post", f"holds/{hold['code']}/order", {"student": world.anna.people["student"]}), 200
    )
    judge(student("get", f"orders/{ordered['order']}"), 200)
    start = judge(student("post", f"orders/{ordered['order']}/pay", key="pay-1"), 200)
    _pay(world, controls, start["checkout_url"])
    order = judge(student("get", f"orders/{ordered['order']}"), 200)
    assert (order["state"], len(order["receipts"])) == ("paid", 1)

    # What costs nothing is booked at once.
    trial_variant = judge(anybody("get", f"catalog/offerings/{trial.slug}"), 200)["variants"][0]["id"]
    free_hold = judge(
        student(
            "post",
            "holds",
            {"offering": trial.slug, "variant": trial_variant, "starts_at": iso(MONDAY + 2 * DAY)},
        ),
        201,
    )
    gift = judge(
        student("post", f"holds/{free_hold['code']}/order", {"student": world.anna.people["student"]}), 200
    )
    assert gift["status"] == "paid"

    _live_with_it(judge, world, student, hold["code"])
    _teach(judge, world, tutor)
    judge(student("post", "auth/logout"), 204)
    judge(student("get", "lessons"), 401)
    assert set(operations(world)) - judge.seen == set()


def _sign_in(judge: Judge, world: World) -> Caller:
    anybody = caller(world)
    given = {"email": world.anna.email("student"), "password": PASSWORD}
    judge(anybody("post", "auth/token", {**given, "password": "wrong"}), 401)
    pair = judge(anybody("post", "auth/token", given), 200)
    pair = judge(anybody("post", "auth/refresh", {"refresh_token": pair["refresh_token"]}), 200)
    return Caller(world, world.anna.host, pair["access_token"])


def _pay(world: World, controls: SimulatorControls, checkout_url: str) -> None:
    secret = checkout_url.split("/pay/")[1].split("?")[0]
    controls.pay(secret, GOOD)
    with world.app.app_context(), tenant_scope(world.anna.id):
        jobs.ask_payment(db.session.scalars(select(Payment.id)).one())
    drain(world.app)


def _live_with_it(judge: Judge, world: World, student: Caller, code: str) -> None:
    """Seen, written about, moved, and cancelled in time."""
    result = judge(student("get", "lessons"), 200)["result"]
    assert [seat["code"] for seat in result][:1] == [code]
    judge(student("get", "lessons?when=past"), 200)
    own = judge(student("get", f"lessons/{code}"), 200)
    assert (own["cancel"]["why_not"], own["move"]["why_not"]) == (None, None)
    assert judge(student("get", f"lessons/{code}/refund-preview"), 200)["refund"]["minor"] == 4000
    judge(student("post", f"lessons/{code}/move", {"starts_at": iso(MONDAY)}), 409)
    moved = judge(student("post", f"lessons/{code}/move", {"starts_at": iso(MONDAY + 3 * DAY)}), 200)
    assert moved["lesson"]["starts_at"] == iso(MONDAY + 3 * DAY)

    (talk,) = judge(student("get", "conversations"), 200)["result"]
    said = judge(
        student("post", f"conversations/{talk['id']}/messages", {"client_id": str(uuid4()), "body": "Hi"}),
        201,
    )
    judge(student("post", f"conversations/{talk['id']}/read", {"seq": said["seq"]}), 204)
    heard = judge(student("get", f"conversations/{talk['id']}/messages?after=0"), 200)
    assert [message["body"] for message in heard["result"]] == ["Hi"]
    judge(student("get", "conversations"), 200)
    told = judge(student("get", "inbox"), 200)
    assert told["unread"] > 0
    assert {"seat_booked"} <= {row["kind"] for row in told["result"]}
    judge(student("post", "inbox/read"), 204)
    assert judge(student("get", f"inbox?before={told['result'][0]['id']}"), 200)["unread"] == 0

    judge(student("post", f"lessons/{code}/cancel", {"expected_minor": 1}), 409)
    cancelled = judge(student("post", f"lessons/{code}/cancel", {"expected_minor": 4000}), 200)
    assert (cancelled["status"], cancelled["refund"]["minor"]) == ("cancelled", 4000)
    judge(student("get", f"lessons/{code}"), 200)
    judge(student("get", f"lessons/{code}/refund-preview"), 200)


def _teach(judge: Judge, world: World, tutor: Caller) -> None:
    """The free lesson takes place."""
    since = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    (lesson,) = [
        lesson
        for lesson in judge(tutor("get", f"teaching/lessons?since={since}"), 200)["result"]
        if lesson["participants"] and lesson["status"] == "scheduled"
    ]
    mark = {"seat": lesson["participants"][0]["seat"], "attended": True}
    path = f"teaching/lessons/{lesson['code']}/attendance"
    judge(tutor("post", path, mark), 409)
    with clock.frozen(MONDAY + 2 * DAY + HOUR):
        marked = judge(tutor("post", path, mark), 200)
    assert marked["status"] == "attended"
    _say_how_it_was(judge, world, tutor)
    page = judge(tutor("get", "teaching/earnings?size=10"), 200)
    assert page["count"] == len(page["result"]) == 2
    assert page["totals"]["pending"]["minor"] == sum(row["tutor_share"] for row in page["result"])
    for row in page["result"]:
        shares = ("tax", "platform_fee", "company_share", "tutor_share")
        assert row["gross"] == sum(row[name] for name in shares)
        entries = judge(tutor("get", f"teaching/earnings/{row['id']}"), 200)["entries"]
        assert all(sum(part["minor"] for part in entry["postings"]) == 0 for entry in entries)


def _say_how_it_was(judge: Judge, world: World, tutor: Caller) -> None:
    """Who took part may rate it, once; the tutor answers, and everybody reads both."""
    student, anybody = caller(world, "student"), caller(world)
    path = "catalog/offerings/first-time/reviews"
    written = judge(student("post", path, {"rating": 5, "text": "Patient and clear."}), 201)
    judge(student("post", path, {"rating": 4, "text": "Patient."}), 200)
    judge(student("post", path, {"rating": 6}), 422)
    judge(tutor("post", path, {"rating": 5}), 409)
    reply = f"catalog/reviews/{written['id']}/reply"
    judge(student("post", reply, {"reply": "I?"}), 404)
    judge(tutor("post", reply, {"reply": "Thank you!"}), 200)
    judge(tutor("post", reply, {"reply": "Once more."}), 409)
    page = judge(anybody("get", path), 200)
    assert page["rating"] == {"average": 4.0, "count": 1}
    assert [(row["rating"], row["reply"]) for row in page["result"]] == [(4, "Thank you!")]
