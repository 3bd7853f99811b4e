"""Actions on many records: confirmed with their number, worked off once each, watched and stopped."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select

from app.core import bulk
from app.core import transaction as edge
from app.core.audit import AuditEntry
from app.core.bulk import DONE, FAILED, RUNNING, STOPPED, WAITING, BulkFailure, BulkRun
from app.core.db import db
from app.core.errors import Conflict
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.core.web import action_routes
from app.domains.accounts.models import ENDED, Membership
from app.shell.admin import make_registry
from tests.support.entries import make
from tests.support.world import Browser, World, drain

ENTRIES = {entry.slug: entry for entry in make_registry().entries}
MEMBERSHIPS = ENTRIES["memberships"]
END = "/admin/memberships/do/end"


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three are done at once, more as a run in chunks of four."""
    monkeypatch.setattr(action_routes, "AT_ONCE", 3)
    monkeypatch.setattr(bulk, "CHUNK", 4)


def run_of(world: World) -> BulkRun:
    with world.app.app_context(), platform_scope("what a test has to see"):
        return db.session.scalars(select(BulkRun).order_by(BulkRun.id.desc()).limit(1)).one()


def refusals(world: World) -> list[tuple[str, str]]:
    with world.app.app_context(), platform_scope("what a test has to see"):
        found = db.session.scalars(select(BulkFailure).order_by(BulkFailure.id))
        return [(row.row_label, row.reason) for row in found]


def statuses(world: World) -> dict[int, str]:
    with world.app.app_context(), platform_scope("what a test has to see"):
        rows = select(Membership.id, Membership.status).where(Membership.tenant_id == world.anna.id)
        return {row.id: row.status for row in db.session.execute(rows)}


def ended_times(world: World) -> list[int]:
    """How often the audit trail tells of each membership that it was ended."""
    with world.app.app_context(), platform_scope("what a test has to see"):
        rows = select(AuditEntry.thing_id).where(AuditEntry.verb == "ended")
        return sorted(db.session.scalars(rows))


def fields(page: str) -> dict[str, Any]:
    """The hidden fields of the question, as its form would send them."""
    form = page.split('<form class="wm-form"')[1].split("</form>")[0]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    return {name: value.replace("&amp;", "&") for name, value in found}


def ask(somebody: Browser, match: str = "", path: str = END) -> dict[str, Any]:
    asked = somebody.client.get(
        path, query_string={"all": "1", "match": match, "id": "1"}, base_url=somebody.base
    )
    assert asked.status_code == 200, asked.text
    return fields(asked.text)


def start(somebody: Browser, match: str = "", path: str = END) -> Any:
    return somebody.post_raw(path, ask(somebody, match, path))


# -- Asked and done ----------------------------------------------------------------------------------------


def test_all_that_match_are_asked_about_by_number_and_worked_off(world: World) -> None:
    manager, count = world.manager(), 10
    make(world, MEMBERSHIPS, count)
    asked = manager.get(f"{END}?all=1&match=status%3Dactive")
    total = count + len(world.anna.people)
    assert f"Take the role away: {total} records" in asked.text
    assert f"and {total - 5} more" in asked.text
    answer = manager.post_raw(END, fields(asked.text))
    run = run_of(world)
    assert answer.location == f"/admin/bulk/{run.id}"
    assert (run.status, run.total, run.matching) == (WAITING, total, "status=active")
    assert f"0 of {total} worked off" in manager.get(answer.location).text
    assert set(statuses(world).values()) == {"active"}, "nothing is done in the request"
    drain(world.app)
    run = run_of(world)
    assert (run.status, run.position, run.done, run.failed) == (DONE, total, total - 1, 1)
    page = manager.get(answer.location).text
    assert f"{total} of {total} worked off, 1 refused" in page
    assert "at least one manager" in page
    kept = world.anna.memberships["manager"]
    assert f'href="/admin/memberships/{kept}"' in page
    assert [pk for pk, status in statuses(world).items() if status != ENDED] == [kept]
    assert "data-progress=" not in page


