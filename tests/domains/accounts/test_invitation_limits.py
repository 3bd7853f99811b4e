"""An open invitation whose time is over says so, can be sent again, and no company floods anybody."""

from __future__ import annotations

import io

import pytest
from werkzeug.test import TestResponse

from app.core.throttle import Limit
from app.domains.accounts import policies
from tests.domains.accounts.support import NEW_PASSWORD, later, link_to, mails_to, rows, run
from tests.support.databases import Database
from tests.support.world import Browser, World, drain

EMAIL = "late@mail.test"
DUE = "SELECT count(*) FROM outbox WHERE name LIKE '%%PersonInvited'"


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three invitations an hour per company."""
    monkeypatch.setattr(policies, "INVITATIONS_PER_COMPANY", Limit(3, policies.INVITATIONS_PER_COMPANY.per))


def invite(browser: Browser, email: str = EMAIL, role: str = "student") -> TestResponse:
    return browser.post("/admin/invitations/add", full_name="Lea Late", email=email, role=role)


def upload(browser: Browser, *emails: str) -> TestResponse:
    lines = "\n".join(["full_name,email,role", *(f"Somebody,{email},student" for email in emails)])
    page = "/admin/invitations/import"
    data = {"csrf_token": browser.csrf(page), "file": (io.BytesIO(lines.encode()), "people.csv")}
    return browser.say_yes(page, browser.post_raw(page, data, content_type="multipart/form-data"))


def expire(database: Database) -> None:
    run(database, "UPDATE invitation SET expires_at = now() - interval '1 minute'")


def ids(database: Database) -> list[int]:
    return [pk for (pk,) in rows(database, "SELECT id FROM invitation ORDER BY id")]


# -- Expired -----------------------------------------------------------------------------------------------


def test_an_invitation_whose_time_is_over_says_so(world: World, database: Database) -> None:
    manager = world.manager()
    assert invite(manager).status_code == 302
    [pk] = ids(database)
    page = manager.get(f"/admin/invitations/{pk}").text
    assert ">Open</span>" in page
    assert ">Expired</span>" not in page
    expire(database)
    page = manager.get(f"/admin/invitations/{pk}").text
    assert ">Expired</span>" in page
    assert ">Open</span>" not in page
    for state, seen in (("expired", True), ("pending", False), ("accepted", False)):
        assert (EMAIL in manager.get(f"/admin/invitations/?state={state}").text) is seen, state
    assert manager.get("/admin/invitations/?sort=-state").status_code == 200
    assert "Expired" in manager.get("/admin/invitations/export.csv").text
    home = manager.get("/admin/").text
    assert 'href="/admin/invitations/?state=pending">0</a>' in home
    headers = {"Authorization": f"Bearer {world.token(world.anna)}"}
    found = manager.client.get("/api/v1/invitations/?state=expired", base_url=manager.base, headers=headers)
    assert [row["state"] for row in found.json["result"]] == ["expired"]


def test_an_expired_invitation_is_sent_again_and_open(world: World, database: Database) -> None:
    manager = world.manager()
    assert invite(manager).status_code == 302
    expire(database)
    drain(world.app)
    [pk] = ids(database)
    refused = invite(manager)
    assert refused.status_code == 409
    assert "You can send the invitation again from the list." in refused.text
    assert manager.post(f"/admin/invitations/{pk}/do/resend").status_code == 302
    assert ">Open</span>" in manager.get(f"/admin/invitations/{pk}").text
    link = link_to(world.app, database, EMAIL, "invitation")
    newcomer = Browser(world.app, world.anna.host)
    joined = newcomer.post(link, full_name="Lea", password=NEW_PASSWORD, repeat=NEW_PASSWORD)
    assert joined.status_code == 302, joined.text


def test_sending_an_expired_one_again_needs_a_tutors_seat(world: World, database: Database) -> None:
    """It gave its seat back when it expired; somebody else may have it by now."""
    run(database, "UPDATE plan SET max_tutors = 2")
    manager = world.manager()
    assert invite(manager, role="tutor").status_code == 302
    expire(database)
    assert invite(manager, "second@mail.test", role="tutor").status_code == 302
    first, second = ids(database)
    refused = manager.post(f"/admin/invitations/{first}/do/resend")
    assert refused.status_code == 409
    assert "no room for another tutor" in refused.text
    assert manager.post(f"/admin/invitations/{second}/do/resend").status_code == 302, "it holds its own seat"


# -- Limits ------------------------------------------------------------------------------------------------


def test_an_address_gets_five_a_day_from_one_company(world: World, database: Database) -> None:
    manager = world.manager()
    assert invite(manager).status_code == 302
    [pk] = ids(database)
    for _ in range(policies.INVITATIONS_PER_ADDRESS.hits - 1):
        assert manager.post(f"/admin/invitations/{pk}/do/resend").status_code == 302
    refused = manager.post(f"/admin/invitations/{pk}/do/resend")
    assert refused.status_code == 429
    assert "several invitations today" in refused.text
    assert rows(database, "SELECT issue FROM invitation") == [(policies.INVITATIONS_PER_ADDRESS.hits,)]
    assert invite(world.manager(world.bert)).status_code == 302, "what one company does, no other can tell"
    with later(hours=24, minutes=1):
        assert world.manager().post(f"/admin/invitations/{pk}/do/resend").status_code == 302


@pytest.mark.usefixtures("narrow")
def test_a_company_gets_so_many_an_hour_by_form_and_api(world: World, database: Database) -> None:
    manager = world.manager()
    for number in range(3):
        assert invite(manager, f"n{number}@mail.test").status_code == 302
    for _ in range(2):
        refused = invite(manager)
        assert refused.status_code == 429
        assert "more invitations than a company can send in an hour" in refused.text
    body = {"full_name": "Lea", "email": EMAIL, "role": "student"}
    headers = {"Authorization": f"Bearer {world.token(world.anna)}"}
    answer = manager.client.post("/api/v1/invitations/", json=body, base_url=manager.base, headers=headers)
    assert (answer.status_code, answer.json["code"]) == (429, "too_many_invitations")
    assert 3000 < int(answer.headers["Retry-After"]) <= 3600
    assert rows(database, "SELECT count(*) FROM person WHERE email = %s", EMAIL) == [(0,)]
    assert rows(database, DUE) == [(3,)]
    with later(hours=1, minutes=1):
        assert invite(world.manager()).status_code == 302


@pytest.mark.usefixtures("narrow")
def test_many_at_once_are_sent_all_or_none(world: World, database: Database) -> None:
    manager = world.manager()
    for number in range(2):
        assert invite(manager, f"n{number}@mail.test").status_code == 302
    page = f"/admin/invitations/do/resend?{'&'.join(f'id={pk}' for pk in ids(database))}"
    refused = manager.post_raw(
        "/admin/invitations/do/resend", {"id": ids(database), "csrf_token": manager.csrf(page)}
    )
    assert refused.status_code == 429
    assert "more invitations than a company can send in an hour" in refused.text
    assert rows(database, "SELECT issue FROM invitation") == [(1,), (1,)]
    assert rows(database, DUE) == [(2,)]
    assert invite(manager).status_code == 302, "what was refused does not count"


@pytest.mark.usefixtures("narrow")
def test_a_file_is_imported_whole_or_refused_whole(world: World, database: Database) -> None:
    manager = world.manager()
    refused = upload(manager, *(f"f{number}@mail.test" for number in range(4)))
    assert refused.status_code == 429
    assert refused.text.count("more invitations than a company can send in an hour") == 1
    assert ids(database) == []
    wrong = upload(manager, "f0@mail.test", "f1@mail.test", "f1@mail.test")
    assert wrong.status_code == 422
    assert "invited already" in wrong.text
    assert upload(manager, *(f"f{number}@mail.test" for number in range(3))).status_code == 302
    assert len(ids(database)) == 3
    assert mails_to(world.app, database, "f2@mail.test")
