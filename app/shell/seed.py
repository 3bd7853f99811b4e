"""`run.py seed`: the demo's world is there, and lived up to now. Running it again changes nothing."""

from __future__ import annotations

import datetime as dt
import gc
import logging
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace

from flask import Flask
from sqlalchemy import event

from app.core import clock, garbage, schedule
from app.core.db import db
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.accounts import queries as accounts
from app.domains.accounts.models import OPERATOR, TENANT_ROLES
from app.domains.accounts.service import passwords, people
from app.domains.tenancy import queries as tenancy
from app.domains.tenancy import service
from app.domains.tenancy.models import Plan
from app.providers.payments import simulator
from app.shell.local import UNFINISHED_WORLD
from app.shell.world import COMPANIES
from app.shell.world.diary import Diary
from app.shell.world.follow_ups import followed_at_once
from app.shell.world.living import Life, Lived, live
from app.shell.world.model import SIZES, Company, Size
from app.shell.world.people import OPERATOR_EMAIL, OPERATOR_NAME, password_of
from app.shell.world.till import Till
from config import Settings

log = logging.getLogger(__name__)

PLANS = (("studio", "Studio", 10, 500), ("school", "School", None, 350))
# Kept with the company: with which seed it is lived, up to when, and whether it is done.
LIVED = "lived"

Say = Callable[[str], None]


class Unlived(Exception):
    """A company's process ended before its life was done; its words say why."""


def logins(app: Flask) -> list[tuple[str, str, str, str]]:
    """(who, where, e-mail, password) of everybody who can sign in to the demo."""
    settings: Settings = app.extensions["settings"]
    platform = settings.url_of(settings.BASE_DOMAIN)
    found = [("Operator", platform, OPERATOR_EMAIL, password_of(OPERATOR))]
    for company in COMPANIES:
        url = settings.url_of(f"{company.slug}.{settings.BASE_DOMAIN}")
        found += [
            (f"{role.capitalize()}, {company.name}", url, f"{role}@{company.slug}.test", password_of(role))
            for role in company.roles
        ]
    return found


def seed(
    app: Flask,
    *,
    companies: Sequence[Company] = COMPANIES,
    size: Size | None = None,
    apart: bool = False,
    say: Say = lambda _text: None,
) -> Lived:
    """Fill what is missing. `apart`: each company in a process of its own. Raises SystemExit in production:
    these people's passwords are published."""
    if app.config["ENVIRONMENT"] == "production":
        raise SystemExit(
            "`seed` makes people whose passwords are published: not with ENVIRONMENT=production."
        )
    settings: Settings = app.extensions["settings"]
    with app.app_context(), passwords.published([password_of(role) for role in (OPERATOR, *TENANT_ROLES)]):
        schedule.ensure()
        _seed_platform()
        lives = [
            life
            for company in companies
            if (life := _opened(company, settings.SEED, size or SIZES[settings.WORLD])) is not None
        ]
        lived = _live_all(app, lives, apart=apart, say=say) if lives else Lived()
        app.extensions["places"].forget()
    return lived


def _seed_platform() -> None:
    with platform_scope("seed the demo's plans and operator"), transaction() as session:
        for code, name, max_tutors, fee in PLANS:
            if tenancy.plan_by_code(code) is None:
                session.add(Plan(code=code, name=name, max_tutors=max_tutors, platform_fee_bp=fee))
        if accounts.user_by_email(OPERATOR_EMAIL) is None:
            people.make_platform_user(
                email=OPERATOR_EMAIL,
                full_name=OPERATOR_NAME,
                password=password_of(OPERATOR),
                role=OPERATOR,
            )


# -- Companies ---------------------------------------------------------------------------------------------


def _opened(company: Company, seed_: str, size: Size) -> Life | None:
    """The company's life as far as it is to be lived; None where that is done, or where somebody else has a
    company of this name."""
    now = clock.now()
    with platform_scope("seed a demo company"):
        found = tenancy.tenant_by_slug(company.slug)
    if found is None:
        return _open(company, seed_, size, now)
    kept = found.settings.get(LIVED)
    if not kept or kept["done"]:
        return None
    until = dt.datetime.fromisoformat(kept["until"])
    return Life(company, found.id, kept["seed"], until, Size(**kept["size"]))


