"""Writing through the admin's pages: what is wrong is said at its field, and nothing is saved by half."""

from __future__ import annotations

import datetime as dt
import re
import threading
from html import unescape
from typing import Any

import pytest
from sqlalchemy import Boolean, DateTime, Integer, inspect, select

from app.core import clock
from app.core.audit import AuditEntry
from app.core.db import db
from app.core.errors import Conflict
from app.core.rights import TENANT, catalogue
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.core.web.entry import AdminEntry
from app.domains.accounts.admin import PersonEntry
from app.domains.accounts.models import ENDED, Membership, TenantRole
from app.domains.tenancy.models import Tenant
from app.shell.admin import make_registry
from tests.support.entries import SAMPLES, browser, count_of, make, stored, unique, with_form
from tests.support.world import PLATFORM, Browser, World, password_hash

ENTRIES = {entry.slug: entry for entry in make_registry().entries}
PERSON = ENTRIES["people"]
_KEY = re.compile(r'name="form_key" value="([^"]+)"')


def error_at(text: str, field: str) -> str:
    """What the page says is wrong with a field."""
    found = re.search(rf'id="{field}-error">.*?<span>(.*?)</span>', text, re.DOTALL)
    return unescape(found.group(1)).strip() if found else ""


def new_id(location: str) -> int:
    found = re.search(r"/(\d+)$", location)
    assert found, location
    return int(found.group(1))


def add(somebody: Browser, entry: AdminEntry, form: dict[str, Any]) -> Any:
    return somebody.post(f"{entry.url}/add", **form)


# -- Add and edit ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", with_form())
def test_add_edit_and_delete_each_entry(world: World, slug: str) -> None:
    entry, sample, somebody = ENTRIES[slug], SAMPLES[slug], browser(world, ENTRIES[slug])
    assert sample.form
    assert sample.wrong
    form, before = sample.form(world, unique()), count_of(world, entry)

    wrong = add(somebody, entry, {**form, **sample.wrong})
    assert wrong.status_code == 422
    (name, typed), *_ = sample.wrong.items()
    assert error_at(wrong.text, name), f"nothing is said at {name}"
    kept = unescape(wrong.text)
    texts = [value for other, value in form.items() if isinstance(value, str) and other != name]
    assert all(text in kept for text in texts), "what was typed is kept"
    if isinstance(typed, str) and slug not in {"invitations", "guardianships"}:  # these choose from a list
        assert f'value="{typed}"' in kept
    assert count_of(world, entry) == before

    missing = add(somebody, entry, {})
    assert missing.status_code == 422
    assert 'class="wm-error"' in missing.text
    assert count_of(world, entry) == before

    made = add(somebody, entry, form)
    assert made.status_code == 302, made.text
    pk = new_id(made.location)
    assert count_of(world, entry) == before + 1
    assert somebody.get(made.location).status_code == 200
    if entry.can_edit and sample.change:
        edited = {name: form[name] for name in entry.edit_form or ()} | dict(sample.change)
        response = somebody.post(f"{entry.url}/{pk}/edit", **edited)
        assert response.status_code == 302, response.text
        ((column, value), *_more) = sample.change.items()
        row = stored(world, entry, pk)
        assert row
        assert row[column] == (sorted(value) if isinstance(value, list) else value)
    if entry.can_delete:
        assert somebody.post(f"{entry.url}/{pk}/delete").status_code == 302
        assert stored(world, entry, pk) is None
        assert count_of(world, entry) == before


UNIQUE = {
    "tenants": "slug",
    "domains": "host",
    "plans": "code",
    "roles": "name",
    "invitations": "email",
    "guardianships": "child",
}


@pytest.mark.parametrize("slug", UNIQUE)
def test_what_exists_already_is_a_conflict_at_its_field(world: World, slug: str) -> None:
    entry, somebody = ENTRIES[slug], browser(world, ENTRIES[slug])
    form = SAMPLES[slug].form(world, unique())  # type: ignore[misc]
    assert add(somebody, entry, form).status_code == 302
    before = count_of(world, entry)
    again = add(somebody, entry, form)
    assert again.status_code == 409
    assert error_at(again.text, UNIQUE[slug])
    assert "Not saved yet" in again.text
    assert count_of(world, entry) == before


