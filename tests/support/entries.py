"""For each admin entry: rows to list, a form to fill in, and who may. A new entry must be given a sample."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from app.core import clock
from app.core.audit import AuditEntry
from app.core.bulk import RUNNING, BulkFailure, BulkRun
from app.core.db import db
from app.core.idempotency import IdempotencyKey
from app.core.list_views import ListView
from app.core.outbox import DEAD, Outbox
from app.core.rights import TENANT
from app.core.schedule import Schedule
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.core.web.entry import AdminEntry
from app.domains.accounts.models import (
    ACTIVE,
    PENDING,
    Account,
    Guardianship,
    Invitation,
    Membership,
    TenantRole,
    UserSession,
)
from app.domains.tenancy.models import Plan, Tenant, TenantDomain
from app.providers.mail.mock import MockMailMessage
from app.shell.admin import make_registry
from tests.domains.booking import samples as booking
from tests.domains.catalog import samples as catalog
from tests.domains.earnings import samples as earnings
from tests.domains.messaging import samples as messaging
from tests.domains.notifications import samples as notifications
from tests.domains.payments import samples as payments
from tests.support.sample import Sample, add, person
from tests.support.world import PASSWORD, PLATFORM, Browser, World

SLUGS = tuple(entry.slug for entry in make_registry().entries)
_serial = itertools.count(1)


def unique() -> str:
    """A word that no other row has, fit for names, slugs and addresses."""
    return f"zq{next(_serial):05d}"


def make(world: World, entry: AdminEntry, count: int = 1) -> list[int]:
    """So many rows of the entry's model, each with related rows of its own; their ids."""
    scope = (
        tenant_scope(world.anna.id)
        if TENANT in entry.surfaces
        else platform_scope("rows for an entry's tests")
    )
    with world.app.app_context(), scope, transaction() as session:
        rows = [SAMPLES[entry.slug].row(session, unique()) for _ in range(count)]
        session.flush()
        return [row.id for row in rows]


def browser(world: World, entry: AdminEntry) -> Browser:
    """Somebody who may do all there is, where the entry is administered."""
    return world.manager() if TENANT in entry.surfaces else world.operator()


def token(world: World, entry: AdminEntry) -> tuple[str, str]:
    """(host, access token) of the same person for the API."""
    if TENANT in entry.surfaces:
        return world.anna.host, world.token(world.anna)
    return PLATFORM, operator_token(world)


def operator_token(world: World) -> str:
    response = world.app.test_client().post(
        "/api/v1/auth/token",
        json={"email": "operator@wemaster.test", "password": PASSWORD},
        base_url=f"http://{PLATFORM}",
    )
    assert response.status_code == 200, response.text
    return str(response.json["access_token"])


def stored(world: World, entry: AdminEntry, pk: int) -> dict[str, Any] | None:
    """The row's columns as the database has them, whoever owns it."""
    with world.app.app_context(), platform_scope("what a test has to see"):
        columns = entry.model.__table__.columns
        found = db.session.execute(select(*columns).where(columns.id == pk)).mappings().one_or_none()
        return dict(found) if found is not None else None


def count_of(world: World, entry: AdminEntry) -> int:
    with world.app.app_context(), platform_scope("what a test has to see"):
        return db.session.query(entry.model).count()


def _plan(session: Any, word: str) -> Plan:
    return add(session, Plan(code=word, name=f"Plan {word}", max_tutors=7))


def _tenant(session: Any, word: str) -> Tenant:
    tenant = Tenant(
        slug=word,
        name=f"{word} Tutors",
        plan_id=_plan(session, word).id,
        currency="EUR",
        timezone="Europe/Berlin",
        locale="en",
    )
    return add(session, tenant)


def _domain(session: Any, word: str) -> TenantDomain:
    return add(session, TenantDomain(tenant_id=_tenant(session, word).id, host=f"{word}.example"))


