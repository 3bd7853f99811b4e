"""The manager's side: what waits comes first, what changed is shown field by field, and what is decided."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from app.core.db import db
from app.core.scope import tenant_scope
from app.domains.catalog import queries, service
from app.domains.catalog.models import OfferingRevision
from app.domains.catalog.policies.content import Content, VariantContent
from app.domains.catalog.service import settings
from tests.domains.accounts.support import rows
from tests.domains.catalog import support
from tests.domains.catalog.support import HOUR, Stock, complete, draft, look, publish, submit, within
from tests.support.databases import Database
from tests.support.statements import count_statements
from tests.support.world import Browser, World

EN = {"Accept-Language": "en"}


@pytest.fixture
def stock(world: World) -> Stock:
    return support.stock(world, world.anna)


@pytest.fixture
def manager(world: World) -> Browser:
    return world.manager()


def facts(page: str) -> dict[str, str]:
    """What a record's page says, by its labels."""
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page, re.DOTALL)
    return {
        html.unescape(label): html.unescape(re.sub(r"<[^>]+>", "", text)).strip() for label, text in found
    }


def open_id(world: World, offering_id: int) -> int:
    def work() -> int:
        revision = queries.open_revision(offering_id)
        assert revision is not None
        return revision.id

    return look(world, world.anna, work)


def revise(world: World, offering_id: int, content: Content) -> int:
    within(world, world.anna, lambda: service.revise(queries.offering(offering_id), content=content))
    return submit(world, world.anna, offering_id)


# -- What changed ------------------------------------------------------------------------------------------


def test_all_of_a_new_one_is_shown(world: World, stock: Stock, manager: Browser) -> None:
    revision_id = submit(world, world.anna, draft(world, world.anna, complete(stock)))
    page = manager.get(f"/admin/proposals/{revision_id}", headers=EN).text
    shown = facts(page)
    assert shown["What changed"] == "All of it is new: it was never published."
    assert shown["Title"] == "Calculus"
    assert shown["Subject taught"] == "Mathematics"
    assert shown["Tutor"] == "Tutor anna"
    assert shown["Lengths and prices"] == "60 minutes: 60 minutes, €50.00\n90 minutes: 90 minutes, €70.00"
    assert "→" not in page.split("wm-timeline")[0]
    history = page.split('<ol class="wm-timeline">')[1]
    assert "submitted it" in history
    assert "Waiting since" not in history, "the deed says it"


def test_a_change_is_shown_field_by_field(world: World, stock: Stock, manager: Browser) -> None:
    offering_id = publish(world, world.anna, complete(stock))
    changed = complete(stock, title="Calculus II", variants=(HOUR, VariantContent("90 minutes", 90, 7500)))
    revision_id = revise(world, offering_id, changed)
    shown = facts(manager.get(f"/admin/proposals/{revision_id}", headers=EN).text)
    assert shown["What changed"] == "Title, Lengths and prices"
    assert shown["Title"] == "Calculus\n→ Calculus II"
    assert shown["Lengths and prices"] == "90 minutes: 90 minutes, €70.00\n→ 90 minutes, €75.00"
    assert shown["Summary"] == shown["Subject taught"] == shown["Picture"] == "Unchanged"
    support.approve(world, world.anna, revision_id)
    later = facts(manager.get(f"/admin/proposals/{revision_id}", headers=EN).text)
    assert later["Title"] == "Calculus II", "an approved one says what it said"


def test_a_price_that_lost_its_tail(world: World, stock: Stock, manager: Browser) -> None:
    """Nothing is left out where a variant goes."""
    offering_id = publish(world, world.anna, complete(stock))
    revision_id = revise(world, offering_id, complete(stock, variants=(HOUR,)))
    shown = facts(manager.get(f"/admin/proposals/{revision_id}", headers=EN).text)
    assert shown["Lengths and prices"] == "90 minutes: 90 minutes, €70.00\n→ nothing"


# -- The list ----------------------------------------------------------------------------------------------


