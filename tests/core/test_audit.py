"""Every change leaves an entry: who, what, before and after, from where. Nobody can change the trail."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
import pytest
from flask import Flask
from sqlalchemy import inspect

from app.core import audit
from app.core.audit import AuditEntry, acting, is_audited
from app.core.db import Model
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Account, Membership, Person, TenantRole
from app.domains.accounts.service import account as accounts
from app.shell.admin import make_registry
from tests.support import entries
from tests.support.databases import Database
from tests.support.world import PASSWORD, Browser, World, drain

ENTRIES = {entry.slug: entry for entry in make_registry().entries}
IP = "203.0.113.77"
NEW_PASSWORD = "another correct horse"
# Plumbing whose every row would be an entry about an entry, and what is its own story: their models say
# AUDITED = False.
PLUMBING = {
    "bulk_failure",
    "bulk_run",
    "import_draft",
    "list_view",
    "conversation",
    "conversation_member",
    "handover_ticket",
    "idempotency_key",
    "ledger_entry",
    "message",
    "mock_mail",
    "notification",
    "occupation",
    "outbox",
    "participation",
    "posting",
    "provider_event",
    "receipt_counter",
    "refresh_token",
    "schedule",
    "throttle",
    "user_session",
}


class Entry(NamedTuple):
    tenant_id: int | None
    actor_kind: str
    actor_user_id: int | None
    actor_label: str
    ip: str | None
    request_id: str
    verb: str
    thing_type: str
    thing_id: int
    thing_label: str
    changes: dict[str, Any]
    reason: str | None
    occurred_at: dt.datetime


@pytest.fixture
def raw(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect() as connection:
        yield connection


def trail(raw: psycopg.Connection[Any], thing: str, since: int = 0) -> list[Entry]:
    """The entries about a kind of thing, oldest first."""
    query = (
        f"SELECT {', '.join(Entry._fields)} FROM audit_entry WHERE thing_type = %s AND id > %s ORDER BY id"
    )
    return [Entry(*row) for row in raw.execute(query, [thing, since])]


def last(raw: psycopg.Connection[Any]) -> int:
    (found,) = raw.execute("SELECT coalesce(max(id), 0) FROM audit_entry").fetchone() or (0,)
    return int(found)


def at(browser: Browser) -> Browser:
    """The same browser, calling from IP."""
    browser.client.environ_base["REMOTE_ADDR"] = IP
    return browser


# -- through every door ------------------------------------------------------------------------------------


def test_the_admin_leaves_who_what_and_from_where(world: World, raw: psycopg.Connection[Any]) -> None:
    manager, start = at(world.manager()), last(raw)
    made = manager.post("/admin/people/add", full_name="Ada", email="ada@anna.test", birth_date="2001-02-03")
    person_id = int(made.location.rsplit("/", 1)[1])
    form = {"full_name": "Ada L", "email": "ada@anna.test", "birth_date": ""}
    changed = manager.post(f"/admin/people/{person_id}/edit", **form)
    deleted = manager.post(f"/admin/people/{person_id}/delete")
    found = trail(raw, "person", start)
    assert [entry.verb for entry in found] == ["created", "changed", "deleted"]
    for entry, answer in zip(found, (made, changed, deleted), strict=True):
        assert entry.tenant_id == world.anna.id
        assert (entry.actor_kind, entry.actor_user_id) == ("user", world.anna.accounts["manager"])
        assert entry.actor_label == "Manager anna <manager@anna.test>"
        assert entry.ip == IP
        assert entry.request_id == answer.headers["X-Request-Id"]
        assert entry.thing_id == person_id
        assert abs(entry.occurred_at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    assert found[0].changes == {
        "full_name": [None, "Ada"],
        "email": [None, "ada@anna.test"],
        "birth_date": [None, "2001-02-03"],
    }
    assert found[1].changes == {"full_name": ["Ada", "Ada L"], "birth_date": ["2001-02-03", None]}
    assert found[2].changes == {"full_name": ["Ada L", None], "email": ["ada@anna.test", None]}
    assert [entry.thing_label for entry in found] == ["Ada", "Ada L", "Ada L"]


def test_the_api_leaves_the_same(world: World, raw: psycopg.Connection[Any]) -> None:
    token, start = world.token(world.anna), last(raw)
    options: dict[str, Any] = {
        "base_url": f"http://{world.anna.host}",
        "headers": {"Authorization": f"Bearer {token}"},
        "environ_base": {"REMOTE_ADDR": IP},
    }
    client = world.app.test_client()
    made = client.post("/api/v1/people/", json={"full_name": "Ada"}, **options)
    assert made.json is not None
    path = f"/api/v1/people/{made.json['id']}"
    changed = client.patch(path, json={"phone": "+49 30 1"}, **options)
    deleted = client.delete(path, **options)
    found = trail(raw, "person", start)
    assert [(entry.verb, entry.changes) for entry in found] == [
        ("created", {"full_name": [None, "Ada"]}),
        ("changed", {"phone": [None, "+49 30 1"]}),
        ("deleted", {"full_name": ["Ada", None], "phone": ["+49 30 1", None]}),
    ]
    for entry, answer in zip(found, (made, changed, deleted), strict=True):
        assert (entry.actor_user_id, entry.ip) == (world.anna.accounts["manager"], IP)
        assert entry.request_id == answer.headers["X-Request-Id"]


def test_a_service_leaves_it_too_and_says_for_whom(
    world: World, app: Flask, raw: psycopg.Connection[Any]
) -> None:
    start = last(raw)
    with app.app_context():
        with tenant_scope(world.anna.id), transaction() as session:
            session.add(Person(full_name="By a job"))
        with (
            acting(audit.Actor("user", 7, "Anna", IP)),
            tenant_scope(world.anna.id),
            transaction() as session,
        ):
            session.add(Person(full_name="For Anna"))
    found = trail(raw, "person", start)
    assert [(e.actor_kind, e.actor_user_id, e.actor_label, e.ip) for e in found] == [
        ("system", None, "WeMaster", None),
        ("user", 7, "Anna", IP),
    ]


@pytest.mark.parametrize("slug", entries.with_form())
def test_every_entry_of_the_admin_leaves_entries_of_the_trail(
    world: World, raw: psycopg.Connection[Any], slug: str
) -> None:
    entry, sample = ENTRIES[slug], entries.SAMPLES[slug]
    assert sample.form is not None
    browser, start = entries.browser(world, entry), last(raw)
    me = {world.operator_id, world.anna.accounts["manager"]}
    made = browser.post(f"{entry.url}/add", **sample.form(world, entries.unique()))
    assert made.status_code == 302, made.text
    row_id = int(made.location.rsplit("/", 1)[1])
    (created,) = [e for e in trail(raw, entry.model.__tablename__, start) if e.thing_id == row_id]
    assert created.changes
    assert all(before is None for before, _after in created.changes.values())
    assert created.actor_user_id in me
    if sample.change:
        form = {**sample.form(world, entries.unique()), **sample.change}
        assert browser.post(f"{entry.url}/{row_id}/edit", **form).status_code == 302
        assert set(sample.change) <= set(trail(raw, entry.model.__tablename__, start)[-1].changes)
    if entry.can_delete:
        assert browser.post(f"{entry.url}/{row_id}/delete").status_code == 302
        gone = trail(raw, entry.model.__tablename__, start)[-1]
        assert (gone.verb, gone.thing_id) == ("deleted", row_id)
        assert all(after is None for _before, after in gone.changes.values())


def test_what_is_not_audited_says_so_itself() -> None:
    silent = {
        mapper.class_.__tablename__
        for mapper in Model.registry.mappers
        if mapper.class_.__module__.startswith("app.") and not is_audited(mapper.class_())
    }
    assert silent - {"audit_entry"} == PLUMBING


def test_an_import_leaves_an_entry_for_each_row(world: World, raw: psycopg.Connection[Any]) -> None:
    manager, start = world.manager(), last(raw)
    file = io.BytesIO(b"full_name,email\nAda,\nBob,bob@anna.test\n")
    seen = manager.post("/admin/people/import", file=(file, "people.csv"))
    assert trail(raw, "person", start) == [], "it was only looked at"
    answer = manager.say_yes("/admin/people/import", seen)
    assert answer.status_code == 302, answer.text
    found = trail(raw, "person", start)
    assert sorted(entry.thing_label for entry in found) == ["Ada", "Bob"]
    assert {entry.request_id for entry in found} == {answer.headers["X-Request-Id"]}


# -- verbs, reasons and what leaves nothing ----------------------------------------------------------------


def test_a_service_names_the_deed_and_its_reason(world: World, raw: psycopg.Connection[Any]) -> None:
    operator, start = world.operator(), last(raw)
    tenant = f"/admin/tenants/{world.anna.id}/do"
    operator.post(f"{tenant}/suspend", reason="unpaid since May")
    operator.post(f"{tenant}/resume")
    found = trail(raw, "tenant", start)
    assert [(entry.verb, entry.reason) for entry in found] == [
        ("suspended", "unpaid since May"),
        ("brought back", None),
    ]
    assert found[0].changes == {
        "status": ["active", "suspended"],
        "status_reason": [None, "unpaid since May"],
    }
    assert {entry.tenant_id for entry in found} == {world.anna.id}, "it stands in the company's own trail"
    assert {entry.actor_user_id for entry in found} == {world.operator_id}


def test_inviting_is_called_so(world: World, raw: psycopg.Connection[Any]) -> None:
    manager, start = world.manager(), last(raw)
    made = manager.post("/admin/invitations/add", full_name="Tom", email="tom@anna.test", role="tutor")
    manager.post(f"{urlsplit(made.location).path}/do/resend")
    manager.post(f"{urlsplit(made.location).path}/do/withdraw")
    verbs = [entry.verb for entry in trail(raw, "invitation", start)]
    assert verbs == ["invited", "invited again", "withdrawn"]


def test_what_was_rolled_back_or_changed_nothing_leaves_nothing(
    world: World, app: Flask, raw: psycopg.Connection[Any]
) -> None:
    manager, start = world.manager(), last(raw)
    person = f"/admin/people/{world.anna.people['student']}"
    assert manager.post(f"{person}/edit", full_name="", email="x").status_code == 422
    same = {"full_name": "Student anna", "email": "student@anna.test"}
    assert manager.post(f"{person}/edit", **same).status_code == 302
    assert manager.post(f"{person}/delete").status_code == 409, "memberships point at it"
    with app.app_context(), pytest.raises(ZeroDivisionError):
        _fail(world)
    assert last(raw) == start


def _fail(world: World) -> None:
    with tenant_scope(world.anna.id), transaction() as session:
        session.add(Person(full_name="Nobody"))
        session.flush()
        raise ZeroDivisionError


def test_a_job_acts_as_the_system_and_names_the_request_behind_it(
    world: World, app: Flask, raw: psycopg.Connection[Any]
) -> None:
    made = world.manager().post(
        "/admin/invitations/add", full_name="Tom", email="tom@anna.test", role="tutor"
    )
    start = last(raw)
    assert drain(app) >= 1
    (sent,) = trail(raw, "invitation", start)
    assert (sent.actor_kind, list(sent.changes)) == ("system", ["sent_at"])
    assert sent.request_id == made.headers["X-Request-Id"]


# -- who acts ----------------------------------------------------------------------------------------------


def test_a_visitor_is_never_taken_for_who_was_served_before(
    world: World, app: Flask, raw: psycopg.Connection[Any]
) -> None:
    """A server's threads serve one after the other; what they remember of the last must be gone."""
    invited = world.manager().post(
        "/admin/invitations/add", full_name="Tom", email="tom@anna.test", role="tutor"
    )
    assert invited.status_code == 302
    drain(app)
    (body,) = raw.execute("SELECT text FROM mock_mail WHERE recipient = 'tom@anna.test'").fetchone() or ("",)
    link = next(word for word in body.split() if "/invitation/" in word)
    visitor, start = at(Browser(app, world.anna.host)), last(raw)
    path = urlsplit(link).path
    token = visitor.csrf(path)
    assert world.manager().get("/admin/people/").status_code == 200  # the same thread serves the manager
    joined = visitor.post_raw(
        path,
        {"full_name": "Tom Tutor", "password": NEW_PASSWORD, "repeat": NEW_PASSWORD, "csrf_token": token},
    )
    assert joined.status_code == 302, joined.text
    found = trail(raw, "ab_user", start) + trail(raw, "membership", start) + trail(raw, "invitation", start)
    assert found
    for entry in found:
        assert entry.actor_user_id is None, entry
        assert (entry.actor_kind, entry.ip) == ("visitor", IP), entry


