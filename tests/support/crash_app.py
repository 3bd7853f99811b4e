"""A process that does one step of a purchase and is killed in the midst of it, as often as a test wants.

The real code on a real database, against the real simulator: `Nursery` has everything imported and forks a child
for each step. The child dies by SIGKILL at the n-th crash point that it comes by, or at its n-th statement.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import event

from app.core import clock, crash
from app.core.db import db
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Person
from app.domains.booking import jobs as booking_jobs
from app.domains.booking import queries
from app.domains.booking import service as booking
from app.domains.catalog import queries as catalog
from app.domains.earnings import jobs as earnings_jobs
from app.domains.payments import jobs as payments_jobs
from app.domains.payments import service as payments
from app.shell.factory import create_app
from config import Settings, load_settings
from tests.support.nurseries import started
from tests.support.world import drain

WEBHOOKS = "/webhooks/mock"


@dataclass(frozen=True)
class Step:
    """What is to be done, and when (business time and machine time are one here). The process dies
    when it first comes by `point`, or at its `at`-th point, or with `statements` at its `at`-th statement."""

    name: str
    given: dict[str, Any]
    moment: str
    point: str = ""
    at: int = 0
    statements: bool = False


@dataclass(frozen=True)
class Outcome:
    """`died`: by SIGKILL, as it was told. `points`: the names that it came by, the last one is where it died."""

    died: bool
    points: tuple[str, ...]


# -- The steps, each an edge's work ------------------------------------------------------------------------


def hold(given: dict[str, Any]) -> None:
    with tenant_scope(given["tenant"]), transaction():
        offering = catalog.offering(given["offering"])
        booking.hold_slot(
            offering=offering,
            variant=catalog.variants_of(offering.id)[0],
            starts_at=dt.datetime.fromisoformat(given["starts_at"]),
            actor=given["actor"],
        )


def order(given: dict[str, Any]) -> None:
    with tenant_scope(given["tenant"]), transaction() as session:
        booking.begin_checkout(
            queries.seat(given["seat"]),
            payer=session.get_one(Person, given["payer"]),
            student=session.get_one(Person, given["student"]),
            actor=given["actor"],
            locale="en",
        )


def start(given: dict[str, Any]) -> None:
    """The button "Pay"."""
    with tenant_scope(given["tenant"]):
        payments_jobs.start_payment(given["order"])


def open_only(given: dict[str, Any]) -> None:
    """As far as the button got whose process died before it called the provider."""
    with tenant_scope(given["tenant"]), transaction():
        payments.open_payment(given["order"], provider="mock")


def ask(given: dict[str, Any]) -> None:
    """The payer is back on the order's page."""
    with tenant_scope(given["tenant"]):
        payments_jobs.ask_payment(given["payment"])


def hear(given: dict[str, Any]) -> None:
    """A webhook comes in by its door."""
    answer = _app.test_client().post(
        WEBHOOKS,
        data=given["body"].encode(),
        headers={"Stripe-Signature": given["signature"]},
        content_type="application/json",
        base_url="http://localhost:8000",
    )
    assert answer.status_code == 200, answer.text


def cancel(given: dict[str, Any]) -> None:
    with tenant_scope(given["tenant"]), transaction():
        booking.cancel_seat(queries.seat(given["seat"]), by="Student", reason="ill")


def call_off(given: dict[str, Any]) -> None:
    with tenant_scope(given["tenant"]), transaction():
        booking.cancel_lesson(queries.lesson(given["lesson"]), by="Tutor", reason="flu")


def deliver(_given: dict[str, Any]) -> None:
    """Dispatcher and workers do all that is due."""
    drain(_app)


def round_of_business(_given: dict[str, Any]) -> None:
    """What recurs by business time."""
    booking_jobs.lapse_holds()
    payments_jobs.expire_orders()
    booking_jobs.finish_lessons()
    earnings_jobs.clear_due()


def round_of_money(_given: dict[str, Any]) -> None:
    """What recurs by machine time."""
    payments_jobs.resolve_unknown()


STEPS = {
    step.__name__: step
    for step in (
        hold,
        order,
        open_only,
        start,
        ask,
        hear,
        cancel,
        call_off,
        deliver,
        round_of_business,
        round_of_money,
    )
}
_app: Flask


def do(app: Flask, step: Step) -> None:
    """In this process, at the step's moment."""
    global _app
    _app = app
    moment = dt.datetime.fromisoformat(step.moment)
    with clock.frozen(moment), clock.machine_frozen(moment), app.app_context():
        STEPS[step.name](step.given)


# -- The processes -----------------------------------------------------------------------------------------


@dataclass
class Nursery:
    """A process that forks the doomed."""

    process: subprocess.Popen[str]
    log: Path

    def do(self, step: Step) -> Outcome:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(asdict(step)) + "\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the nursery itself died:\n{self.log.read_text()[-3000:]}"
        found = json.loads(answer)
        return Outcome(found["died"], tuple(found["points"]))


@contextmanager
def nursery(settings: Settings, log: Path) -> Iterator[Nursery]:
    with started("tests.support.crash_app", settings, log) as process:
        yield Nursery(process, log)


def main() -> None:
    """The nursery's program: each line is a step, the answer is what became of it."""
    settings = load_settings()
    app = create_app(settings)
    for line in sys.stdin:
        step = Step(**json.loads(line))
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            os._exit(_doomed(app, settings.ENVIRONMENT, step, writer))
        os.close(writer)
        with os.fdopen(reader) as stream:
            points = stream.read().split()
        _pid, status = os.waitpid(child, 0)
        died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert died or status == 0, f"{step} failed"
        print(json.dumps({"died": died, "points": points}), flush=True)


def _doomed(app: Flask, environment: str, step: Step, writer: int) -> int:
    count = 0

    def strike(name: str) -> None:
        nonlocal count
        count += 1
        os.write(writer, f"{name}\n".encode())
        if name == step.point or count == step.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def before_statement(*_args: Any) -> None:
        strike("statement")

    with contextlib.ExitStack() as stack:
        if step.statements:
            with app.app_context():
                event.listen(db.engine, "before_cursor_execute", before_statement)
        else:
            stack.enter_context(crash.armed(strike, environment=environment))
        try:
            do(app, step)
        except Exception:
            import traceback

            traceback.print_exc()
            return 1
    return 0