def test_what_waits_comes_first(world: World, stock: Stock, manager: Browser) -> None:
    publish(world, world.anna, complete(stock, title="Live"))
    draft(world, world.anna, complete(stock, title="Idea"))
    back = submit(world, world.anna, draft(world, world.anna, complete(stock, title="Returned")))
    within(world, world.anna, lambda: service.send_back(queries.revision(back), reason="No.", by="me"))
    submit(world, world.anna, draft(world, world.anna, complete(stock, title="Waiting")))
    draft(world, world.anna, complete(stock, title="Newest idea"))
    page = manager.get("/admin/proposals/").text
    table = page[page.index("<tbody") :]
    titles = ("Waiting", "Returned", "Newest idea", "Idea", "Live")
    assert sorted(titles, key=table.index) == list(titles)
    only = manager.get("/admin/proposals/?status=submitted").text
    assert "Waiting" in only
    assert "Newest idea" not in only


def test_the_list_costs_the_same_however_long_it_is(world: World, stock: Stock, manager: Browser) -> None:
    support.second_tutor(world, world.anna)
    submit(world, world.anna, draft(world, world.anna, complete(stock)))
    for path in ("/admin/proposals/", "/admin/offerings/"):
        manager.get(path)
    with world.app.app_context(), count_statements(db.engine) as few:
        manager.get("/admin/proposals/")
    for number in range(4):
        role = "tutor2" if number % 2 else "tutor"
        submit(world, world.anna, draft(world, world.anna, complete(stock, title=f"P{number}"), role=role))
    with world.app.app_context(), count_statements(db.engine) as many:
        assert "Berta Braun" in manager.get("/admin/proposals/").text
    assert len(few) == len(many), "\n\n".join(many)


# -- Deciding ----------------------------------------------------------------------------------------------


def test_approve_is_what_the_page_is_for(world: World, stock: Stock, manager: Browser) -> None:
    revision_id = submit(world, world.anna, draft(world, world.anna, complete(stock)))
    path = f"/admin/proposals/{revision_id}"
    assert f'class="btn btn-primary" href="{path}/do/approve"' in manager.get(path).text
    assert support.approve_on_page(manager, revision_id).status_code == 302
    page = manager.get(path).text
    assert "Approved. It is on the storefront from now on." in page
    assert "/do/approve" not in page
    stale = manager.get(f"{path}/do/approve")
    assert stale.status_code == 409
    assert "/admin/offerings/" in page


def test_a_second_managers_old_page_approves_nothing(world: World, stock: Stock, database: Database) -> None:
    revision_id = submit(world, world.anna, draft(world, world.anna, complete(stock)))
    path = f"/admin/proposals/{revision_id}/do/approve"
    first, second = world.manager(), world.manager()
    old = {"csrf_token": second.csrf(path), "seen": support.seen_on(second.get(path).text)}
    assert support.approve_on_page(first, revision_id).status_code == 302
    assert second.post_raw(path, old).status_code == 409
    assert rows(database, "SELECT version FROM offering") == [(1,)]


def test_what_was_exchanged_since_the_question_is_not_approved(
    world: World, stock: Stock, manager: Browser
) -> None:
    offering_id = draft(world, world.anna, complete(stock))
    revision_id = submit(world, world.anna, offering_id)
    path = f"/admin/proposals/{revision_id}/do/approve"
    seen = support.seen_on(manager.get(path).text)
    within(world, world.anna, lambda: service.withdraw(queries.offering(offering_id)))
    revise(world, offering_id, complete(stock, title="Exchanged"))
    refused = manager.post_raw(path, {"csrf_token": manager.csrf(path), "seen": seen})
    assert refused.status_code == 409
    assert "This was changed somewhere else in the meantime." in refused.text
    unseen = manager.post(path)
    assert unseen.status_code == 422
    assert "Please look at it before you approve it." in unseen.text
    assert support.approve_on_page(manager, revision_id).status_code == 302, "asked anew it is approved"


