"""An operator's page of a company: what can be put right, and who runs it."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.domains.accounts.support import rows, run
from tests.support.databases import Database
from tests.support.world import PASSWORD, PLATFORM, World, make_company

STORED = "SELECT name, timezone, locale, is_test, slug, currency, plan_id FROM tenant WHERE id = %s"
PRIMARY = 'class="btn btn-primary" href="/admin/tenants/{}/do/invite-manager"'


def plan_id(database: Database, max_tutors: int | None) -> int:
    run(database, "INSERT INTO plan (code, name, max_tutors, created_at, changed_at)"
        " VALUES ('other', 'Other', %s, now(), now())", max_tutors)  # fmt: skip
    return int(rows(database, "SELECT id FROM plan WHERE code = 'other'")[0][0])


def edit(world: World, **changes: Any) -> TestResponse:
    path = f"/admin/tenants/{world.anna.id}/edit"
    form = {"name": "Anna Tutors", "timezone": "Europe/Berlin", "locale": "en", **changes}
    return world.operator().post(path, **form)


def test_an_operator_puts_right_what_was_said_of_a_company(world: World, database: Database) -> None:
    plan = plan_id(database, None)
    answer = edit(world, name="Anna's School", timezone="Europe/Oslo", locale="de", is_test="y", plan=plan)
    assert answer.status_code == 302, answer.text
    assert rows(database, STORED, world.anna.id) == [
        ("Anna's School", "Europe/Oslo", "de", True, "anna", "EUR", plan)
    ]
    page = world.manager().get("/admin/", headers={"Accept-Language": "en"}).text
    assert "Anna&#39;s School" in page, "from the next request on"
    assert "Test mode" in page


def test_address_and_currency_stay_and_the_help_says_why(world: World, database: Database) -> None:
    [before] = rows(database, STORED, world.anna.id)
    edit(world, plan=before[-1], slug="another", currency="USD")
    assert rows(database, STORED, world.anna.id) == [before]
    page = world.operator().get(f"/admin/tenants/{world.anna.id}/edit").text
    assert 'name="slug"' not in page
    assert 'name="currency"' not in page
    assert "mailed links lead to the one, and its books are kept in the other" in page


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"name": "  "}, "Please"),
        ({"timezone": "Mars/Olympus"}, "Not a valid choice"),
        ({"locale": "xx"}, "Not a valid choice"),
        ({"plan": "999999"}, ""),
    ],
)
def test_what_makes_no_sense_is_refused(
    world: World, database: Database, changes: dict[str, str], word: str
) -> None:
    [before] = rows(database, STORED, world.anna.id)
    answer = edit(world, **{"plan": before[-1], **changes})
    assert answer.status_code == 422
    assert word in answer.text
    assert rows(database, STORED, world.anna.id) == [before]


def test_a_plan_must_have_room_for_the_tutors_there_are(world: World, database: Database) -> None:
    [before] = rows(database, STORED, world.anna.id)
    manager = world.manager()
    assert manager.post(
        "/admin/invitations/add", full_name="Second", email="second@mail.test", role="tutor"
    ).status_code == 302  # fmt: skip
    small = plan_id(database, 1)
    refused = edit(world, plan=small)
    assert refused.status_code == 409
    assert "room for fewer tutors than the company has" in refused.text
    assert rows(database, STORED, world.anna.id) == [before]
    run(database, "UPDATE plan SET max_tutors = 2 WHERE id = %s", small)
    assert edit(world, plan=small).status_code == 302


def test_a_closed_company_is_not_changed(world: World, database: Database) -> None:
    run(database, "UPDATE tenant SET status = 'closed' WHERE id = %s", world.bert.id)
    operator = world.operator()
    assert "/edit" not in operator.get(f"/admin/tenants/{world.bert.id}").text
    assert operator.get(f"/admin/tenants/{world.bert.id}/edit").status_code == 404


def test_the_api_changes_some_of_it(world: World, database: Database) -> None:
    [before] = rows(database, STORED, world.anna.id)
    client, base = world.app.test_client(), f"http://{PLATFORM}"
    given = {"email": "operator@wemaster.test", "password": PASSWORD}
    token = client.post("/api/v1/auth/token", json=given, base_url=base).json["access_token"]
    answer = client.patch(
        f"/api/v1/tenants/{world.anna.id}",
        json={"is_test": True},
        base_url=base,
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200, answer.text
    assert rows(database, STORED, world.anna.id) == [(*before[:3], True, *before[4:])]


# -- Who runs it -------------------------------------------------------------------------------------------


def test_a_new_company_is_told_its_address_and_asked_for_its_manager(
    world: World, database: Database
) -> None:
    operator = world.operator()
    [(plan,)] = rows(database, "SELECT min(id) FROM plan")
    form = {"name": "Fjord", "slug": "fjord", "plan": plan, "currency": "NOK"}
    answer = operator.post("/admin/tenants/add", timezone="Europe/Oslo", locale="en", **form)
    assert answer.status_code == 302, answer.text
    page = operator.get(answer.location).text
    assert "Fjord was added. Its address is fjord.localhost. Next: invite its manager." in page
    assert 'href="http://fjord.localhost:8000/"' in page
    assert "Nobody yet" in page
    tenant_id = int(answer.location.rsplit("/", 1)[-1])
    assert PRIMARY.format(tenant_id) in page
    invited = operator.post(
        f"/admin/tenants/{tenant_id}/do/invite-manager", full_name="Mia", email="mia@mail.test"
    )
    assert invited.status_code == 302
    page = operator.get(f"/admin/tenants/{tenant_id}").text
    assert "mia@mail.test, until " in page
    assert PRIMARY.format(tenant_id) not in page
    run(database, "UPDATE invitation SET expires_at = now() - interval '1 minute'")
    page = operator.get(f"/admin/tenants/{tenant_id}").text
    assert "mia@mail.test, expired on " in page
    assert PRIMARY.format(tenant_id) in page


def test_the_page_names_this_companys_managers_only(world: World) -> None:
    with world.app.app_context():
        empty = make_company("carl", roles=("tutor",))
    operator = world.operator()
    page = operator.get(f"/admin/tenants/{world.anna.id}").text
    assert "Manager anna &lt;manager@anna.test&gt;" in page
    assert "bert.test" not in page
    assert "tutor@anna.test" not in page
    assert PRIMARY.format(world.anna.id) not in page
    page = operator.get(f"/admin/tenants/{empty.id}").text
    assert "Nobody yet" in page
    assert PRIMARY.format(empty.id) in page