def test_an_edit_into_a_conflict_keeps_the_text_and_changes_nothing(world: World) -> None:
    operator = world.operator()
    entry = ENTRIES["plans"]
    first, second = make(world, entry, 2)
    taken, before = stored(world, entry, first), stored(world, entry, second)
    assert taken
    response = operator.post(
        f"{entry.url}/{second}/edit",
        name="A new name",
        code=taken["code"],
        max_tutors="4",
        platform_fee_bp="5",
    )
    assert response.status_code == 409
    assert 'value="A new name"' in response.text
    assert f'value="{taken["code"]}"' in response.text
    assert stored(world, entry, second) == before


HOSTILE = (
    ("full_name", "", "Please fill this in."),
    ("full_name", "   ", "Please fill this in."),
    ("full_name", "x" * 121, "too long"),
    ("full_name", "a\x00b", "can't be stored"),
    ("full_name", "a\x07b", "can't be stored"),
    ("email", "nobody", "not an e-mail address"),
    ("email", "x" * 330 + "@x.test", "320"),
    ("phone", "1" * 41, "too long"),
    ("birth_date", "31.12.2001", ""),
    ("birth_date", "2001-02-30", ""),
    ("birth_date", "1899-12-31", "from 1900 until today"),
    ("birth_date", "2226-01-01", "from 1900 until today"),
    ("notes", "x" * 20_001, "too long"),
    ("notes", "a\x00b", "can't be stored"),
)


def test_hostile_values_are_refused_at_their_field(world: World) -> None:
    manager = world.manager()
    pk = make(world, PERSON)[0]
    before, count = stored(world, PERSON, pk), count_of(world, PERSON)
    token = manager.csrf("/admin/people/add")
    for name, value, words in HOSTILE:
        form = {"full_name": "Some One", "csrf_token": token, name: value}
        for path in ("/admin/people/add", f"/admin/people/{pk}/edit"):
            response = manager.post_raw(path, form)
            assert response.status_code == 422, (path, name, value[:20])
            assert words in error_at(response.text, name), (path, name, value[:20])
    assert stored(world, PERSON, pk) == before
    assert count_of(world, PERSON) == count


def test_large_numbers_and_foreign_choices_are_refused(world: World) -> None:
    operator, entry = world.operator(), ENTRIES["plans"]
    plan = {"name": "Plan", "code": "plan", "platform_fee_bp": "5"}
    for value in ("2147483648", "-2147483649", "9" * 400, "1e3", "1.5", "NaN", "１０x"):
        response = add(operator, entry, {**plan, "max_tutors": value})
        assert response.status_code == 422, value
        assert error_at(response.text, "max_tutors"), value
    response = add(operator, entry, {**plan, "max_tutors": "-1"})
    assert response.status_code == 422, "the check of the database"
    guardians, manager = ENTRIES["guardianships"], world.manager()
    for child in (str(world.bert.people["student"]), "0", "-1", "9" * 30, "x", "1 OR 1=1", ""):
        form = {"guardian": world.anna.people["guardian"], "child": child}
        response = add(manager, guardians, form)
        assert response.status_code == 422, child
        assert error_at(response.text, "child"), child
    assert count_of(world, guardians) == 0


def test_a_person_is_not_their_own_guardian(world: World) -> None:
    manager, pk = world.manager(), world.anna.people["guardian"]
    response = add(manager, ENTRIES["guardianships"], {"guardian": pk, "child": pk})
    assert response.status_code == 422
    assert "their own guardian" in error_at(response.text, "child")


# -- Nothing is saved by half ------------------------------------------------------------------------------


def test_a_refused_edit_is_not_saved_by_a_later_commit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAB's way left the dirty row in the session, and whatever committed next saved it."""
    manager, pk = world.manager(), make(world, PERSON)[0]
    before = stored(world, PERSON, pk)

    def change_then_refuse(_entry: AdminEntry, row: Any, data: Any, _by: Any) -> None:
        row.full_name, row.notes = data["full_name"], "half"
        db.session.flush()
        row.phone = "dirty"
        raise Conflict(field="full_name")

    committed = []

    def commit(response: Any) -> Any:
        db.session.commit()
        committed.append(response.status_code)
        return response

    monkeypatch.setattr(PersonEntry, "update", change_then_refuse)
    token = manager.csrf(f"/admin/people/{pk}/edit")
    monkeypatch.setitem(world.app.after_request_funcs, None, [commit, *world.app.after_request_funcs[None]])
    response = manager.post_raw(f"/admin/people/{pk}/edit", {"full_name": "Half Done", "csrf_token": token})
    assert response.status_code == 409
    assert 'value="Half Done"' in response.text
    assert committed == [409]
    assert stored(world, PERSON, pk) == before