def test_sending_back_needs_a_reason(world: World, stock: Stock, manager: Browser) -> None:
    revision_id = submit(world, world.anna, draft(world, world.anna, complete(stock)))
    path = f"/admin/proposals/{revision_id}/do/send-back"
    for reason in ("", "   ", "x" * 2001, "a\x00b"):
        assert manager.post(path, reason=reason).status_code == 422
    assert manager.post(path, reason="Too <short>. 🎹").status_code == 302
    page = manager.get(f"/admin/proposals/{revision_id}").text
    assert "Too &lt;short&gt;. 🎹" in page
    assert manager.get(path).status_code == 409


def test_nobody_else_decides(world: World, stock: Stock) -> None:
    offering_id = draft(world, world.anna, complete(stock))
    revision_id = submit(world, world.anna, offering_id)
    path = f"/admin/proposals/{revision_id}"
    for role in ("tutor", "student", "guardian"):
        browser = world.browser(world.anna.host, world.anna.email(role))
        token = browser.csrf("/account/")
        for verb in ("approve", "send-back"):
            sent = browser.post_raw(f"{path}/do/{verb}", {"csrf_token": token, "reason": "x"})
            assert sent.status_code == 403
        assert browser.get(path).status_code == 403
    bert = world.manager(world.bert)
    token = bert.csrf("/account/")
    for target in (path, f"{path}/do/approve", f"/admin/offerings/{offering_id}"):
        assert bert.get(target).status_code == 404
    assert bert.post_raw(f"{path}/do/approve", {"csrf_token": token}).status_code == 404
    status = look(world, world.anna, lambda: db.session.get(OfferingRevision, revision_id).status)
    assert status == "submitted"


def test_the_api_decides_as_well(world: World, stock: Stock) -> None:
    first = submit(world, world.anna, draft(world, world.anna, complete(stock)))
    second = submit(world, world.anna, draft(world, world.anna, complete(stock)))
    client, base = world.app.test_client(), f"http://{world.anna.host}"
    options: dict[str, Any] = {
        "base_url": base,
        "headers": {"Authorization": f"Bearer {world.token(world.anna)}"},
    }
    unseen = client.post(f"/api/v1/proposals/{first}/approve", **options)
    assert (unseen.status_code, unseen.json["errors"][0]["field"]) == (422, "seen")
    seen = {"seen": client.get(f"/api/v1/proposals/{first}", **options).json["submitted_at"]}
    answer = client.post(f"/api/v1/proposals/{first}/approve", json=seen, **options)
    assert (answer.status_code, answer.json["status"]) == (200, "approved")
    again = client.post(f"/api/v1/proposals/{first}/approve", json=seen, **options)
    assert (again.status_code, again.json["code"]) == (409, "move_not_allowed")
    lacking = client.post(f"/api/v1/proposals/{second}/send-back", json={}, **options)
    assert lacking.status_code == 422
    back = client.post(f"/api/v1/proposals/{second}/send-back", json={"reason": "No."}, **options)
    assert (back.status_code, back.json["review_reason"]) == (200, "No.")


def test_pause_resume_archive_in_the_admin(world: World, stock: Stock, manager: Browser) -> None:
    offering_id = publish(world, world.anna, complete(stock))
    path, visitor = f"/admin/offerings/{offering_id}", world.browser(world.anna.host)
    assert "Calculus" in visitor.get("/").text
    assert manager.post(f"{path}/do/pause").status_code == 302
    assert "Calculus" not in visitor.get("/").text
    assert f'class="btn btn-primary" href="{path}/do/resume"' in manager.get(path).text
    assert manager.post(f"{path}/do/resume").status_code == 302
    assert "Calculus" in visitor.get("/").text
    assert manager.post(f"{path}/do/archive").status_code == 302
    assert "Calculus" not in visitor.get("/").text
    assert manager.get(f"{path}/do/resume").status_code == 409
    page = manager.get(path).text
    for words in ("Archived", "Lengths and prices", "60 minutes", "€50.00", "Proposals"):
        assert words in page


# -- What holds for all ------------------------------------------------------------------------------------


