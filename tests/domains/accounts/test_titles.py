"""What records are called: words in the reader's language and zone, in titles, trails and the API."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.domains.accounts.models import TENANT_ROLES
from tests.domains.accounts.support import front_desk, rows, run
from tests.support.databases import Database
from tests.support.world import World

NEWEST = "SELECT max(id) FROM user_session WHERE user_id = %s"
TRAIL = "SELECT verb, actor_label, thing_label, tenant_id FROM audit_entry WHERE thing_type = 'user_session'"


def api(world: World, path: str) -> Any:
    headers = {"Authorization": f"Bearer {world.token(world.anna)}"}
    answer = world.app.test_client().get(
        f"/api/v1/{path}", base_url=f"http://{world.anna.host}", headers=headers
    )
    assert answer.status_code == 200, answer.text
    return answer.json["result"]


@pytest.mark.parametrize(("language", "role"), [("en", "Student"), ("de", "Schüler")])
def test_a_membership_is_called_by_person_and_role(world: World, language: str, role: str) -> None:
    path = f"/admin/memberships/{world.anna.memberships['student']}"
    page = world.manager().get(path, headers={"Accept-Language": language}).text
    assert re.findall(r"<h1>(.*?)</h1>", page) == [f"Student anna, {role}"]


def test_a_sign_in_is_called_by_kind_and_local_time(world: World, database: Database) -> None:
    manager = world.manager()
    [(pk,)] = rows(database, NEWEST, world.anna.accounts["manager"])
    run(database, "UPDATE user_session SET created_at = '2026-11-22 17:04:59+00' WHERE id = %s", pk)
    page = manager.get(f"/admin/sign-ins/{pk}").text
    [heading] = re.findall(r"<h1>(.*?)</h1>", page)
    assert (
        heading.replace("\u202f", " ") == "Browser, Nov 22, 2026, 6:04 PM"
    )  # the company's zone is Berlin's
    run(database, "UPDATE ab_user SET timezone = 'Asia/Tokyo' WHERE email = 'manager@anna.test'")
    assert "Nov 23, 2026, 2:04" in manager.get(f"/admin/sign-ins/{pk}").text


@pytest.mark.parametrize("bulk", [False, True])
def test_the_trail_says_who_ended_whose_sign_in(world: World, database: Database, bulk: bool) -> None:
    world.browser(world.anna.host, "tutor@anna.test")
    manager = world.manager()
    [(pk,)] = rows(database, NEWEST, world.anna.accounts["tutor"])
    if bulk:
        form = {"id": [pk], "csrf_token": manager.csrf(f"/admin/sign-ins/do/end?id={pk}")}
        assert manager.post_raw("/admin/sign-ins/do/end", form).status_code == 302
    else:
        assert manager.post(f"/admin/sign-ins/{pk}/do/end").status_code == 302
    by = "Manager anna <manager@anna.test>"
    assert rows(database, TRAIL) == [("signed out", by, "tutor@anna.test", world.anna.id)]
    trail = manager.get("/admin/audit/").text
    assert "tutor@anna.test" in trail
    assert "signed this device out" in trail


def test_an_operators_ending_stands_in_the_companys_trail(world: World, database: Database) -> None:
    world.browser(world.anna.host, "tutor@anna.test")
    [(pk,)] = rows(database, NEWEST, world.anna.accounts["tutor"])
    assert world.operator().post(f"/admin/sign-ins/{pk}/do/end").status_code == 302
    by = "Olga Operator <operator@wemaster.test>"
    assert rows(database, TRAIL) == [("signed out", by, "tutor@anna.test", world.anna.id)]


def test_an_entry_of_the_trail_is_called_in_words(world: World, database: Database) -> None:
    manager = world.manager()
    assert manager.post("/admin/people/add", full_name="Ruth Klein").status_code == 302
    [(pk,)] = rows(database, "SELECT max(id) FROM audit_entry")
    [heading] = re.findall(r"<h1>(.*?)</h1>", manager.get(f"/admin/audit/{pk}").text)
    assert heading == "Manager anna &lt;manager@anna.test&gt; created this: Ruth Klein"


def test_the_api_gives_roles_with_their_labels(world: World, database: Database) -> None:
    front_desk(world, world.anna, "person.read", "person.write", "invitation.read")
    found = {row["role_label"]: row["role_key"] for row in api(world, "memberships/")}
    assert found == {**{role.capitalize(): role for role in TENANT_ROLES}, "Front desk": None}
    [role] = api(world, "roles/")
    assert role["rights"] == ["invitation.read", "person.read", "person.write"]
    assert role["rights_labels"] == ["People (Read, Write)", "Invitations (Read)"]