def _role(session: Any, word: str) -> TenantRole:
    return add(session, TenantRole(name=f"Role {word}", rights=["person.read"]))


def _account(session: Any, word: str) -> Account:
    account = Account(
        first_name=f"Account {word}",
        last_name="",
        username=f"{word}@accounts.test",
        email=f"{word}@accounts.test",
        password="none",
        active=True,
    )
    return add(session, account)


def _guardianship(session: Any, word: str) -> Guardianship:
    elder, child = person(session, f"{word}a"), person(session, f"{word}b")
    return add(session, Guardianship(guardian_id=elder.id, child_id=child.id))


def _invitation(session: Any, word: str) -> Invitation:
    invitation = Invitation(
        person_id=person(session, word).id,
        email=f"{word}@people.test",
        role_id=_role(session, word).id,
        status=PENDING,
        issue=1,
        invited_by="a test",
        expires_at=clock.machine_now() + dt.timedelta(days=7),
    )
    return add(session, invitation)


def _account_elsewhere(word: str) -> int:
    """Accounts are the platform's: made in its scope, on a session and a transaction of its own."""
    with platform_scope("an account for a test's row"), transaction() as session:
        return int(_account(session, word).id)


def _membership(session: Any, word: str) -> Membership:
    membership = Membership(
        user_id=_account_elsewhere(word),
        person_id=person(session, word).id,
        role_id=_role(session, word).id,
        status=ACTIVE,
    )
    return add(session, membership)


def _session(session: Any, word: str) -> UserSession:
    membership = _membership(session, word)
    now = clock.machine_now()
    seen = UserSession(
        token_hash=uuid.uuid4().bytes * 2,
        user_id=membership.user_id,
        tenant_id=membership.tenant_id,
        kind="web",
        created_at=now,
        last_seen_at=now,
        expires_at=now + dt.timedelta(days=1),
        ip="192.0.2.7",
        agent="test",
    )
    return add(session, seen)


def _audit(session: Any, word: str) -> AuditEntry:
    entry = AuditEntry(
        occurred_at=clock.machine_now(),
        actor_kind="user",
        actor_label=f"Actor {word}",
        request_id="",
        verb="changed",
        thing_type="person",
        thing_id=1,
        thing_label=f"Thing {word}",
        changes={"full_name": ["a", "b"]},
    )
    return add(session, entry)


def _delivery(session: Any, word: str) -> Outbox:
    now = clock.machine_now()
    row = Outbox(
        event_id=uuid.uuid4(),
        handler=f"test.{word}",
        name="PersonInvited",
        payload={"word": word},
        status=DEAD,
        attempts=8,
        announced_at=now,
        due_at=now + dt.timedelta(days=1),
        last_error="gave up",
    )
    return add(session, row)


def _schedule(session: Any, word: str) -> Schedule:
    return add(session, Schedule(name=f"schedule {word}", due_at=clock.machine_now(), last_seconds=0.5))


def _mail(session: Any, word: str) -> MockMailMessage:
    mail = MockMailMessage(
        message_id=f"<{word}@test>",
        recipient=f"{word}@people.test",
        subject=f"Subject {word}",
        text="Hello",
        headers={},
        sent_at=clock.machine_now(),
    )
    return add(session, mail)


def _key(session: Any, word: str) -> IdempotencyKey:
    tenant = _tenant(session, word)
    key = IdempotencyKey(
        tenant_id=tenant.id,
        actor="u:1",
        route=f"POST /{word}",
        key=word,
        body_hash=b"x" * 32,
        status=201,
        answer={},
        made_at=clock.machine_now(),
    )
    return add(session, key)


def _list_view(session: Any, word: str) -> ListView:
    user_id = _membership(session, word).user_id
    view = ListView(
        user_id=user_id,
        owner_name=f"Owner {word}",
        entry="people",
        name=f"View {word}",
        is_shared=True,
        args={"q": word},
        columns=["full_name", "notes"],
    )
    return add(session, view)