def test_subjects_policies_and_taxes(world: World, manager: Browser) -> None:
    added = manager.post("/admin/subjects/add", name="Physik für Ältere", position="3")
    assert added.status_code == 302
    assert "physik-fur-altere" in manager.get(added.location).text
    again = manager.post("/admin/subjects/add", name="Physik für Ältere", position="3")
    assert again.status_code == 409
    assert "There is a subject of this name already." in again.text
    # Without a place it comes last.
    assert manager.post("/admin/subjects/add", name="Latin").status_code == 302
    with world.app.app_context(), tenant_scope(world.anna.id):
        assert [(s.name, s.position) for s in queries.subjects()][-1] == ("Latin", 4)

    tax = {"name": "VAT", "code": "VAT19"}
    for wrong in ("-1", "50.01", "19.001", "1e3", "NaN", "x", "１９", ""):
        answer = manager.post("/admin/tax-rates/add", **tax, rate_bp=wrong)
        assert answer.status_code == 422, wrong
        assert 'id="rate_bp-error"' in answer.text
    added = manager.post("/admin/tax-rates/add", **tax, rate_bp="7,5")
    assert added.status_code == 302
    assert "7.5%" in manager.get(added.location, headers=EN).text
    assert 'value="7.5"' in manager.get(f"{added.location}/edit", headers=EN).text

    terms = {
        "name": "Normal",
        "free_until_minutes": "2880",
        "late_refund_bp": "33.33",
        "move_until_minutes": "90",
        "max_moves": "2",
        "is_default": "y",
    }
    added = manager.post("/admin/cancellation-policies/add", **terms)
    assert added.status_code == 302
    page = manager.get(added.location, headers=EN).text
    for words in ("2 days", "33.33%", "90 minutes"):
        assert words in page


def test_one_policy_is_the_default(world: World, manager: Browser, database: Database) -> None:
    terms = {
        "free_until_minutes": "0",
        "late_refund_bp": "0",
        "move_until_minutes": "0",
        "max_moves": "0",
        "is_default": "y",
    }
    for name in ("First", "Second"):
        assert manager.post("/admin/cancellation-policies/add", name=name, **terms).status_code == 302
    stored = "SELECT name FROM cancellation_policy WHERE is_default"
    assert rows(database, stored) == [("Second",)]
    [(first,)] = rows(database, "SELECT id FROM cancellation_policy WHERE name = 'First'")
    edited = manager.post(f"/admin/cancellation-policies/{first}/edit", name="First", **terms)
    assert edited.status_code == 302
    assert rows(database, stored) == [("First",)]
    assert look(world, world.anna, lambda: queries.default_policy().name) == "First"


def test_a_subject_in_use_stays(world: World, stock: Stock, manager: Browser) -> None:
    publish(world, world.anna, complete(stock))
    answer = manager.post(f"/admin/subjects/{stock.subject_id}/delete")
    assert answer.status_code == 409
    assert "still in use" in answer.text
    within(world, world.anna, lambda: settings.add_subject(name="Unused"))
    unused = look(world, world.anna, lambda: next(s.id for s in queries.subjects() if s.name == "Unused"))
    assert manager.post(f"/admin/subjects/{unused}/delete").status_code == 302


def test_a_manager_corrects_a_profile(world: World, stock: Stock, manager: Browser) -> None:
    made = manager.post("/admin/tutor-profiles/add", person=world.anna.people["tutor"], headline="Physicist")
    assert made.status_code == 302
    assert manager.post(f"{made.location}/edit", headline="Chemist", bio="", languages="").status_code == 302
    profile = look(world, world.anna, lambda: queries.profile("tutor-anna"))
    assert (profile.headline, profile.bio) == ("Chemist", None)
    again = manager.post("/admin/tutor-profiles/add", person=world.anna.people["tutor"], headline="x")
    assert again.status_code == 409
    assert "This person has a profile already." in again.text
    foreign = manager.post("/admin/tutor-profiles/add", person=world.bert.people["tutor"], headline="x")
    assert foreign.status_code == 422