def test_nobody_acts_between_two_requests(world: World, app: Flask, raw: psycopg.Connection[Any]) -> None:
    world.manager().get("/admin/people/")
    start = last(raw)
    with app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.add(Person(full_name="By nobody's request"))
    assert [entry.actor_kind for entry in trail(raw, "person", start)] == ["system"]


# -- secrets -----------------------------------------------------------------------------------------------


def test_secrets_are_named_and_never_shown(world: World, app: Flask, raw: psycopg.Connection[Any]) -> None:
    manager, start = world.manager(), last(raw)
    changed = manager.post(
        "/account/password",
        page="/account/",
        current=PASSWORD,
        new=NEW_PASSWORD,
        repeat=NEW_PASSWORD,
    )
    assert changed.status_code == 302, changed.text
    (entry,) = trail(raw, "ab_user", start)
    assert entry.verb == "password changed"
    assert entry.changes == {"password": ["•••", "•••"]}
    with app.app_context(), platform_scope("test"), transaction() as session:
        accounts.change_profile(
            session.get(Account, world.operator_id), full_name="Olga O", locale=None, timezone=None
        )
    everything = json.dumps(raw.execute("SELECT to_jsonb(a) FROM audit_entry a").fetchall())
    for secret in (PASSWORD, NEW_PASSWORD, "argon2", "scrypt", "pbkdf2"):
        assert secret not in everything