def test_a_fault_in_a_write_saves_nothing_and_says_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager, pk = world.manager(), make(world, PERSON)[0]
    before = stored(world, PERSON, pk)

    def break_off(_entry: AdminEntry, row: Any, _data: Any, _by: Any) -> None:
        row.full_name = "Half Done"
        db.session.flush()
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr(PersonEntry, "update", break_off)
    response = manager.post(f"/admin/people/{pk}/edit", full_name="Half Done")
    assert response.status_code == 500
    assert "secret of the house" not in response.text
    assert stored(world, PERSON, pk) == before


def test_a_form_whose_token_expired_keeps_its_text_and_saves_nothing(world: World) -> None:
    manager, count = world.manager(), count_of(world, PERSON)
    for token in ({}, {"csrf_token": "expired"}):
        response = manager.post_raw("/admin/people/add", {"full_name": "Typed By Hand", **token})
        assert response.status_code == 422
        assert 'value="Typed By Hand"' in response.text
        assert "open for too long" in response.text
    assert count_of(world, PERSON) == count
    foreign = manager.post_raw(
        "/admin/people/add", {"full_name": "X"}, headers={"Origin": "https://evil.example"}
    )
    assert foreign.status_code == 400


def test_every_write_stands_in_the_audit_trail(world: World) -> None:
    manager = world.manager()
    pk = new_id(add(manager, PERSON, {"full_name": "Carla Traced", "phone": "1"}).location)
    manager.post(f"/admin/people/{pk}/edit", full_name="Carla Traced", phone="2")
    manager.post(f"/admin/people/{pk}/delete")
    with world.app.app_context(), tenant_scope(world.anna.id):
        entries = db.session.scalars(
            select(AuditEntry)
            .where(AuditEntry.thing_type == "person", AuditEntry.thing_id == pk)
            .order_by(AuditEntry.id)
        ).all()
    assert [entry.verb for entry in entries] == ["created", "changed", "deleted"]
    assert entries[1].changes == {"phone": ["1", "2"]}
    assert {entry.actor_label for entry in entries} == {"Manager anna <manager@anna.test>"}


# -- Delete ------------------------------------------------------------------------------------------------


def test_a_get_never_deletes_and_never_acts(world: World) -> None:
    browsers = {True: world.manager(), False: world.operator()}
    for slug, entry in ENTRIES.items():
        somebody = browsers[TENANT in entry.surfaces]
        pk = make(world, entry)[0]
        before = stored(world, entry, pk)
        paths = [f"{pk}/do/{action.name}" for action in entry.actions]
        paths += [f"do/{action.name}?id={pk}" for action in entry.actions]
        if entry.can_delete:
            response = somebody.get(f"{entry.url}/{pk}/delete")
            assert response.status_code == 200
            assert 'method="post"' in response.text
        for path in paths:
            assert somebody.get(f"{entry.url}/{path}").status_code in {200, 404, 409}
        assert stored(world, entry, pk) == before, slug


def test_what_is_still_in_use_is_not_deleted(world: World) -> None:
    manager, pk = world.manager(), world.anna.people["tutor"]
    response = manager.post(f"/admin/people/{pk}/delete")
    assert response.status_code == 409
    assert "in use" in response.text
    assert stored(world, PERSON, pk)


def test_deleting_twice_is_gone(world: World) -> None:
    manager, pk = world.manager(), make(world, PERSON)[0]
    token = manager.csrf(f"/admin/people/{pk}/delete")
    assert manager.post_raw(f"/admin/people/{pk}/delete", {"csrf_token": token}).status_code == 302
    assert manager.post_raw(f"/admin/people/{pk}/delete", {"csrf_token": token}).status_code == 404