def _open(company: Company, seed_: str, size: Size, now: dt.datetime) -> Life:
    opens = Diary(company.timezone, now).at(-size.weeks, 0, 8 * 60)
    kept = {"seed": seed_, "until": now.isoformat(), "size": asdict(size), "done": False}
    with (
        clock.frozen(opens),
        clock.machine_frozen(opens),
        followed_at_once(mails_from=now) as follow_ups,
    ):
        with platform_scope("seed a demo company"), transaction():
            plan = tenancy.plan_by_code(company.plan)
            assert plan is not None, "the plans were seeded"
            place = company.currency, company.timezone, company.locale
            made = service.open_tenant(
                service.NewTenant(company.name, company.slug, plan, *place, is_test=True)
            )
            service.rebrand(
                made,
                service.Brand(company.name, company.color, company.tagline, contacts=dict(company.contacts)),
                timezone=company.timezone,
                locale=company.locale,
            )
            made.settings = {**made.settings, LIVED: kept}
            tenant_id = made.id
        follow_ups.carry_out()
    return Life(company, tenant_id, seed_, now, size)


def _finish(life: Life) -> None:
    with platform_scope("seed a demo company"), transaction():
        tenant = tenancy.tenant_for_update(life.tenant_id)
        tenant.settings = {**tenant.settings, LIVED: {**tenant.settings[LIVED], "done": True}}


# -- Their lives -------------------------------------------------------------------------------------------


def _live_all(app: Flask, lives: Sequence[Life], *, apart: bool, say: Say) -> Lived:
    settings: Settings = app.extensions["settings"]
    mark = settings.VAR_DIR / UNFINISHED_WORLD
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    till = Till(app) if settings.PAYMENT_PROVIDER == "mock" else None
    lived = Lived()
    if apart and len(lives) > 1:
        # Forked first: a process with threads is no good parent.
        children = _forked(app, lives, till, say)
        with _paid_at(settings, till):
            _wait(children)
    else:
        with _paid_at(settings, till):
            for life in lives:
                one = live(app, life, till=till, say=say)
                lived.done, lived.refused = lived.done + one.done, lived.refused + one.refused
    for life in lives:
        _finish(life)
    mark.unlink(missing_ok=True)
    return lived


@contextmanager
def _paid_at(settings: Settings, till: Till | None) -> Iterator[None]:
    """With a payment simulator: the one that runs already, or one of our own for the time being. It tells
    nobody anything by itself: living fetches what there is to hear, when its time has come."""
    if till is None:
        yield
        return
    ours = None
    with suppress(simulator.StoreInUse, simulator.PortTaken):
        place = simulator.SimulatorSettings.of(settings)
        ours = simulator.Simulator(replace(place, webhook_url="")).start()
    try:
        yield
    finally:
        if ours is not None:
            ours.stop()


def _forked(
    app: Flask, lives: Sequence[Life], till: Till | None, say: Say
) -> list[multiprocessing.context.ForkProcess]:
    db.session.remove()
    fork = multiprocessing.get_context("fork")
    children = [
        fork.Process(target=_live_one, args=(app, life, till, say), name=life.company.name, daemon=True)
        for life in lives
    ]
    for child in children:
        child.start()
    return children


def _live_one(app: Flask, life: Life, till: Till | None, say: Say) -> None:
    """In a child: connections of its own, which need not wait for the disk. A crash of the database loses the
    last moment only, and that is lived again."""
    db.engine.dispose(close=False)
    event.listen(db.engine, "connect", _hurry)
    gc.set_threshold(*garbage.SELDOM)
    if till is not None:
        till.wait_until_open()
    lived = live(app, life, till=till, say=say)
    say(f"{life.company.name}: {lived.done} deeds lived, {len(lived.refused)} refused")


def _hurry(connection: object, _record: object) -> None:
    with connection.cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute("SET synchronous_commit = off")
    connection.commit()  # type: ignore[attr-defined]


def _wait(children: Sequence[multiprocessing.context.ForkProcess]) -> None:
    """Raises Unlived where one of them failed; the others are lived to their end."""
    for child in children:
        child.join()
    failed = [child.name for child in children if child.exitcode]
    if failed:
        raise Unlived(f"{', '.join(failed)}: not lived to the end; `run.py seed` goes on where it stopped.")