def test_every_column_that_looks_like_a_secret_is_one() -> None:
    """A model with a password, a token or a hash keeps it out of the trail: SECRETS, bytes, or AUDITED."""
    open_ones = []
    for mapper in Model.registry.mappers:
        cls = mapper.class_
        if not cls.__module__.startswith("app.") or not is_audited(cls()):
            continue
        for column in inspect(cls).column_attrs:
            secret = any(word in column.key for word in ("password", "token", "secret", "hash"))
            if secret and column.key not in getattr(cls, "SECRETS", ()):
                open_ones.append(f"{cls.__name__}.{column.key}")
    assert open_ones == []


# -- append-only -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["wm_app", "wm_platform"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET actor_label = 'somebody else'",
        "UPDATE audit_entry SET changes = '{}'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
        "DROP TABLE audit_entry",
        "ALTER TABLE audit_entry DISABLE ROW LEVEL SECURITY",
    ],
)
def test_the_database_refuses_to_change_the_trail(
    world: World, database: Database, raw: psycopg.Connection[Any], role: str, statement: str
) -> None:
    before = raw.execute("SELECT count(*), max(actor_label) FROM audit_entry").fetchone()
    with database.connect("wm_app") as connection, connection.transaction():
        connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(world.anna.id)])
        if role == "wm_platform":
            connection.execute("SET LOCAL ROLE wm_platform")
        (seen,) = connection.execute("SELECT count(*) FROM audit_entry").fetchone() or (0,)
        assert seen > 0, "the role sees rows that it could change"
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(statement)
    assert raw.execute("SELECT count(*), max(actor_label) FROM audit_entry").fetchone() == before