def test_the_actor_is_the_person_who_asked(world: World) -> None:
    manager = world.manager()
    made = make(world, MEMBERSHIPS, 5)
    start(manager, "q=zq")
    drain(world.app)
    with world.app.app_context(), tenant_scope(world.anna.id):
        entries = db.session.scalars(select(AuditEntry).where(AuditEntry.verb == "ended")).all()
        assert sorted(entry.thing_id for entry in entries) == made
        assert {entry.actor_label for entry in entries} == {"Manager anna <manager@anna.test>"}


def test_few_are_done_at_once_all_or_none(world: World) -> None:
    manager = world.manager()
    make(world, MEMBERSHIPS, 3)
    asked = ask(manager, "q=zq")
    assert "all" not in asked, "they are named one by one"
    answer = manager.post_raw(END, {**asked, "id": re.findall(r"\d+", str(ids(world)))})
    assert answer.location.startswith("/admin/memberships/")
    assert sum(status == ENDED for status in statuses(world).values()) == 3


def ids(world: World) -> list[int]:
    own = set(world.anna.memberships.values())
    return sorted(pk for pk in statuses(world) if pk not in own)


def test_more_ticked_rows_than_are_done_at_once_become_a_run(world: World) -> None:
    manager = world.manager()
    made = make(world, MEMBERSHIPS, 6)
    asked = manager.get(f"{END}?" + "&".join(f"id={pk}" for pk in made))
    assert "6 records" in asked.text
    token = fields(asked.text)["csrf_token"]
    answer = manager.post_raw(END, {"id": made, "count": "6", "csrf_token": token})
    assert answer.location == f"/admin/bulk/{run_of(world).id}"
    drain(world.app)
    assert [statuses(world)[pk] for pk in made] == [ENDED] * 6


def test_a_yes_is_to_the_number_that_was_shown(world: World) -> None:
    manager = world.manager()
    make(world, MEMBERSHIPS, 5)
    asked = ask(manager, "q=zq")
    make(world, MEMBERSHIPS, 1)
    answer = manager.post_raw(END, asked)
    assert answer.status_code == 409
    assert "6 records" in answer.text
    assert "has changed meanwhile" in answer.text
    assert manager.post_raw(END, fields(answer.text)).status_code == 302


def test_a_double_click_starts_one_run(world: World) -> None:
    manager = world.manager()
    make(world, MEMBERSHIPS, 5)
    asked = ask(manager, "q=zq")
    first, second = manager.post_raw(END, asked), manager.post_raw(END, asked)
    assert first.location == second.location
    with world.app.app_context(), platform_scope("what a test has to see"):
        assert len(db.session.scalars(select(BulkRun)).all()) == 1


def test_a_list_that_is_asked_for_wrongly_is_refused(world: World) -> None:
    manager = world.manager()
    for match in ("wings=2", "status=gone", "q=%00", "created_at.from=x", "page=x"):
        answer = manager.client.get(END, query_string={"all": "1", "match": match}, base_url=manager.base)
        assert answer.status_code == 400, match
    nobody = manager.client.get(END, query_string={"all": "1", "match": "q=nobody"}, base_url=manager.base)
    assert nobody.status_code == 302


def test_an_action_with_a_form_is_filled_in_once_for_all(world: World) -> None:
    operator = world.operator()
    make(world, ENTRIES["tenants"], 4)
    path = "/admin/tenants/do/suspend"
    asked = ask(operator, "q=zq", path)
    assert operator.post_raw(path, {**asked, "reason": ""}).status_code == 422
    answer = operator.post_raw(path, {**asked, "reason": "Not paid"})
    assert answer.status_code == 302, answer.text
    drain(world.app)
    run = run_of(world)
    assert (run.status, run.done, run.tenant_id) == (DONE, 4, None)
    assert operator.get(f"/admin/bulk/{run.id}").status_code == 200
    assert world.manager().get(f"/admin/bulk/{run.id}").status_code == 404