# -- The same form twice -----------------------------------------------------------------------------------


def filled(manager: Browser, path: str, **data: Any) -> dict[str, Any]:
    """A page's form as a browser sends it, with all its hidden fields."""
    text = manager.get(path).text
    key = _KEY.search(text)
    assert key, "the form has a key"
    return {**data, "form_key": key.group(1), "csrf_token": manager.csrf(path)}


def test_a_double_click_adds_one_row(world: World) -> None:
    manager, count = world.manager(), count_of(world, PERSON)
    form = filled(manager, "/admin/people/add", full_name="Clicked Twice", phone="1")
    first = manager.post_raw("/admin/people/add", form)
    second = manager.post_raw("/admin/people/add", form)
    assert (first.status_code, second.status_code) == (302, 302)
    assert first.location == second.location
    assert count_of(world, PERSON) == count + 1

    corrected = manager.post_raw("/admin/people/add", {**form, "full_name": "Back And Corrected"})
    assert corrected.status_code == 302
    assert corrected.location != first.location, "another content is another row"
    other = filled(manager, "/admin/people/add", full_name="Clicked Twice", phone="1")
    assert manager.post_raw("/admin/people/add", other).location != first.location, "as is another form"
    assert count_of(world, PERSON) == count + 3


def test_a_refused_form_can_be_sent_again(world: World) -> None:
    manager = world.manager()
    form = filled(manager, "/admin/people/add", full_name="", phone="1")
    refused = manager.post_raw("/admin/people/add", form)
    assert refused.status_code == 422
    key = _KEY.search(refused.text)
    assert key
    assert key.group(1) == form["form_key"]
    assert manager.post_raw("/admin/people/add", {**form, "full_name": "Now"}).status_code == 302