def test_a_tenant_can_not_write_into_anothers_trail(world: World, database: Database) -> None:
    statement = (
        "INSERT INTO audit_entry (tenant_id, occurred_at, actor_kind, actor_label, request_id, verb,"
        " thing_type, thing_id, thing_label, changes)"
        " VALUES (%s, now(), 'user', 'x', '', 'x', 'person', 1, 'x', '{}')"
    )
    for tenant_id in (world.bert.id, None):
        with database.connect("wm_app") as connection, connection.transaction():
            connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(world.anna.id)])
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(statement, [tenant_id])


def test_the_app_has_no_way_to_change_it_either(world: World, app: Flask) -> None:
    def tamper() -> None:
        with tenant_scope(world.anna.id), transaction() as session:
            entry = session.query(AuditEntry).order_by(AuditEntry.id).first()
            assert entry is not None
            entry.actor_label = "somebody else"

    with app.app_context(), pytest.raises(Exception, match="nothing here") as caught:
        tamper()
    assert caught.value.status == 404  # type: ignore[attr-defined]
    entry = ENTRIES["audit"]
    assert [entry.can_add, entry.can_edit, entry.can_delete, entry.actions] == [False] * 3 + [()]


# -- reading it --------------------------------------------------------------------------------------------


def test_a_records_page_tells_its_story(world: World) -> None:
    manager = world.manager()
    made = manager.post("/admin/people/add", full_name="Ada", phone="+49 1")
    manager.post(f"{made.location}/edit", full_name="Ada Lovelace", phone="+49 2")
    page = manager.get(made.location).text
    for words in ("Manager anna", "Ada Lovelace", "+49 1", "+49 2"):
        assert words in page
    other = manager.get(f"/admin/people/{world.anna.people['guardian']}").text
    assert "Lovelace" not in other