# -- Each record once, whatever happens --------------------------------------------------------------------


def test_a_run_that_is_killed_goes_on_where_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = world.manager()
    made = make(world, MEMBERSHIPS, 10)
    start(manager, "q=zq")
    known, calls = bulk._do, []

    def dying(run: BulkRun, chunk: Any, *rest: Any) -> None:
        calls.append(list(chunk))
        known(run, chunk, *rest)
        if len(calls) == 2:
            raise KeyboardInterrupt  # after its work, before its commit

    monkeypatch.setattr(bulk, "_do", dying)
    with pytest.raises(KeyboardInterrupt):
        drain(world.app)
    run = run_of(world)
    assert (run.status, run.position, run.done) == (RUNNING, 4, 4)
    assert sum(statuses(world)[pk] == ENDED for pk in made) == 4
    redeliver(world)
    assert calls == [made[:4], made[4:8], made[4:8], made[8:]]
    assert (run_of(world).status, run_of(world).done) == (DONE, 10)
    assert ended_times(world) == made, "each of them once"


def redeliver(world: World) -> None:
    """What was under way comes back when its lease has run out."""
    with world.app.app_context(), platform_scope("a lease runs out"), transaction() as session:
        session.execute(db.text("UPDATE outbox SET due_at = due_at - interval '1 day' WHERE status = 'due'"))
    drain(world.app)


def test_a_long_run_hands_over_to_the_next_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "SECONDS_OF_A_JOB", -1.0)
    drain(world.app)
    made = make(world, MEMBERSHIPS, 10)
    start(world.manager(), "q=zq")
    assert drain(world.app) == 3, "a job for each chunk"
    assert run_of(world).status == DONE
    assert ended_times(world) == made


def test_the_same_job_twice_does_nothing_twice(world: World) -> None:
    made = make(world, MEMBERSHIPS, 6)
    start(world.manager(), "q=zq")
    with world.app.app_context(), platform_scope("a job is doubled"), transaction() as session:
        session.execute(
            db.text(
                "INSERT INTO outbox (event_id, handler, name, tenant_id, payload, request_id, status, attempts,"
                " announced_at, due_at) SELECT gen_random_uuid(), handler, name, tenant_id, payload, request_id,"
                " status, attempts, announced_at, due_at FROM outbox WHERE name = 'core.BulkRunContinues'"
            )
        )
    assert drain(world.app) >= 2
    assert run_of(world).done == 6
    assert ended_times(world) == made


