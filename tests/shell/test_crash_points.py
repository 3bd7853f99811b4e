"""Whatever dies in the midst of a purchase, by SIGKILL: nobody is charged without an order or twice, nothing is
lost, and everything comes to its end by itself.

Lives of a seat are lived step by step. Each crash point that a step comes by kills its process once; then either
the same is done again (the click, the webhook, the dispatcher) and the life ends as if nothing had happened, or
nobody does it again, and time alone brings everything to an end. The names of all points are read from the
source: one that no life comes by fails.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.core import clock
from app.core.db import db
from app.core.outbox import DELIVERED, Outbox
from app.core.scope import platform_scope
from app.domains.booking.errors import CannotCancel
from app.domains.booking.models import HELD, Seat
from app.domains.catalog.models import Offering
from app.domains.payments.models import (
    CANCELLED,
    CAPTURED,
    EXPIRED,
    PAID,
    SUCCEEDED,
    VOIDED,
    Order,
    Payment,
    Refund,
)
from app.providers.payments import ProviderPayment
from app.providers.payments.controls import SimulatorControls
from app.providers.payments.simulator.courier import signature
from app.shell.checks import broken_rules
from tests.domains.booking.support import DAY, HOUR, MINUTE, MONDAY, NOW
from tests.domains.payments.support import GOOD, Till, simulating
from tests.support import lived
from tests.support.crash_app import Nursery, Step, do, nursery
from tests.support.databases import ROOT, Database, settings_for
from tests.support.shop import Purchase, Shop
from tests.support.world import World

POINT = re.compile(r"""crash_point\(["']([^"']+)["']\)""")
LEASE = dt.timedelta(seconds=90)  # a delivery's, and a little more
LESSONS_A_DAY = 12
# What the payer, the bank or time itself does; no process of ours can die of it.
PAYS, DISPUTES, LOSES = "pays", "disputes", "loses"
TO_THE_SEAT: tuple[tuple[str, Any], ...] = (
    ("hold", 0 * MINUTE),
    ("order", 2 * MINUTE),
    ("start", 4 * MINUTE),
    (PAYS, 4 * MINUTE),
    ("hear payment_intent.succeeded", 6 * MINUTE),
    ("deliver", 8 * MINUTE),
)
AFTER = "after the lesson: "  # moments count from its end
LIVES: dict[str, tuple[int, tuple[tuple[str, Any], ...]]] = {
    # From which step on its processes die: what comes before has died in a life above.
    "taught": (
        0,
        (
            *TO_THE_SEAT,
            (AFTER + "round_of_business", 25 * HOUR),
            (AFTER + "round_of_business", 8 * DAY),
            (AFTER + "deliver", 8 * DAY),
        ),
    ),
    "cancelled": (
        6,
        (
            *TO_THE_SEAT,
            ("cancel", 1 * HOUR),
            ("deliver", 1 * HOUR + 2 * MINUTE),
            ("hear charge.refunded", 1 * HOUR + 4 * MINUTE),
            ("deliver", 1 * HOUR + 6 * MINUTE),
        ),
    ),
    "cancelled, and nobody sent the refund": (
        7,
        (*TO_THE_SEAT, ("cancel", 1 * HOUR), ("round_of_money", 2 * HOUR)),
    ),
    "sent, and nobody noted it": (
        8,
        (*TO_THE_SEAT, ("cancel", 1 * HOUR), ("deliver, dying at refund.sent", 1 * HOUR + 2 * MINUTE),
         ("round_of_money", 2 * HOUR)),
    ),
    "called off": (6, (*TO_THE_SEAT, ("call_off", 1 * HOUR), ("deliver", 1 * HOUR + 2 * MINUTE))),
    "never told": (4, (*TO_THE_SEAT[:4], ("round_of_money", 8 * MINUTE), ("deliver", 9 * MINUTE))),
    "left at the counter": (
        3,
        (*TO_THE_SEAT[:3], ("round_of_business", 15 * MINUTE), ("deliver", 17 * MINUTE)),
    ),
    "paid too late": (
        5,
        (*TO_THE_SEAT[:3], ("round_of_business", 15 * MINUTE), (PAYS, 16 * MINUTE), ("ask", 16 * MINUTE),
         ("deliver", 18 * MINUTE)),
    ),
    "made after all": (
        3,
        (*TO_THE_SEAT[:2], ("open_only", 4 * MINUTE), ("round_of_money", 6 * MINUTE), ("start", 8 * MINUTE),
         (PAYS, 8 * MINUTE), ("ask", 8 * MINUTE), ("deliver", 10 * MINUTE)),
    ),
    "disputed and lost": (
        7,
        (
            *TO_THE_SEAT,
            (DISPUTES, 1 * DAY),
            ("hear charge.dispute.created", 1 * DAY + 2 * MINUTE),
            ("deliver", 1 * DAY + 4 * MINUTE),
            (LOSES, 2 * DAY),
            ("hear charge.dispute.closed", 2 * DAY + 2 * MINUTE),
            ("deliver", 2 * DAY + 4 * MINUTE),
        ),
    ),
}  # fmt: skip


def points_in_the_source() -> list[str]:
    files = sorted((ROOT / "app").rglob("*.py"))
    return [name for file in files for name in POINT.findall(file.read_text())]


@dataclass
class Case:
    """One purchase, and what is known of it as it goes."""

    number: int
    purchase: Purchase | None = None
    dispute: str = ""

    @property
    def starts_at(self) -> dt.datetime:
        return MONDAY + self.number // LESSONS_A_DAY * DAY + (self.number % LESSONS_A_DAY - 2) * HOUR

    @property
    def actor(self) -> str:
        return f"u:{1000 + self.number}"


@dataclass
class Stage:
    """The company, the provider, and the processes that die."""

    shop: Shop
    place: Nursery
    visited: set[str] = field(default_factory=set)
    kills: int = 0
    cases: int = 0

    @property
    def till(self) -> Till:
        return self.shop.till

    @property
    def app(self) -> Flask:
        return self.till.app

    def new_case(self) -> Case:
        self.cases += 1
        return Case(self.cases - 1)

    # -- What is known of a case ---------------------------------------------------------------------------

    def seat(self, case: Case) -> Seat | None:
        with self.till.open():
            return db.session.scalars(select(Seat).where(Seat.actor == case.actor)).one_or_none()

    def order(self, case: Case) -> Order | None:
        with self.till.open():
            return db.session.scalars(select(Order).where(Order.actor == case.actor)).one_or_none()

    def payments(self, case: Case) -> list[Payment]:
        with self.till.open():
            found = select(Payment).join(Order, Order.id == Payment.order_id).where(Order.actor == case.actor)
            return list(db.session.scalars(found.order_by(Payment.id)))

    def at_provider(self, case: Case) -> list[ProviderPayment]:
        """All that the provider has for this order, asked for in its own words."""
        order = self.order(case)
        made = self.till.events("payment_intent.created")
        mine = [
            e["data"]["object"]["id"]
            for e in made
            if order and e["data"]["object"]["description"] == order.code
        ]
        with self.app.app_context():
            return [self.till.provider.retrieve_payment(ref) for ref in mine]

    def whole(self, case: Case) -> dict[str, Any]:
        seat, order = self.seat(case), self.order(case)
        assert seat is not None
        assert order is not None
        return self.shop.whole(Purchase(lived.again(self.till.world, seat), order))

    # -- Steps ---------------------------------------------------------------------------------------------

    def step(self, case: Case, name: str, moment: dt.datetime) -> Step:
        name = name.removeprefix(AFTER)
        verb, _space, kind = name.partition(" ")
        company = self.till.company
        given: dict[str, Any] = {"tenant": company.id, "actor": case.actor}
        if verb == "hold":
            given |= {"offering": self.shop.offering.id, "starts_at": case.starts_at.isoformat()}
        elif verb == "hear":
            given |= self._newest(case, kind, moment)
        elif verb in {"order", "cancel", "call_off", "start", "open_only", "ask"}:
            seat, order = self.seat(case), self.order(case)
            assert seat is not None
            given |= {"seat": seat.id, "lesson": seat.lesson_id, "order": order and order.id}
            given |= {"student": company.people["student"], "payer": company.people["student"]}
            given |= {"payment": verb == "ask" and self.payments(case)[-1].id}
        return Step(verb, given, moment.isoformat())

    def _newest(self, case: Case, kind: str, moment: dt.datetime) -> dict[str, str]:
        ref = self.payments(case)[-1].provider_ref
        assert ref is not None
        found = [event for event in self.till.events(kind) if ref in json.dumps(event)]
        body = json.dumps(found[-1])
        return {
            "body": body,
            "signature": signature(body.encode(), self.till.keys.webhook, int(moment.timestamp())),
        }

    def live(self, case: Case, name: str, offset: dt.timedelta) -> None:
        """A step without a mishap."""
        moment = self.moment(case, name, offset)
        with clock.frozen(moment), clock.machine_frozen(moment):
            if name == PAYS:
                self.till.controls.pay(self.payments(case)[-1].client_secret or "", GOOD)
            elif name == DISPUTES:
                case.dispute = self.till.controls.dispute(self.payments(case)[-1].provider_ref or "")
            elif name == LOSES:
                self.till.controls.close_dispute(case.dispute, "lost")
            elif ", dying at " in name:
                self.die_at(case, name, moment)
            else:
                do(self.app, self.step(case, name, moment))

    def die_at(self, case: Case, name: str, moment: dt.datetime) -> None:
        verb, _words, point = name.partition(", dying at ")
        outcome = self.place.do(replace(self.step(case, verb, moment), point=point))
        assert outcome.died, f"{verb} does not come by {point}"

    def moment(self, case: Case, name: str, offset: dt.timedelta) -> dt.datetime:
        return (case.starts_at + HOUR if name.startswith(AFTER) else NOW) + offset

    def time_passes(self, since: dt.datetime) -> None:
        """Nobody does anything but what the house does by itself, for some hours."""
        for minutes in (2, 140):
            moment = since + minutes * MINUTE
            with clock.frozen(moment), clock.machine_frozen(moment):
                for name in ("round_of_business", "round_of_money", "deliver"):
                    do(self.app, Step(name, {}, moment.isoformat()))

    # -- Deaths --------------------------------------------------------------------------------------------

    def reference(self, life: str) -> tuple[dict[str, Any], list[list[str]]]:
        """The life without a mishap: its end, and by which points each step comes."""
        case, points = self.new_case(), list[list[str]]()
        for name, offset in LIVES[life][1]:
            if name in {PAYS, DISPUTES, LOSES} or ", dying at " in name:
                self.live(case, name, offset)
                points.append([])
                continue
            moment = self.moment(case, name, offset)
            with clock.frozen(moment), clock.machine_frozen(moment):
                outcome = self.place.do(self.step(case, name, moment))
            assert not outcome.died
            points.append(list(outcome.points))
            self.visited.update(outcome.points)
        self.time_passes(self.moment(case, *LIVES[life][1][-1]))
        return self.whole(case), points

    def die(self, life: str, number: int, *, again: bool, **how: Any) -> str | None:
        """A new life whose step `number` is killed. Returns where; None where it went by."""
        case, steps = self.new_case(), LIVES[life][1]
        for name, offset in steps[:number]:
            self.live(case, name, offset)
        name, offset = steps[number]
        moment = self.moment(case, name, offset)
        with clock.frozen(moment), clock.machine_frozen(moment):
            outcome = self.place.do(replace(self.step(case, name, moment), **how))
        where = f"{life}: {name}, {how}, {'done again' if again else 'given up'}"
        self.kills += outcome.died
        if again:
            self._do_again(case, name, offset)
            for name, offset in steps[number + 1 :]:
                self.live(case, name, offset)
            self.time_passes(self.moment(case, *steps[-1]))
        else:
            self.time_passes(moment)
        self.judge(case, where)
        if again:
            assert self.whole(case) == self.ends[life], where
        return where if outcome.died else None

    def _do_again(self, case: Case, name: str, offset: dt.timedelta) -> None:
        # Whoever cancels again is told that it was cancelled.
        with suppress(CannotCancel) if name in {"cancel", "call_off"} else nullcontext():
            self.live(case, name, offset + LEASE)

    def judge(self, case: Case, where: str) -> None:
        """Everything came to its end, and nobody was charged for nothing or twice."""
        seat, order, payments = self.seat(case), self.order(case), self.payments(case)
        charged = [found for found in self.at_provider(case) if found.status == "succeeded"]
        assert len(charged) <= 1, where
        assert seat is None or seat.status != HELD, where
        assert order is None or order.status in {PAID, EXPIRED, CANCELLED}, where
        assert {payment.status for payment in payments} <= {CAPTURED, VOIDED}, where
        assert bool(charged) == bool(order and order.status == PAID), where
        taken = sum(payment.captured_minor for payment in payments)
        assert taken == sum(found.captured_minor for found in charged), where
        with self.till.open():
            refunds = db.session.scalars(
                select(Refund).where(Refund.payment_id.in_([p.id for p in payments]))
            ).all()
        assert {refund.status for refund in refunds} <= {SUCCEEDED}, where
        back = sum(refund.amount_minor for refund in refunds)
        assert back == sum(found.refunded_minor for found in charged), where
        with self.app.app_context(), platform_scope("test"):
            waiting = db.session.scalars(select(Outbox.handler).where(Outbox.status != DELIVERED)).all()
        assert not waiting, where

    ends: dict[str, dict[str, Any]] = field(default_factory=dict)


# -- Fixtures ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def doomed(app: Flask, database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The simulator, and the nursery that talks to it."""
    folder = tmp_path_factory.mktemp("doomed")
    with simulating(app, folder / "simulator") as (simulator, provider, keys):
        settings = settings_for(database, folder, SIMULATOR_PORT=simulator.port, LOG_LEVEL="ERROR")
        with nursery(settings, folder / "nursery.log") as place:
            yield place, SimulatorControls(simulator.port, keys), provider, keys