def test_only_who_may_read_the_trail_sees_the_story(world: World) -> None:
    manager = world.manager()
    manager.post("/admin/roles/add", name="Front desk", rights=["person.read", "person.write"])
    made = manager.post("/admin/people/add", full_name="Ada", phone="+49 1")
    manager.post(f"{made.location}/edit", full_name="Ada", phone="+49 2")
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        role = session.query(TenantRole).one()
        member = session.query(Membership).filter_by(role_key="tutor").one()
        member.role_key, member.role_id = None, role.id
    clerk = world.browser(world.anna.host, world.anna.email("tutor"))
    page = clerk.get(made.location)
    assert page.status_code == 200
    assert "+49 2" in page.text
    assert "+49 1" not in page.text
    assert clerk.get("/admin/audit/").status_code == 403


def test_each_reads_what_concerns_them(world: World, app: Flask) -> None:
    world.manager().post("/admin/people/add", full_name="Annas Ada")
    world.manager(world.bert).post("/admin/people/add", full_name="Berts Bob")
    world.operator().post(
        "/admin/plans/add", name="Platform Plan", code="pp", max_tutors=1, platform_fee_bp=5
    )
    annas = world.manager().get("/admin/audit/?q=A").text
    assert "Annas Ada" in annas
    for hidden in ("Berts Bob", "Platform Plan"):
        assert hidden not in world.manager().get(f"/admin/audit/?q={hidden.split()[1]}").text
    everything = world.operator()
    for shown in ("Annas Ada", "Berts Bob", "Platform Plan"):
        assert shown in everything.get(f"/admin/audit/?q={shown.split()[1]}").text


def test_a_tenant_sees_the_operators_visit_and_what_was_done_on_it(
    world: World, raw: psycopg.Connection[Any]
) -> None:
    start = last(raw)
    operator = at(world.operator())
    place = f"http://localhost:8000{operator.post(f'/admin/tenants/{world.anna.id}/do/open').location}"
    for _step in range(4):
        parts = urlsplit(place)
        answer = operator.client.get(
            f"{parts.path}?{parts.query}", base_url=f"{parts.scheme}://{parts.netloc}"
        )
        assert answer.status_code == 302, answer.text
        place = answer.location
    inside = Browser(world.app, world.anna.host)
    inside.client = operator.client
    assert inside.post("/admin/people/add", full_name="By the operator").status_code == 302
    (visit,) = trail(raw, "tenant", start)
    assert visit.verb == "opened by an operator"
    (deed,) = trail(raw, "person", start)
    for entry in (visit, deed):
        assert entry.tenant_id == world.anna.id
        assert (entry.actor_user_id, entry.ip) == (world.operator_id, IP)
        assert "operator@wemaster.test" in entry.actor_label
    page = world.manager().get("/admin/audit/").text
    assert "Olga Operator" in page
    assert "By the operator" in page
    assert "Olga Operator" not in world.manager(world.bert).get("/admin/audit/").text


# -- what operators do to plumbing -------------------------------------------------------------------------


def test_trying_a_delivery_again_leaves_an_entry(world: World, raw: psycopg.Connection[Any]) -> None:
    (row_id,) = entries.make(world, ENTRIES["deliveries"])
    start = last(raw)
    assert world.operator().post(f"/admin/deliveries/{row_id}/do/retry").status_code == 302
    (entry,) = trail(raw, "outbox", start)
    assert (entry.thing_id, entry.actor_user_id) == (row_id, world.operator_id)


def test_signing_somebody_out_leaves_an_entry(world: World, raw: psycopg.Connection[Any]) -> None:
    world.browser(world.anna.host, world.anna.email("tutor"))
    query = "SELECT id FROM user_session WHERE user_id = %s"
    (session_id,) = raw.execute(query, [world.anna.accounts["tutor"]]).fetchone() or (0,)
    start = last(raw)
    assert world.manager().post(f"/admin/sign-ins/{session_id}/do/end").status_code == 302
    (entry,) = trail(raw, "user_session", start)
    assert (entry.thing_id, entry.tenant_id) == (session_id, world.anna.id)
    assert entry.actor_user_id == world.anna.accounts["manager"]