def test_what_only_the_commit_refuses_is_found_one_by_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that the database checks last names no record: those before and after it are done all the same."""
    made = make(world, MEMBERSHIPS, 6)
    start(world.manager(), "q=zq")
    known = edge.check_now

    def check(session: Any) -> None:
        known(session)
        late = session.scalar(select(Membership.status).where(Membership.id == made[2]))
        if late == ENDED:
            raise Conflict("Not this one.")

    monkeypatch.setattr(edge, "check_now", check)
    drain(world.app)
    run = run_of(world)
    assert (run.status, run.done, run.failed) == (DONE, 5, 1)
    assert refusals(world) == [(str(made[2]), "Not this one.")]
    assert [statuses(world)[pk] for pk in made].count(ENDED) == 5


def test_a_fault_on_one_record_is_noted_and_the_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(world, MEMBERSHIPS, 6)
    start(world.manager(), "q=zq")
    action = next(a for a in world.app.extensions["admin"].by_slug["memberships"].actions if a.name == "end")
    known = action.run

    def breaking(row: Membership, *rest: Any) -> Any:
        if row.id == made[1]:
            raise ZeroDivisionError
        return known(row, *rest)

    object.__setattr__(action, "run", breaking)
    try:
        drain(world.app)
    finally:
        object.__setattr__(action, "run", known)
    assert (run_of(world).done, run_of(world).failed) == (5, 1)
    assert "went wrong" in refusals(world)[0][1]
    assert "ZeroDivision" not in refusals(world)[0][1]


def test_records_that_are_gone_or_in_another_state_are_refused_with_the_reason(world: World) -> None:
    manager = world.manager()
    made = make(world, MEMBERSHIPS, 6)
    start(manager, "q=zq")
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.get_one(Membership, made[0]).status = ENDED
        session.delete(session.get_one(Membership, made[1]))
    drain(world.app)
    run = run_of(world)
    assert (run.done, run.failed) == (4, 2)
    (state, first), (gone, second) = refusals(world)
    assert "present state" in first
    assert second == "It is not there any more."
    assert gone == str(made[1])
    assert state


# -- Stopped, or not allowed any more ----------------------------------------------------------------------


def test_a_run_is_stopped_and_stays_so(world: World) -> None:
    manager = world.manager()
    made = make(world, MEMBERSHIPS, 6)
    page = start(manager, "q=zq").location
    assert manager.post(f"{page}/stop", page=page).location == page
    drain(world.app)
    assert run_of(world).status == STOPPED
    assert [statuses(world)[pk] for pk in made] == ["active"] * 6
    stopped = manager.get(page).text
    assert "Stopped" in stopped
    assert f"{page}/stop" not in stopped
    again = manager.post_raw(f"{page}/stop", {"csrf_token": manager.csrf("/account/")})
    assert "over already" in manager.get(again.location).text


def test_who_lost_the_right_meanwhile_does_nothing_more(world: World) -> None:
    made = make(world, MEMBERSHIPS, 6)
    start(world.manager(), "q=zq")
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.get_one(Membership, world.anna.memberships["manager"]).role_key = "tutor"
    drain(world.app)
    run = run_of(world)
    assert run.status == FAILED
    assert "not allowed" in str(run.error)
    assert [statuses(world)[pk] for pk in made] == ["active"] * 6
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.get_one(Membership, world.anna.memberships["manager"]).role_key = "manager"
    assert "not allowed" in world.manager().get(f"/admin/bulk/{run.id}").text


def test_it_goes_on_when_its_person_signs_out_but_not_when_they_left(world: World) -> None:
    manager = world.manager()
    make(world, MEMBERSHIPS, 5)
    start(manager, "q=zq")
    manager.post("/logout/", page="/account/")
    drain(world.app)
    assert run_of(world).status == DONE
    make(world, MEMBERSHIPS, 5)
    start(world.manager(), "q=zq&status=active")
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.get_one(Membership, world.anna.memberships["manager"]).status = ENDED
    drain(world.app)
    assert run_of(world).status == FAILED


def test_a_run_is_seen_by_its_person_and_by_right(world: World) -> None:
    manager = world.manager()
    make(world, MEMBERSHIPS, 5)
    page = start(manager, "q=zq").location
    state = manager.get(f"{page}/state")
    assert state.json == {"percent": 0, "words": "0 of 5 worked off", "over": False}
    tutor = world.browser(world.anna.host, world.anna.email("tutor"))
    for somebody in (tutor, world.manager(world.bert), world.operator()):
        assert somebody.get(page).status_code == 404
        assert somebody.get(f"{page}/state").status_code == 404
        token = somebody.csrf("/account/")
        assert somebody.post_raw(f"{page}/stop", {"csrf_token": token}).status_code == 404
    visitor = Browser(world.app, world.anna.host)
    assert visitor.get(page).status_code == 302
    assert visitor.get(f"{page}/state", headers={"Accept": "application/json"}).status_code == 401
    shown = manager.get(page).text
    assert "data-progress=" in shown
    assert '<noscript><meta http-equiv="refresh"' in shown
    listed = manager.get("/admin/bulk-runs/").text
    assert "Take the role away" in listed
    assert "Memberships" in listed