@pytest.fixture
def stage(app: Flask, world: World, doomed: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    place, controls, provider, keys = doomed
    monkeypatch.setitem(app.extensions, "payments", provider)
    with clock.frozen(NOW), clock.machine_frozen(NOW):
        offering: Offering = lived.publish(world)
        do(app, Step("deliver", {}, NOW.isoformat()))  # what is told of that
        yield Stage(Shop(Till(app, world, controls, provider, keys), offering), place)
    # Their moments lie far apart, so the rules about time are asked last, when all of it is over.
    afterwards = NOW + 100 * DAY
    with clock.frozen(afterwards), clock.machine_frozen(afterwards):
        for _round in range(3):  # one takes 200 of a kind at most, and the long forms leave more
            do(app, Step("round_of_business", {}, afterwards.isoformat()))
        do(app, Step("deliver", {}, afterwards.isoformat()))
        broken = {rule: lines for rule, lines in broken_rules(app).items() if lines}
    assert not broken


# -- Tests -------------------------------------------------------------------------------------------------


def test_names_say_where_and_when_once() -> None:
    names = points_in_the_source()
    assert sorted(set(names)) == sorted(names)
    assert all(re.fullmatch(r"[a-z_]+\.[a-z_]+", name) for name in names)
    assert len(names) >= 20


@pytest.mark.parametrize("life", LIVES)
def test_a_process_dies_at_each_point(stage: Stage, life: str) -> None:
    """Once in each kind of step; every other time nobody does it again. The long form does both at every visit."""
    since, steps = LIVES[life]
    stage.ends[life], points = stage.reference(life)
    for number in range(since, len(steps)):
        for at, point in enumerate(dict.fromkeys(points[number])):
            if (steps[number][0], point) in DIED:
                continue
            DIED.add((steps[number][0], point))
            assert stage.die(life, number, point=point, again=bool((number + at) % 2)), (number, point)
    print(f"{life}: {stage.kills} kills at {len(stage.visited)} points")
    SEEN[life] = stage.visited


SEEN: dict[str, set[str]] = {}
DIED: set[tuple[str, str]] = set()  # in which step, at which point


def test_each_point_of_the_source_was_died_at(stage: Stage) -> None:
    """In the lives above, which the same worker has lived; one that it has not is lived without a mishap."""
    for life in LIVES.keys() - SEEN.keys():
        stage.reference(life)
        SEEN[life] = stage.visited
    assert set(points_in_the_source()) - set().union(*SEEN.values()) == set()


@pytest.mark.soak
@pytest.mark.parametrize("life", LIVES)
def test_a_process_dies_at_each_visit_and_at_each_statement(stage: Stage, life: str) -> None:
    since, steps = LIVES[life]
    stage.ends[life], points = stage.reference(life)
    for number in range(since, len(steps)):
        for at in range(1, len(points[number]) + 1):
            for again in (True, False):
                assert stage.die(life, number, at=at, again=again)
        if steps[number][0] in {PAYS, DISPUTES, LOSES}:
            continue
        at = 1
        while stage.die(life, number, at=at, again=bool(at % 2), statements=True):
            at += 1
    print(f"{life}: {stage.kills} kills")
