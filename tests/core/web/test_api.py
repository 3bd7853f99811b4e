"""The JSON API of every entry: bearer tokens only, the same rules as the pages, every refusal a problem."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import inspect
from werkzeug.test import TestResponse

from app.core.rights import PLATFORM as PLATFORM_SURFACE
from app.core.rights import TENANT
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.core.web.api_view import api_columns
from app.core.web.entry import AdminEntry
from app.domains.accounts.models import Membership, Person, TenantRole
from app.shell.admin import make_registry
from tests.support.entries import (
    SAMPLES,
    count_of,
    make,
    operator_token,
    stored,
    token,
    unique,
    with_form,
)
from tests.support.world import PLATFORM, World

ENTRIES = {entry.slug: entry for entry in make_registry().entries if entry.has_api}
PERSON = ENTRIES["people"]
WRITABLE = [slug for slug in with_form() if slug in ENTRIES]


@dataclass
class Caller:
    """An app with a token on one host."""

    world: World
    host: str
    bearer: str | None

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> TestResponse:
        headers = {**options.pop("headers", {})}
        if self.bearer:
            headers["Authorization"] = f"Bearer {self.bearer}"
        if body is not None:
            options["json"] = body
        client = self.world.app.test_client()
        url = f"http://{self.host}"
        return client.open(f"/api/v1/{path}", method=method, base_url=url, headers=headers, **options)


def caller(world: World, entry: AdminEntry) -> Caller:
    return Caller(world, *token(world, entry))


def problem(response: TestResponse, status: int, code: str | None = None) -> dict[str, Any]:
    """The problem of a refusal (RFC 9457), which must be one."""
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    body: dict[str, Any] = response.json
    assert body["status"] == status
    assert body["type"] == f"urn:wemaster:{body['code']}"
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == response.headers["X-Request-Id"]
    if code:
        assert body["code"] == code
    return body


def fields(body: dict[str, Any]) -> set[str]:
    return {error["field"] for error in body["errors"]}


# -- Every entry -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", ENTRIES)
def test_reading_each_entry(world: World, slug: str) -> None:
    entry, call = ENTRIES[slug], caller(world, ENTRIES[slug])
    pks = make(world, entry, 3)
    page = call("GET", f"{slug}/?size=2")
    assert page.status_code == 200, page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert page.json.keys() == {"count", "page", "size", "result"}
    assert len(page.json["result"]) == 2
    assert page.json["count"] == count_of(world, entry) or TENANT in entry.surfaces
    assert set(page.json["result"][0]) == {"id", *api_columns(entry)}
    one = call("GET", f"{slug}/{pks[0]}")
    assert one.status_code == 200
    assert one.json["id"] == pks[0]
    assert set(one.json) == {"id", *api_columns(entry)}
    problem(call("GET", f"{slug}/7777777"), 404, "not_found")
    problem(call("GET", f"{slug}/{2**63}"), 404)
    problem(call("GET", f"{slug}/x"), 404)
    problem(call("GET", f"{slug}/?sort=nothing"), 400, "bad_query")
    problem(call("GET", f"{slug}/?page=0"), 400, "bad_query")
    problem(call("PUT", f"{slug}/"), 405)
    # What the entry does not offer is not there.
    if not entry.can_add:
        problem(call("POST", f"{slug}/", {}), 403 if "write" not in entry.verbs else 404)
    if not entry.can_edit:
        problem(call("PATCH", f"{slug}/{pks[0]}", {}), 403 if "write" not in entry.verbs else 404)
    if not entry.can_delete:
        problem(call("DELETE", f"{slug}/{pks[0]}"), 403 if "write" not in entry.verbs else 404)
    problem(call("POST", f"{slug}/{pks[0]}/fly"), 404)


@pytest.mark.parametrize("slug", WRITABLE)
def test_writing_each_entry(world: World, slug: str) -> None:
    entry, sample, call = ENTRIES[slug], SAMPLES[slug], caller(world, ENTRIES[slug])
    assert sample.form
    assert sample.wrong
    form, before = sample.form(world, unique()), count_of(world, entry)

    (wrong_name, _wrong), *_ = sample.wrong.items()
    body = problem(call("POST", f"{slug}/", {**form, **sample.wrong}), 422)
    assert wrong_name == body.get("field") or wrong_name in fields(body)
    missing = problem(call("POST", f"{slug}/", {}), 422, "invalid")
    assert fields(missing) <= set(entry.form)
    assert fields(missing)
    assert count_of(world, entry) == before

    made = call("POST", f"{slug}/", form)
    assert made.status_code == 201, made.text
    pk = made.json["id"]
    assert call("GET", f"{slug}/{pk}").json == made.json
    assert count_of(world, entry) == before + 1
    if entry.can_edit and sample.change:
        full = {name: form[name] for name in entry.edit_form or ()}
        put = call("PUT", f"{slug}/{pk}", {**full, **sample.change})
        assert put.status_code == 200, put.text
        row = stored(world, entry, pk)
        patch = call("PATCH", f"{slug}/{pk}", {})
        assert patch.status_code == 200
        assert {**(stored(world, entry, pk) or {}), "changed_at": 0} == {**(row or {}), "changed_at": 0}
        for name, value in sample.change.items():
            assert (row or {})[name] == (sorted(value) if isinstance(value, list) else value)
    if entry.can_delete:
        assert call("DELETE", f"{slug}/{pk}").status_code == 204
        problem(call("GET", f"{slug}/{pk}"), 404)
        problem(call("DELETE", f"{slug}/{pk}"), 404)


@pytest.mark.parametrize("slug", [slug for slug, entry in ENTRIES.items() if entry.actions])
def test_the_actions_of_each_entry(world: World, slug: str) -> None:
    from app.core.db import db
    from app.core.scope import platform_scope

    entry, call = ENTRIES[slug], caller(world, ENTRIES[slug])
    for action in entry.actions:
        pk = make(world, entry)[0]
        with world.app.app_context(), platform_scope("what a test has to see"):
            fits = action.when(db.session.get_one(entry.model, pk))
        path, before = f"{slug}/{pk}/{action.name}", stored(world, entry, pk)
        if action.leaves:
            problem(call("POST", path, {}), 404)
        elif fits:
            if action.form:
                assert fields(problem(call("POST", path, {}), 422))
                assert stored(world, entry, pk) == before
            done = call("POST", path, SAMPLES[slug].actions.get(action.name, {}))
            assert done.status_code == 200, done.text
            assert done.json == call("GET", f"{slug}/{pk}").json, "as it is then"
        else:
            problem(call("POST", path, SAMPLES[slug].actions.get(action.name, {})), 409)
            assert stored(world, entry, pk) == before
        assert call("GET", path).status_code == 405


# -- Who may -----------------------------------------------------------------------------------------------


def test_without_a_token_nothing_is_said(world: World) -> None:
    wrong = (
        "",
        "Bearer",
        "Bearer x",
        "Basic eDp5",
        "Bearer " + "a" * 5000,
        f"Bearer {world.token(world.bert)}",
    )
    nobody = Caller(world, world.anna.host, None)
    for method, path in (
        ("GET", "people/"),
        ("GET", "people/1"),
        ("POST", "people/"),
        ("DELETE", "people/1"),
    ):
        for header in wrong:
            response = nobody(method, path, headers={"Authorization": header})
            problem(response, 401, "sign_in_needed")
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert "Set-Cookie" not in response.headers


def test_a_cookie_is_no_token(world: World) -> None:
    manager = world.manager()
    response = manager.client.post(
        "/api/v1/people/", json={"full_name": "Ridden"}, base_url=manager.base, headers={"Accept": "*/*"}
    )
    problem(response, 401)
    problem(manager.client.get("/api/v1/people/", base_url=manager.base), 401)


def test_platform_entries_are_not_there_on_a_companys_host(world: World) -> None:
    call = Caller(world, world.anna.host, world.token(world.anna))
    platform = [e for e in ENTRIES.values() if TENANT not in e.surfaces]
    assert len(platform) > 4
    for entry in platform:
        pk = make(world, entry)[0]
        for method, path in (
            ("GET", ""),
            ("GET", f"{pk}"),
            ("POST", ""),
            ("PATCH", f"{pk}"),
            ("DELETE", f"{pk}"),
        ):
            problem(call(method, f"{entry.slug}/{path}", {} if method in {"POST", "PATCH"} else None), 404)
    operator = Caller(world, PLATFORM, operator_token(world))
    for entry in ENTRIES.values():
        if PLATFORM_SURFACE not in entry.surfaces:
            problem(operator("GET", f"{entry.slug}/"), 404)


def test_rights_per_role(world: World) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        role = TenantRole(name="Reader", rights=["person.read", "membership.read"])
        session.add(role)
        session.flush()
        member = session.get_one(Membership, world.anna.memberships["student"])
        member.role_key, member.role_id = None, role.id
    reader = Caller(world, world.anna.host, world.token(world.anna, "student"))
    pk = make(world, PERSON)[0]
    assert reader("GET", "people/").status_code == 200
    assert reader("GET", f"people/{pk}").status_code == 200
    before, count = stored(world, PERSON, pk), count_of(world, PERSON)
    problem(reader("POST", "people/", {"full_name": "X"}), 403, "not_allowed")
    problem(reader("PUT", f"people/{pk}", {"full_name": "X"}), 403)
    problem(reader("PATCH", f"people/{pk}", {"full_name": "X"}), 403)
    problem(reader("DELETE", f"people/{pk}"), 403)
    problem(reader("POST", f"memberships/{world.anna.memberships['tutor']}/end", {}), 403)
    problem(reader("GET", "roles/"), 403)
    assert stored(world, PERSON, pk) == before
    assert count_of(world, PERSON) == count
    tutor = Caller(world, world.anna.host, world.token(world.anna, "tutor"))
    for entry in (e for e in ENTRIES.values() if TENANT in e.surfaces):
        problem(tutor("GET", f"{entry.slug}/"), 403)


def test_another_companys_rows_are_not_there(world: World) -> None:
    call, foreign = Caller(world, world.anna.host, world.token(world.anna)), world.bert.people["tutor"]
    before = stored(world, PERSON, foreign)
    for method, body in (
        ("GET", None),
        ("PATCH", {"notes": "x"}),
        ("PUT", {"full_name": "x"}),
        ("DELETE", None),
    ):
        problem(call(method, f"people/{foreign}", body), 404)
    assert stored(world, PERSON, foreign) == before
    body = {"guardian": foreign, "child": world.anna.people["student"]}
    assert fields(problem(call("POST", "guardianships/", body), 422)) == {"guardian"}


# -- Lists -------------------------------------------------------------------------------------------------


def test_lists_take_the_arguments_of_the_pages(world: World) -> None:
    call = Caller(world, world.anna.host, world.token(world.anna))
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.add_all(Person(full_name=f"Zzz {n:03}") for n in range(130))
    page = call("GET", "people/?q=zzz&sort=-full_name&size=10&page=2").json
    assert [row["full_name"] for row in page["result"]] == [f"Zzz {n:03}" for n in range(119, 109, -1)]
    assert (page["count"], page["page"], page["size"]) == (130, 2, 10)
    assert call("GET", "people/?q=zzz&page=99").json["result"] == []
    capped = call("GET", "people/?size=5000").json
    assert (capped["size"], len(capped["result"])) == (100, 100)
    for query in ("size=-1", "size=0", "size=1000000", "page=-1", "notes=x", "q=%00", "nonsense=1"):
        problem(call("GET", f"people/?{query}"), 400, "bad_query")


# -- Bodies ------------------------------------------------------------------------------------------------


def test_patch_changes_only_what_is_given(world: World) -> None:
    call = Caller(world, world.anna.host, world.token(world.anna))
    pk = make(world, PERSON)[0]
    before = stored(world, PERSON, pk)
    assert before
    assert call("PATCH", f"people/{pk}", {"phone": "4711"}).status_code == 200
    after = stored(world, PERSON, pk)
    assert after
    assert {name for name in after if after[name] != before[name]} == {"phone", "changed_at"}
    assert call("PATCH", f"people/{pk}", {"phone": None}).json["phone"] is None
    assert fields(problem(call("PATCH", f"people/{pk}", {"full_name": None}), 422)) == {"full_name"}
    put = call("PUT", f"people/{pk}", {"full_name": "Put"})
    assert put.status_code == 200
    assert put.json["email"] is None, "PUT gives all members"
    assert fields(problem(call("PUT", f"people/{pk}", {"phone": "1"}), 422)) == {"full_name"}


def test_values_of_the_wrong_kind_are_refused(world: World) -> None:
    call = Caller(world, world.anna.host, world.token(world.anna))
    count = count_of(world, PERSON)
    wrong: tuple[tuple[str, Any], ...] = (
        ("full_name", True),
        ("full_name", 5),
        ("full_name", ["Ada"]),
        ("full_name", {"a": 1}),
        ("full_name", ""),
        ("full_name", "  "),
        ("full_name", "a\x00b"),
        ("full_name", "\ud800"),
        ("full_name", "x" * 121),
        ("email", "nobody"),
        ("email", 1.5),
        ("birth_date", "31.12.2001"),
        ("birth_date", 20010203),
        ("birth_date", "0000-00-00"),
        ("notes", "x" * 20_001),
        ("notes", "\udfff"),
    )
    for name, value in wrong:
        # The client's own JSON would refuse half a surrogate pair, so the text is made here.
        text = json.dumps({"full_name": "Ada", name: value})
        response = call("POST", "people/", data=text, content_type="application/json")
        body = problem(response, 422)
        assert name == body.get("field") or name in fields(body), (name, value)
    roles: tuple[Any, ...] = (
        "person.read",
        [1],
        [["person.read"]],
        {"person.read": True},
        ["person.fly"],
        True,
    )
    for rights in roles:
        problem(call("POST", "roles/", {"name": "R", "rights": rights}), 422)
    assert problem(call("POST", "roles/", {"name": "R", "rights": []}), 422)["field"] == "rights"
    assert call("POST", "roles/", {"name": "R", "rights": ["person.read"]}).status_code == 201
    assert count_of(world, PERSON) == count


def test_numbers_and_choices(world: World) -> None:
    call, entry = Caller(world, PLATFORM, operator_token(world)), ENTRIES["plans"]
    count, plan = count_of(world, entry), {"name": "Plan", "code": "plan", "platform_fee_bp": "5"}
    for value in (
        2**31,
        -(2**31) - 1,
        10**400,
        1.5,
        1e308,
        True,
        "x",
        [3],
        float("nan"),
        float("inf"),
        -1,
        0,
    ):
        text = json.dumps({**plan, "max_tutors": value})
        body = problem(call("POST", "plans/", data=text, content_type="application/json"), 422)
        assert body.get("field") == "max_tutors" or fields(body) == {"max_tutors"}, value
    assert count_of(world, entry) == count
    made = call("POST", "plans/", {**plan, "max_tutors": 3})
    assert made.json["max_tutors"] == 3
    form = SAMPLES["tenants"].form(world, unique())  # type: ignore[misc]
    for name, value in (("plan", 0), ("plan", -1), ("plan", "studio"), ("plan", True), ("currency", "XXX")):
        body = problem(call("POST", "tenants/", {**form, name: value}), 422)
        assert body.get("field") == name or fields(body) == {name}, (name, value)
    assert call("POST", "tenants/", {**form, "is_test": True}).json["is_test"] is True
    problem(call("POST", "tenants/", {**form, "is_test": "yes"}), 422)


def test_bodies_that_are_no_object_are_refused(world: World) -> None:
    call = Caller(world, world.anna.host, world.token(world.anna))
    count = count_of(world, PERSON)
    for text in ("", "x", "[]", "null", "1", '"x"', "{", '{"a":', "[" * 100_000, "\xff", "1" * 5000):
        problem(call("POST", "people/", data=text, content_type="application/json"), 400, "bad_body")
    problem(call("POST", "people/", data=b"\xff\xfe{", content_type="application/json"), 400)
    problem(call("POST", "people/", data="full_name=x", content_type="text/plain"), 415)
    problem(call("POST", "people/", data={"full_name": "x"}), 415)
    large = json.dumps({"full_name": "x", "notes": "y" * (1024 * 1024)})
    problem(call("POST", "people/", data=large, content_type="application/json"), 413, "too_large")
    assert count_of(world, PERSON) == count


@pytest.mark.parametrize("slug", WRITABLE)
def test_members_that_are_not_of_the_form_are_refused(world: World, slug: str) -> None:
    """tenant_id, status, id, created_at and all other columns: 422 and nothing is written."""
    entry, sample, call = ENTRIES[slug], SAMPLES[slug], caller(world, ENTRIES[slug])
    assert sample.form
    form, pk = sample.form(world, unique()), make(world, entry)[0]
    before, count = stored(world, entry, pk), count_of(world, entry)
    columns = {*inspect(entry.model).columns.keys(), "tenant_id", "csrf_token", "form_key", "__class__"}
    for name in columns - set(entry.form):
        body = problem(call("POST", f"{slug}/", {**form, name: 1}), 422, "unknown_member")
        assert body["field"] == name
    if entry.can_edit:
        for name in columns - set(entry.edit_form or ()):
            problem(call("PATCH", f"{slug}/{pk}", {name: 1}), 422, "unknown_member")
    assert stored(world, entry, pk) == before
    assert count_of(world, entry) == count


def test_conflicts_name_their_member(world: World) -> None:
    call = Caller(world, PLATFORM, operator_token(world))
    body = {"name": "Plan", "code": "plan", "platform_fee_bp": "5"}
    assert call("POST", "plans/", body).status_code == 201
    assert problem(call("POST", "plans/", body), 409)["field"] == "code"
    call = Caller(world, world.anna.host, world.token(world.anna))
    problem(call("DELETE", f"people/{world.anna.people['tutor']}"), 409, "in_use")


# -- Idempotency -------------------------------------------------------------------------------------------


def test_the_same_key_does_it_once(world: World) -> None:
    call, count = Caller(world, world.anna.host, world.token(world.anna)), count_of(world, PERSON)
    key = {"Idempotency-Key": "order-1"}
    first = call("POST", "people/", {"full_name": "Once"}, headers=key)
    again = call("POST", "people/", {"full_name": "Once"}, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json == again.json
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    problem(call("POST", "people/", {"full_name": "Other"}, headers=key), 422, "idempotency_key_reused")
    assert count_of(world, PERSON) == count + 1
    bert = Caller(world, world.bert.host, world.token(world.bert))
    assert bert("POST", "people/", {"full_name": "Once"}, headers=key).json["id"] != first.json["id"]
    for text in ("", "x" * 201, "a\tb"):
        problem(call("POST", "people/", {"full_name": "X"}, headers={"Idempotency-Key": text}), 422)


def test_a_refused_request_may_try_again_with_its_key(world: World) -> None:
    call, key = Caller(world, world.anna.host, world.token(world.anna)), {"Idempotency-Key": "order-2"}
    problem(call("POST", "people/", {"full_name": ""}, headers=key), 422)
    assert call("POST", "people/", {"full_name": "Now"}, headers=key).status_code == 201


def test_an_action_with_the_same_key_is_no_conflict(world: World) -> None:
    call, pk = Caller(world, world.anna.host, world.token(world.anna)), world.anna.memberships["tutor"]
    key = {"Idempotency-Key": "end-1"}
    first = call("POST", f"memberships/{pk}/end", {}, headers=key)
    again = call("POST", f"memberships/{pk}/end", {}, headers=key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json == again.json
    assert again.headers["Idempotent-Replayed"] == "true"
    problem(call("POST", f"memberships/{pk}/end", {}), 409)