def _bulk_run(session: Any, word: str) -> BulkRun:
    run = BulkRun(
        user_id=_membership(session, word).user_id,
        actor_label=f"Actor {word}",
        entry="memberships",
        action="end",
        ids=[1, 2],
        matching="status=active",
        total=2,
        position=1,
        failed=1,
        status=RUNNING,
        locale="en",
        made_at=clock.machine_now(),
    )
    return add(session, run)


def _bulk_failure(session: Any, word: str) -> BulkFailure:
    run = _bulk_run(session, word)
    return add(
        session, BulkFailure(run_id=run.id, row_id=1, row_label=f"Record {word}", reason="It must stay.")
    )


def _plan_id(world: World) -> int:
    with world.app.app_context(), platform_scope("a plan for a test's form"):
        return int(db.session.scalar(select(Plan.id).order_by(Plan.id).limit(1)))


def _tenant_form(world: World, word: str) -> dict[str, Any]:
    return {
        "name": f"{word} Tutors",
        "slug": word,
        "plan": _plan_id(world),
        "currency": "EUR",
        "timezone": "Europe/Berlin",
        "locale": "en",
        "is_test": True,
    }


SAMPLES: dict[str, Sample] = {
    "tenants": Sample(
        _tenant,
        _tenant_form,
        wrong={"slug": "-no-"},
        actions={
            "suspend": {"reason": "late fees"},
            "invite-manager": {"full_name": "Maja", "email": "maja@people.test"},
        },
    ),
    "domains": Sample(
        _domain,
        lambda world, word: {"tenant": world.anna.id, "host": f"{word}.example", "note": "new"},
        wrong={"host": "not a host"},
    ),
    "plans": Sample(
        _plan,
        lambda _world, word: {"name": f"Plan {word}", "code": word, "max_tutors": 3, "platform_fee_bp": "5"},
        change={"max_tutors": 9},
        wrong={"code": "No Code"},
    ),
    "people": Sample(
        person,
        lambda _world, word: {
            "full_name": f"Person {word}",
            "email": f"{word}@people.test",
            "phone": "+49 30 99",
            "birth_date": "2001-02-03",
            "notes": "Plays the piano.",
        },
        change={"phone": "+49 30 4711"},
        wrong={"email": "nobody"},
    ),
    "invitations": Sample(
        _invitation,
        lambda _world, word: {
            "full_name": f"Person {word}",
            "email": f"{word}@people.test",
            "role": "student",
        },
        wrong={"role": "king"},
    ),
    "memberships": Sample(_membership),
    "guardianships": Sample(
        _guardianship,
        lambda world, _word: {
            "guardian": world.anna.people["guardian"],
            "child": world.anna.people["student"],
        },
        wrong={"child": "77777777"},
    ),
    "roles": Sample(
        _role,
        lambda _world, word: {"name": f"Role {word}", "rights": ["person.read", "person.write"]},
        change={"rights": ["person.read", "invitation.read"]},
        wrong={"rights": ["person.fly"]},
    ),
    "sign-ins": Sample(_session),
    "audit": Sample(_audit),
    "accounts": Sample(_account),
    "deliveries": Sample(_delivery),
    "schedules": Sample(_schedule),
    "sent-mails": Sample(_mail),
    "idempotency-keys": Sample(_key),
    "list-views": Sample(_list_view),
    "bulk-runs": Sample(_bulk_run),
    "bulk-failures": Sample(_bulk_failure),
    **catalog.SAMPLES,
    **payments.SAMPLES,
    **booking.SAMPLES,
    **earnings.SAMPLES,
    **messaging.SAMPLES,
    **notifications.SAMPLES,
}


def with_form() -> Sequence[str]:
    """The entries that can be added to."""
    return [slug for slug in SLUGS if SAMPLES[slug].form is not None]