def test_the_same_form_from_many_threads_adds_one_row(world: World) -> None:
    manager, count = world.manager(), count_of(world, PERSON)
    form = filled(manager, "/admin/people/add", full_name="Clicked Often")
    cookie = manager.client.get_cookie("wm", domain="anna.localhost")
    assert cookie
    statuses, barrier = [], threading.Barrier(6)

    def click() -> None:
        browser = Browser(world.app, world.anna.host)
        browser.client.set_cookie("wm", cookie.value, domain="anna.localhost")
        barrier.wait()
        statuses.append(browser.post_raw("/admin/people/add", form).status_code)

    threads = [threading.Thread(target=click) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {302, 409}
    assert 302 in statuses
    assert count_of(world, PERSON) == count + 1


def test_an_action_clicked_twice_is_refused_the_second_time(world: World) -> None:
    operator, pk = world.operator(), world.bert.id
    path = f"/admin/tenants/{pk}/do/suspend"
    form = {"reason": "late", "csrf_token": operator.csrf(path)}
    assert operator.post_raw(path, form).status_code == 302
    second = operator.post_raw(path, form)
    assert second.status_code == 409
    assert "Bert Tutors" in second.text
    row = stored(world, ENTRIES["tenants"], pk)
    assert row
    assert row["status"] == "suspended"


# -- Actions -----------------------------------------------------------------------------------------------


def test_actions_that_do_not_fit_the_state_refuse(world: World) -> None:
    operator, manager = world.operator(), world.manager()
    member = world.anna.memberships["tutor"]
    for somebody, path in (
        (operator, f"/admin/tenants/{world.anna.id}/do/resume"),
        (operator, f"/admin/accounts/{world.operator_id}/do/reopen"),
        (manager, f"/admin/memberships/{member}/do/restore"),
    ):
        assert somebody.get(path).status_code == 409
        token = somebody.csrf("/account/")
        assert somebody.post_raw(path, {"csrf_token": token}).status_code == 409
    page = manager.get(f"/admin/memberships/{member}").text
    assert f"/{member}/do/end" in page
    assert f"/{member}/do/restore" not in page


def test_an_action_asks_for_its_reason(world: World) -> None:
    operator = world.operator()
    path = f"/admin/tenants/{world.anna.id}/do/suspend"
    response = operator.post(path, reason="  ")
    assert response.status_code == 422
    assert "audit trail" in error_at(response.text, "reason")
    response = operator.post(path, reason="x" * 501)
    assert response.status_code == 422
    assert "x" * 501 in response.text, "what was typed is kept"
    row = stored(world, ENTRIES["tenants"], world.anna.id)
    assert row
    assert row["status"] == "active"


def test_unknown_actions_and_rows_are_not_there(world: World) -> None:
    manager = world.manager()
    token = manager.csrf("/account/")
    member, foreign = world.anna.memberships["tutor"], world.bert.memberships["tutor"]
    for path in (
        f"/admin/memberships/{member}/do/fly",
        f"/admin/memberships/{member}/do/",
        f"/admin/memberships/{foreign}/do/end",
        "/admin/memberships/0/do/end",
        f"/admin/memberships/{2**63 - 1}/do/end",
        f"/admin/memberships/{2**63}/do/end",
        f"/admin/memberships/do/end?id={member}&id={foreign}",
        "/admin/memberships/do/fly?id=1",
    ):
        assert manager.get(path).status_code == 404, path
        assert manager.post_raw(path, {"csrf_token": token}).status_code == 404, path
    assert stored(world, ENTRIES["memberships"], foreign)["status"] == "active"  # type: ignore[index]


def test_bulk_actions_do_all_or_nothing(world: World) -> None:
    manager, entry = world.manager(), ENTRIES["memberships"]
    mine = [world.anna.memberships[role] for role in ("tutor", "student", "guardian")]
    manager_id = world.anna.memberships["manager"]

    def statuses() -> list[Any]:
        return [stored(world, entry, pk)["status"] for pk in (*mine, manager_id)]  # type: ignore[index]

    asked = manager.get(f"{entry.url}/do/end?" + "&".join(f"id={pk}" for pk in mine))
    assert asked.status_code == 200
    assert all(f'name="id" value="{pk}"' in asked.text for pk in mine)
    assert "Tutor anna" in asked.text
    token = manager.csrf("/account/")
    # The last manager must stay, so the three before it stay as well.
    response = manager.post_raw(f"{entry.url}/do/end", {"id": [*mine, manager_id], "csrf_token": token})
    assert response.status_code == 409
    assert "at least one manager" in response.text
    assert statuses() == ["active"] * 4
    # One that was ended already does not fit.
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.get_one(Membership, mine[0]).status = ENDED
    response = manager.post_raw(f"{entry.url}/do/end", {"id": mine, "csrf_token": token})
    assert response.status_code == 409
    assert statuses() == ["ended", "active", "active", "active"]
    response = manager.post_raw(f"{entry.url}/do/end", {"id": mine[1:], "csrf_token": token})
    assert response.status_code == 302
    assert statuses() == ["ended", "ended", "ended", "active"]


def test_bulk_without_rows_or_with_too_many_asks_for_some(world: World) -> None:
    manager = world.manager()
    for query in ("", "?id=", "?id=x", "?" + "&".join(f"id={n}" for n in range(201)), "?id=1%20OR%201=1"):
        response = manager.get(f"/admin/memberships/do/end{query}")
        assert response.status_code == 302, query[:30]
        assert response.location == "/admin/memberships/"
    assert "select some rows" in manager.get("/admin/memberships/").text


# -- Who may not -------------------------------------------------------------------------------------------


def refusals(world: World, entry: AdminEntry, somebody: Browser, token: str, pk: int) -> dict[str, int]:
    """The answers to each way of writing to an entry."""
    form = {**(SAMPLES[entry.slug].form or (lambda *_: {}))(world, unique()), "csrf_token": token}
    paths = ["add", f"{pk}/edit", f"{pk}/delete", "import"]
    paths += [f"{pk}/do/{action.name}" for action in entry.actions if action.verb != "read"]
    return {path: somebody.post_raw(f"{entry.url}/{path}", form).status_code for path in paths}


@pytest.mark.parametrize("place", ["tenant", "platform"])
def test_who_may_only_read_writes_nothing(world: World, place: str) -> None:
    """Support on the platform; in a company, a role of its own that reads everything."""
    entries, hidden = [entry for entry in ENTRIES.values() if place in entry.surfaces], set()
    if place == "platform":
        with world.app.app_context(), platform_scope("support"), transaction() as session:
            account = SAMPLES["accounts"].row(session, unique())
            account.platform_role, account.password = "support", password_hash()
            email = account.email
            hidden = catalogue().on("platform") - catalogue().of_role("support")
        reader = world.browser(PLATFORM, email)
    else:
        with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
            role = TenantRole(name="Reader", rights=[entry.right("read") for entry in entries])
            session.add(role)
            session.flush()
            member = session.get_one(Membership, world.anna.memberships["student"])
            member.role_key, member.role_id = None, role.id
        reader = world.browser(world.anna.host, world.anna.email("student"))
    token = reader.csrf("/account/")
    for entry in entries:
        pk = make(world, entry)[0]
        if TENANT in entry.surfaces and place == "platform":
            pk = world.operator_id
        before, count = stored(world, entry, pk), count_of(world, entry)
        page = reader.get(f"{entry.url}/")
        assert page.status_code == (403 if entry.right("read") in hidden else 200), entry.slug
        assert f'href="{entry.url}/add"' not in page.text
        assert "/do/" not in page.text
        answers = refusals(world, entry, reader, token, pk)
        assert set(answers.values()) == {403}, (entry.slug, answers)
        assert stored(world, entry, pk) == before
        assert count_of(world, entry) == count


def test_those_without_rights_see_and_write_nothing(world: World) -> None:
    rows = {entry.slug: make(world, entry)[0] for entry in ENTRIES.values()}
    for role in ("tutor", None):  # the other roles without rights walk the same way
        somebody = world.browser(world.anna.host, world.anna.email(role) if role else None)
        token = somebody.csrf("/account/" if role else "/login/")
        for slug, pk in rows.items():
            entry, before = ENTRIES[slug], stored(world, ENTRIES[slug], pk)
            here = TENANT in entry.surfaces
            answers = refusals(world, entry, somebody, token, pk)
            assert set(answers.values()) == {404 if not here else 403 if role else 401}, (slug, answers)
            for path in ("", f"{pk}", "export.csv", "add", f"{pk}/edit", f"{pk}/delete"):
                status = somebody.get(f"{entry.url}/{path}").status_code
                assert status == (404 if not here else 403 if role else 302), (role, slug, path)
            assert stored(world, entry, pk) == before


# -- Mass assignment ---------------------------------------------------------------------------------------


def smuggled(world: World, entry: AdminEntry, known: set[str]) -> dict[str, Any]:
    """A value for every column that the form does not have."""
    found: dict[str, Any] = {"tenant_id": world.bert.id, "id": 4711, "rights": "person.write"}
    for column in inspect(entry.model).columns:
        if isinstance(column.type, Boolean):
            value: Any = "y"
        elif isinstance(column.type, Integer):
            value = world.bert.id
        elif isinstance(column.type, DateTime):
            value = "2001-01-01T00:00:00+00:00"
        else:
            value = {"status": "suspended", "role_key": "manager"}.get(column.key, "hacked")
        found.setdefault(column.key, value)
    return {name: value for name, value in found.items() if name not in known}


@pytest.mark.parametrize("slug", with_form())
def test_no_form_takes_more_than_its_fields(world: World, slug: str) -> None:
    entry, sample, somebody = ENTRIES[slug], SAMPLES[slug], browser(world, ENTRIES[slug])
    assert sample.form
    plain, stuffed = (sample.form(world, unique()) for _ in range(2))
    if slug == "guardianships":  # its pair is unique
        stuffed = plain | {"child": world.anna.people["tutor"]}
    pk = new_id(add(somebody, entry, plain).location)
    extra = smuggled(world, entry, set(entry.form))
    assert len(extra) > 3
    began = dt.datetime.now(dt.UTC)
    other = new_id(add(somebody, entry, {**stuffed, **extra}).location)
    one, two = stored(world, entry, pk), stored(world, entry, other)
    assert one
    assert two
    own = {*entry.form, *(f"{name}_id" for name in entry.form), "id", "created_at", "changed_at"}
    own |= {"expires_at", "activated_at", "person_id", "slug"}  # worked out anew for each row
    assert {k: v for k, v in two.items() if k not in own} == {k: v for k, v in one.items() if k not in own}
    assert two["id"] != 4711
    assert "created_at" not in two or two["created_at"] >= began
    if entry.can_edit:
        change = {name: plain[name] for name in entry.edit_form or () if name in plain}
        extra = smuggled(world, entry, set(entry.edit_form or ()))
        response = somebody.post(f"{entry.url}/{pk}/edit", **{**change, **extra})
        assert response.status_code == 302
        after = stored(world, entry, pk)
        assert after
        own = {"changed_at", "revision"}
        assert {k: v for k, v in after.items() if k not in own} == {
            k: v for k, v in one.items() if k not in own
        }


def test_the_pages_about_the_company_and_the_account_take_no_more_either(world: World) -> None:
    manager, tenants, accounts = world.manager(), ENTRIES["tenants"], ENTRIES["accounts"]
    place = {"timezone": "Europe/Berlin", "locale": "en"}
    fine = {"name": "Anna Tutors", "primary": "#0b5fa5", "corners": "soft", **place}
    assert manager.post("/admin/brand/", **fine).status_code == 302
    before = stored(world, tenants, world.anna.id)
    assert before
    extra = smuggled(world, tenants, set(fine))
    assert manager.post("/admin/brand/", **{**fine, **extra}).status_code == 302
    after = stored(world, tenants, world.anna.id)
    assert after
    moved = {name for name in after if after[name] != before[name]}
    assert moved <= {"revision", "changed_at"}

    pk = world.anna.accounts["manager"]
    before = stored(world, accounts, pk)
    assert before
    fine = {"full_name": before["first_name"], "locale": "", "timezone": ""}
    extra = smuggled(world, accounts, set(fine)) | {"platform_role": "operator", "email": "x@evil.test"}
    assert manager.post("/account/", **{**fine, **extra}).status_code == 302
    assert stored(world, accounts, pk) == before


def test_a_company_is_suspended_by_its_action_only(world: World) -> None:
    operator = world.operator()
    before = stored(world, ENTRIES["tenants"], world.bert.id)
    assert before
    said = {name: before[name] for name in ("name", "timezone", "locale")} | {"plan": before["plan_id"]}
    path = f"/admin/tenants/{world.bert.id}/edit"
    response = operator.post(path, **said, status="suspended", slug="x")
    assert response.status_code == 302
    with world.app.app_context(), platform_scope("look"):
        row = db.session.get_one(Tenant, world.bert.id)
        assert (row.status, row.slug) == ("active", "bert")


def test_a_birth_date_is_at_most_today_where_the_viewer_is(world: World) -> None:
    manager = world.manager()  # in Europe/Berlin, where it is the 2nd of July already
    with clock.frozen(dt.datetime(2026, 7, 1, 22, 30, tzinfo=dt.UTC)):
        for day, status in (("2026-07-02", 302), ("2026-07-03", 422), ("1900-01-01", 302)):
            made = add(manager, PERSON, {"full_name": "Newly Born", "birth_date": day})
            assert made.status_code == status, day


# -- What to do next ---------------------------------------------------------------------------------------


def test_a_record_names_its_primary_action_and_what_it_needs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, page = world.operator(), f"/admin/tenants/{world.anna.id}"
    edit, suspend = f'href="{page}/edit"', f'href="{page}/do/suspend"'

    def buttons(text: str) -> list[str]:
        """The addresses of the primary buttons."""
        return re.findall(r'class="btn btn-(?:primary|danger)" (href="[^"]+")', text)

    monkeypatch.setattr(type(ENTRIES["tenants"]), "primary_of", AdminEntry.primary_of)
    monkeypatch.setattr(type(ENTRIES["tenants"]), "hint_of", AdminEntry.hint_of)
    assert buttons(operator.get(page).text) == [edit]
    monkeypatch.setattr(type(ENTRIES["tenants"]), "primary", "suspend")
    monkeypatch.setattr(
        type(ENTRIES["tenants"]), "hint_of", lambda _self, row: f"<{row.slug}> is to be closed."
    )
    text = operator.get(page).text
    assert buttons(text) == [suspend]
    assert text.count(suspend) == 1
    assert edit in text, "editing comes after it"
    assert "&lt;anna&gt; is to be closed." in text
    monkeypatch.setattr(type(ENTRIES["tenants"]), "primary", "resume")
    assert buttons(operator.get(page).text) == [edit], "it makes no sense now"
