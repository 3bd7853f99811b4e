"""The demo's world: its people come in as everybody does, and a second run changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.db import db
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import MANAGER, TUTOR, Membership
from app.domains.accounts.service import people
from app.shell import checks, seed
from tests.domains.accounts.support import second_app
from tests.support.databases import Database, settings_for
from tests.support.world import Browser, drain

STORY = """
    SELECT t.slug, i.email, i.status, m.role_key, p.full_name FROM invitation i
    JOIN tenant t ON t.id = i.tenant_id JOIN person p ON p.id = i.person_id
    JOIN membership m ON m.person_id = p.id AND m.tenant_id = p.tenant_id ORDER BY i.id
"""
EVERYTHING = (
    "tenant",
    "plan",
    "ab_user",
    "person",
    "membership",
    "invitation",
    "offering",
    "lesson",
    "seat",
    "sales_order",
    "message",
    "audit_entry",
    "outbox",
)
TAUGHT = """
    SELECT t.slug, p.full_name, s.status, o.total_minor, o.status FROM seat s
    JOIN tenant t ON t.id = s.tenant_id JOIN person p ON p.id = s.student_id
    JOIN order_line l ON l.id = s.line_id JOIN sales_order o ON o.id = l.order_id ORDER BY s.id
"""


@pytest.fixture
def empty(fresh_database: Database, tmp_path: Path) -> Iterator[Flask]:
    """An application on a database that has its tables and nothing else."""
    with second_app(settings_for(fresh_database, tmp_path)) as made:
        yield made


def contents(database: Database) -> dict[str, int]:
    with database.connect() as connection:
        return {
            table: int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # type: ignore[index]
            for table in EVERYTHING
        }


def test_people_are_invited_and_join(empty: Flask, fresh_database: Database) -> None:
    seed.seed(empty)
    with fresh_database.connect() as connection:
        story = connection.execute(STORY).fetchall()
        verbs = connection.execute("SELECT DISTINCT verb FROM audit_entry WHERE thing_type = 'invitation'")
        assert {verb for (verb,) in verbs} == {"invited", "accepted"}
    assert story == [
        (tenant.slug, f"{role}@{tenant.slug}.test", "accepted", role, name)
        for tenant in seed.TENANTS
        for role, name in zip(tenant.roles, seed.NAMES[tenant.slug], strict=True)
    ]
    for who, url, email, password in seed.logins(empty):
        browser = Browser(empty, re.sub(r"^https?://|/$", "", url))
        assert browser.post("/login/", email=email, password=password).status_code == 302, who
    assert not any(checks.broken_rules(empty).values())
    drain(empty)
    with fresh_database.connect() as connection:
        invited = connection.execute("SELECT count(*) FROM mock_mail WHERE text LIKE '%/invitation/%'")
        assert invited.fetchone() == (0,), "nobody is bothered"


def test_something_has_happened_in_each_company(empty: Flask, fresh_database: Database) -> None:
    """Students, guardians and tutors find something on their first page, and in their calendar and chat."""
    seed.seed(empty)
    with fresh_database.connect() as connection:
        assert connection.execute(TAUGHT).fetchall() == [
            ("lingua", "Mira Aydın", "booked", 0, "paid"),
            ("mathlab", "Zoe Park", "booked", 0, "paid"),
            ("mathlab", "Lily Park", "booked", 0, "paid"),
            ("tokyo-arts", "Yui Tanaka", "booked", 0, "paid"),
        ]
    drain(empty)
    titles = {"lingua": "A first half hour", "mathlab": "Trial lesson", "tokyo-arts": "First strokes"}
    for who, url, email, password in seed.logins(empty):
        role, host = who.split(",")[0], re.sub(r"^https?://|/$", "", url)
        home = {"Student": "/learn/", "Guardian": "/learn/", "Tutor": "/teach/"}.get(role)
        if home is None:
            continue
        browser = Browser(empty, host)
        browser.post("/login/", email=email, password=password)
        assert titles[host.split(".")[0]] in browser.get(home).text, who
        assert browser.get("/messages/").status_code == 200
    with fresh_database.connect() as connection:
        found = connection.execute("SELECT recipient FROM mock_mail WHERE attachments IS NOT NULL").fetchall()
    in_calendars = {recipient for (recipient,) in found}
    assert {"tutor@lingua.test", "student@lingua.test", "guardian@mathlab.test"} <= in_calendars
    assert not any(checks.broken_rules(empty).values())


def test_a_second_run_fills_only_what_is_missing(
    empty: Flask, fresh_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined = people.accept

    def power_cut(*args: object, **named: object) -> object:
        monkeypatch.setattr(people, "accept", joined)
        raise KeyboardInterrupt

    monkeypatch.setattr(people, "accept", power_cut)
    with pytest.raises(KeyboardInterrupt):
        seed.seed(empty)
    seed.seed(empty)
    once = contents(fresh_database)
    assert once["seat"] == len(seed.TENANTS) + 1
    assert once["membership"] == once["invitation"] == sum(len(tenant.roles) for tenant in seed.TENANTS)
    seed.seed(empty)
    assert contents(fresh_database) == once


def test_what_somebody_changed_stays(empty: Flask, fresh_database: Database) -> None:
    seed.seed(empty)
    with fresh_database.connect() as connection:
        (tenant_id,) = connection.execute("SELECT id FROM tenant WHERE slug = 'lingua'").fetchone() or (0,)
        connection.execute("UPDATE tenant SET name = 'Lingua Potsdam' WHERE slug = 'lingua'")
    with empty.app_context(), tenant_scope(tenant_id), transaction():
        tutor = db.session.scalars(select(Membership).where(Membership.role_key == TUTOR)).one()
        people.end_membership(tutor, by_rights=people.rights_of(MANAGER, None))
    seed.seed(empty)
    with fresh_database.connect() as connection:
        kept = "SELECT t.name, m.status FROM tenant t JOIN membership m ON m.tenant_id = t.id"
        found = connection.execute(f"{kept} WHERE t.slug = 'lingua' AND m.role_key = 'tutor'").fetchall()
    assert found == [("Lingua Potsdam", "ended")]
