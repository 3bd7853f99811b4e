"""Who may pass on which rights, how many may join, and what hostile names do on the way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from html import escape

import pytest
from werkzeug.test import TestResponse

from app.core.rights import catalogue
from tests.domains.accounts.support import front_desk, join, link_to, mails_to, own_role, rows, run
from tests.support.databases import Database
from tests.support.world import Browser, World

NEWCOMER = "newcomer@mail.test"
DESK = ("invitation.read", "invitation.write", "membership.read", "membership.act", "role.read", "role.write")


def invite(
    browser: Browser, email: str = NEWCOMER, role: str = "tutor", name: str = "Nora New"
) -> TestResponse:
    return browser.post("/admin/invitations/add", full_name=name, email=email, role=role)


def bearer(world: World, role: str = "student") -> dict[str, str]:
    return {"Authorization": f"Bearer {world.token(world.anna, role)}"}


def pending(database: Database) -> list[tuple[str, ...]]:
    return rows(database, "SELECT email FROM invitation WHERE status = 'pending' ORDER BY 1")


# -- Nobody grants more than they hold ---------------------------------------------------------------------


def test_a_clerk_invites_a_tutor_but_no_manager(world: World, database: Database) -> None:
    clerk = front_desk(world, world.anna, *DESK)
    answer = invite(clerk, role="manager")
    assert answer.status_code == 403
    assert "You can only grant rights that you hold yourself." in answer.text
    assert NEWCOMER in answer.text, "what was typed is kept"
    assert pending(database) == []
    assert rows(database, "SELECT id FROM person WHERE email = %s", NEWCOMER) == []
    assert invite(clerk, role="tutor").status_code == 302
    assert pending(database) == [(NEWCOMER,)]


def test_nor_by_the_api(world: World, database: Database) -> None:
    clerk = front_desk(world, world.anna, *DESK)
    body = {"full_name": "Nora", "email": NEWCOMER, "role": "manager"}
    answer = clerk.client.post("/api/v1/invitations/", json=body, base_url=clerk.base, headers=bearer(world))
    assert (answer.status_code, answer.json["code"]) == (403, "more_than_held")
    assert pending(database) == []


def test_a_larger_role_of_the_companys_own_is_out_of_reach_too(world: World, database: Database) -> None:
    larger = own_role(world, world.anna, "Larger", *DESK, "person.write")
    clerk = front_desk(world, world.anna, *DESK)
    assert invite(clerk, role=f"own:{larger}").status_code == 403
    edited = clerk.post(f"/admin/roles/{larger}/edit", name="Smaller", rights=["invitation.read"])
    assert edited.status_code == 403, "taking rights away from a larger role is beyond them as well"
    assert clerk.post(f"/admin/roles/{larger}/delete").status_code == 403
    [(mine,)] = rows(database, "SELECT id FROM role WHERE name = 'Front desk'")
    assert invite(clerk, role=f"own:{mine}").status_code == 302


@pytest.mark.parametrize(
    "rights", [["person.write"], [*DESK, "brand.write"], ["tenant.write"], ["nonsense.read"]]
)
def test_nobody_composes_a_role_beyond_their_own_rights(
    world: World, database: Database, rights: list[str]
) -> None:
    clerk = front_desk(world, world.anna, *DESK)
    [(mine, before)] = rows(database, "SELECT id, rights FROM role")
    for page, name in (("/admin/roles/add", "New"), (f"/admin/roles/{mine}/edit", "Front desk")):
        assert clerk.post(page, name=name, rights=rights).status_code in {403, 422}
        for method, path in (("POST", "/api/v1/roles/"), ("PUT", f"/api/v1/roles/{mine}")):
            body = {"name": name, "rights": rights}
            answer = clerk.client.open(
                path, method=method, json=body, base_url=clerk.base, headers=bearer(world)
            )
            assert answer.status_code in {403, 422}, answer.text
    assert rows(database, "SELECT id, rights FROM role") == [(mine, before)]


def test_a_manager_composes_any_role_of_the_company_and_none_of_the_platform(world: World) -> None:
    with world.app.app_context():
        every, here = (
            sorted(catalogue().on("platform") | catalogue().on("tenant")),
            sorted(catalogue().on("tenant")),
        )
    manager = world.manager()
    assert manager.post("/admin/roles/add", name="All of it", rights=every).status_code == 422
    assert manager.post("/admin/roles/add", name="All of ours", rights=here).status_code == 302


def test_a_clerk_does_not_end_or_restore_a_manager(world: World, database: Database) -> None:
    second = join(world, world.anna, world.anna.accounts["guardian"], role_key="manager")
    clerk = front_desk(world, world.anna, *DESK)
    assert clerk.post(f"/admin/memberships/{second}/do/end").status_code == 403
    run(database, "UPDATE membership SET status = 'ended' WHERE id = %s", second)
    assert clerk.post(f"/admin/memberships/{second}/do/restore").status_code == 403
    assert clerk.post(f"/admin/memberships/{world.anna.memberships['tutor']}/do/end").status_code == 302
    several = {"id": [str(second), str(world.anna.memberships["tutor"])]}
    path = f"/admin/memberships/do/restore?id={several['id'][0]}&id={several['id'][1]}"
    assert clerk.post("/admin/memberships/do/restore", page=path, **several).status_code == 403
    states = rows(
        database,
        "SELECT status FROM membership WHERE id = ANY(%s)",
        [second, world.anna.memberships["tutor"]],
    )
    assert states == [("ended",), ("ended",)], "all of a selection or none"


def test_a_role_taken_from_the_inviter_meanwhile_is_no_longer_theirs_to_give(
    world: World, database: Database
) -> None:
    clerk = front_desk(world, world.anna, *DESK)
    form = {
        "full_name": "N",
        "email": NEWCOMER,
        "role": "tutor",
        "csrf_token": clerk.csrf("/admin/invitations/add"),
    }
    run(database, "UPDATE role SET rights = '{invitation.read}'")
    assert clerk.post_raw("/admin/invitations/add", form).status_code == 403
    assert pending(database) == []


# -- How many ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("email", "words"),
    [
        (NEWCOMER, "is invited already"),
        (" NewComer@MAIL.test ", "is invited already"),
        ("Tutor@Anna.test", "already has this role"),
    ],
)
def test_already_there(world: World, database: Database, email: str, words: str) -> None:
    manager = world.manager()
    assert invite(manager).status_code == 302
    answer = invite(manager, email)
    assert answer.status_code == 409
    assert words in answer.text
    assert pending(database) == [(NEWCOMER,)]


def test_a_member_may_be_invited_for_a_further_role(world: World, database: Database) -> None:
    assert invite(world.manager(), "tutor@anna.test", "manager").status_code == 302
    assert rows(database, "SELECT count(*) FROM person WHERE email = 'tutor@anna.test'") == [(1,)]


def test_the_plans_room_for_tutors(world: World, database: Database) -> None:
    run(database, "UPDATE plan SET max_tutors = 2")
    manager = world.manager()
    first = invite(manager, "one@mail.test")
    assert first.status_code == 302
    full = invite(manager, "two@mail.test")
    assert full.status_code == 409
    assert "Your plan has no room for another tutor" in full.text
    assert invite(manager, "two@mail.test", "student").status_code == 302, "others are not counted"
    tutor = world.anna.memberships["tutor"]
    assert manager.post(f"/admin/memberships/{tutor}/do/end").status_code == 302
    assert invite(manager, "three@mail.test").status_code == 302
    assert manager.post(f"/admin/memberships/{tutor}/do/restore").status_code == 409
    assert manager.post(f"{first.location}/do/withdraw").status_code == 302
    assert manager.post(f"/admin/memberships/{tutor}/do/restore").status_code == 302


def test_the_last_place_for_a_tutor_is_given_once(world: World, database: Database) -> None:
    run(database, "UPDATE plan SET max_tutors = 2")
    managers = [world.manager() for _number in range(6)]
    forms = [
        {
            "full_name": "N",
            "email": f"n{n}@mail.test",
            "role": "tutor",
            "csrf_token": m.csrf("/admin/invitations/add"),
        }
        for n, m in enumerate(managers)
    ]
    with ThreadPoolExecutor(len(managers)) as threads:
        answers = threads.map(lambda m, form: m.post_raw("/admin/invitations/add", form), managers, forms)
        assert sorted(answer.status_code for answer in answers) == [302] + [409] * 5
    assert len(pending(database)) == 1


def test_the_last_manager_stays(world: World, database: Database) -> None:
    manager, mine = world.manager(), world.anna.memberships["manager"]
    answer = manager.post(f"/admin/memberships/{mine}/do/end")
    assert answer.status_code == 409
    assert "A company needs at least one manager." in answer.text
    second = join(world, world.anna, world.anna.accounts["guardian"], role_key="manager")
    path = f"/admin/memberships/do/end?id={mine}&id={second}"
    both = manager.post("/admin/memberships/do/end", page=path, id=[str(mine), str(second)])
    assert both.status_code == 409
    query = (
        "SELECT count(*) FROM membership WHERE role_key = 'manager' AND status = 'active' AND tenant_id = %s"
    )
    assert rows(database, query, world.anna.id) == [(2,)]


def test_two_managers_who_end_each_other_at_once_leave_one(world: World, database: Database) -> None:
    second = join(world, world.anna, world.anna.accounts["guardian"], role_key="manager")
    query = (
        "SELECT count(*) FROM membership WHERE role_key = 'manager' AND status = 'active' AND tenant_id = %s"
    )
    for _round in range(5):
        run(database, "UPDATE membership SET status = 'active'")
        pairs = [
            (world.browser(world.anna.host, "guardian@anna.test"), world.anna.memberships["manager"]),
            (world.manager(), second),
        ]
        calls = [(b, f"/admin/memberships/{member}/do/end") for b, member in pairs]
        forms = [{"csrf_token": browser.csrf(path)} for browser, path in calls]
        with ThreadPoolExecutor(2) as threads:
            answers = list(threads.map(lambda call, form: call[0].post_raw(call[1], form), calls, forms))
        assert rows(database, query, world.anna.id) == [(1,)]
        assert {answer.status_code for answer in answers} <= {302, 401, 403, 409}


# -- Hostile names -----------------------------------------------------------------------------------------

PLAIN = [
    "👩‍🏫 Zoë 🎓",
    "يوسف العربي",
    'O\'Brien "Bob" & Söhne',
    "{{7*7}}${7*7}{% raw %}",
    "-1+1",
    "א" * 120,
]
MARKUP = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<a href='javascript:x'>x</a>"]
REFUSED = {
    "NUL": "A\0B",
    "line break": "A\r\nBcc: victim@mail.test",
    "next line": "A\x85B",
    "line separator": "A\u2028B",
    "too long": "x" * 121,
    "a megabyte": "x" * 1_000_000,
    "blank": "   ",
}


def test_marks_of_writing_direction_are_dropped(world: World, database: Database) -> None:
    """They would make a name or an address read as another one (Unicode UTS 55)."""
    answer = invite(world.manager(), f"\u202e{NEWCOMER}\u2069", name="Ann\u202egpj.exe")
    assert answer.status_code == 302, answer.text
    assert rows(database, "SELECT full_name FROM person WHERE email = %s", NEWCOMER) == [("Anngpj.exe",)]


@pytest.mark.parametrize("name", PLAIN + MARKUP)
def test_a_strange_name_stays_what_it_is(world: World, database: Database, name: str) -> None:
    """In the form, the list, the mail and on the page: as text."""
    manager = world.manager()
    answer = invite(manager, name=name)
    assert answer.status_code == 302, answer.text
    assert rows(database, "SELECT full_name FROM person WHERE email = %s", NEWCOMER) == [(name,)]
    link = link_to(world.app, database, NEWCOMER, "invitation")
    [(_subject, text, html)] = mails_to(world.app, database, NEWCOMER)
    assert name in text
    pages = [html, manager.get(answer.location).text, manager.get("/admin/people/").text]
    pages.append(Browser(world.app, world.anna.host).get(link).text)
    for page in pages:
        assert escape(name).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page
        if name in MARKUP:
            assert name not in page
    assert "49" not in text.replace(link, "") or "7" not in name


@pytest.mark.parametrize("name", REFUSED.values(), ids=REFUSED.keys())
def test_a_name_that_is_none(world: World, database: Database, name: str) -> None:
    answer = invite(world.manager(), name=name)
    assert answer.status_code in {413, 422}, answer.status_code
    assert pending(database) == []
    body = {"full_name": name, "email": NEWCOMER, "role": "tutor"}
    api = world.app.test_client().post(
        "/api/v1/invitations/",
        json=body,
        base_url=f"http://{world.anna.host}",
        headers=bearer(world, "manager"),
    )
    assert api.status_code in {413, 422}, api.text
    assert pending(database) == []


@pytest.mark.parametrize(
    "email",
    [
        "no-at-sign", "@mail.test", "a@", "a@b@c.test", "a b@mail.test", "a@mail..test", "a@mail.test\0", "a@[127.0.0.1]",
        "a@mail.test\r\nBcc: b@mail.test", "x" * 310 + "@mail.test", "x" * 1_000_000, "<script>@mail.test", "a@localhost",
        "Ann <a@mail.test>", "a@mail.test,b@mail.test", "a@mail.test;b@mail.test", "mailto:a@mail.test",
    ],
)  # fmt: skip
def test_an_address_that_is_none(world: World, database: Database, email: str) -> None:
    answer = invite(world.manager(), email)
    assert answer.status_code in {413, 422}, (answer.status_code, answer.location)
    assert rows(database, "SELECT id FROM invitation") == []
    assert rows(database, "SELECT id FROM outbox WHERE name = 'accounts.PersonInvited'") == []


@pytest.mark.parametrize(
    "email", ["groß@mail.test", "jörg@mail.test", "用户@mail.test", "o'brien+x@mail.test"]
)
def test_an_unusual_address_is_written_to_as_it_is(world: World, database: Database, email: str) -> None:
    """`ß` is a letter of its own: folded to `ss` the mail would go to another mailbox."""
    assert invite(world.manager(), email).status_code == 302
    assert len(mails_to(world.app, database, email)) == 1


def test_a_strange_inviter_does_not_stop_the_mail(world: World, database: Database) -> None:
    run(
        database,
        "UPDATE person SET full_name = %s WHERE email = 'manager@anna.test'",
        "Evil <x@y.test> " + "n" * 90,
    )
    run(database, "UPDATE tenant SET name = %s WHERE id = %s", "N" * 120, world.anna.id)
    assert invite(world.manager()).status_code == 302
    [(subject, _text, _html)] = mails_to(world.app, database, NEWCOMER)
    assert "x@y.test" not in subject
