"""The seven kinds of plain input to which stock Flask-AppBuilder answers 500, on its pages' and API's place."""

from __future__ import annotations

import pytest

from tests.support.golden import assert_golden
from tests.support.world import Browser, World

HUGE = 2**63


def page_statuses(browser: Browser) -> dict[str, int]:
    people = "/admin/people/"

    def add(**data: str) -> int:
        return browser.post(f"{people}add", **data).status_code

    role = {"name": "Front desk", "rights": "person.read"}
    browser.post("/admin/roles/add", **role)
    return {
        "duplicate unique value": browser.post("/admin/roles/add", **role).status_code,
        "NUL byte in a value": add(full_name="a\x00b"),
        "NUL byte in the search": browser.get(f"{people}?q=%00").status_code,
        "integer beyond 64 bit in the path": browser.get(f"{people}{HUGE}").status_code,
        "integer beyond 64 bit in a filter": browser.get(f"/admin/memberships/?person_id={HUGE}").status_code,
        "negative page": browser.get(f"{people}?page=-1").status_code,
        "huge page": browser.get(f"{people}?page={HUGE}").status_code,
        "non-numeric relation filter": browser.get("/admin/memberships/?person_id=x").status_code,
        "q=((((": browser.get(f"{people}?q=((((").status_code,
    }


def api_statuses(world: World) -> dict[str, int]:
    client = world.app.test_client()
    options = {
        "base_url": f"http://{world.anna.host}",
        "headers": {"Authorization": f"Bearer {world.token(world.anna)}"},
    }
    people = "/api/v1/people/"

    def add(path: str, **body: object) -> int:
        answer = client.post(path, json=body, **options)
        assert "Traceback" not in answer.text
        assert "psycopg" not in answer.text
        return answer.status_code

    def get(path: str) -> int:
        return client.get(path, **options).status_code

    role = {"name": "Back office", "rights": ["person.read"]}
    add("/api/v1/roles/", **role)
    return {
        "duplicate unique value": add("/api/v1/roles/", **role),
        "NUL byte in a value": add(people, full_name="a\x00b"),
        "NUL byte in the search": get(f"{people}?q=%00"),
        "integer beyond 64 bit in the path": get(f"{people}{HUGE}"),
        "integer beyond 64 bit in a filter": get(f"/api/v1/memberships/?person_id={HUGE}"),
        "negative page": get(f"{people}?page=-1"),
        "huge page": get(f"{people}?page={HUGE}"),
        "non-numeric relation filter": get("/api/v1/memberships/?person_id=x"),
        "q=((((": get(f"{people}?q=(((("),
    }


def test_each_kind_has_its_own_answer(world: World) -> None:
    pages, api = page_statuses(world.manager()), api_statuses(world)
    table = "".join(f"{kind:<36}page {pages[kind]}  api {api[kind]}\n" for kind in pages)
    assert_golden("plain_input.txt", table)
    assert all(status < 500 for status in (*pages.values(), *api.values()))


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("[" * 100_000, "application/json", 400),
        ('{"full_name": ' + "[" * 50_000 + "]" * 50_000 + "}", "application/json", 400),
        ('{"full_name": "x"', "application/json", 400),
        ('["full_name"]', "application/json", 400),
        ("full_name=x", "text/plain", 415),
        ('{"full_name": "x", "tenant_id": 2}', "application/json", 422),
        ('{"full_name": "' + "x" * 2_000_000 + '"}', "application/json", 413),
        ('{"full_name": NaN}', "application/json", 422),
        ('{"full_name": {"a": 1}}', "application/json", 422),
    ],
)
def test_hostile_bodies_are_refused_in_their_kind(world: World, body: str, kind: str, status: int) -> None:
    answer = world.app.test_client().post(
        "/api/v1/people/",
        data=body,
        content_type=kind,
        base_url=f"http://{world.anna.host}",
        headers={"Authorization": f"Bearer {world.token(world.anna)}"},
    )
    assert answer.status_code == status, answer.text[:300]
    assert answer.mimetype == "application/problem+json"
    assert answer.json["request_id"]
