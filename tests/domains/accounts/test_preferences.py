"""Language and zone of an account reach the persons that it stands for: mails go to persons."""

from __future__ import annotations

from tests.domains.accounts.support import link_to, rows, run, verbs
from tests.domains.accounts.test_handover import visit
from tests.support.databases import Database
from tests.support.world import PASSWORD, Browser, World

MINE = """
    SELECT p.tenant_id, p.locale, p.timezone FROM person p
    JOIN membership m ON m.person_id = p.id AND m.tenant_id = p.tenant_id
    WHERE m.user_id = %s ORDER BY p.tenant_id
"""


def invite_to_bert(world: World, database: Database) -> Browser:
    """Anna's student joins bert."""
    invited = world.manager(world.bert).post(
        "/admin/invitations/add", full_name="S", email="student@anna.test", role="tutor"
    )
    assert invited.status_code == 302
    browser = Browser(world.app, world.bert.host)
    link = link_to(world.app, database, "student@anna.test", "invitation")
    assert browser.post(link, password=PASSWORD).status_code == 302
    return browser


def test_what_is_chosen_for_the_account_holds_for_its_persons(world: World, database: Database) -> None:
    browser, user_id = invite_to_bert(world, database), world.anna.accounts["student"]
    everybody = "SELECT count(*) FROM person WHERE locale IS NOT NULL OR timezone IS NOT NULL"
    assert rows(database, everybody) == [(0,)]
    answer = browser.post("/account/", full_name="S", locale="de", timezone="Asia/Tokyo")
    assert answer.status_code == 302
    assert verbs(database, "ab_user") == ["profile changed"]
    assert rows(database, "SELECT first_name, last_name FROM ab_user WHERE id = %s", user_id) == [("S", "")]
    chosen = [(world.anna.id, "de", "Asia/Tokyo"), (world.bert.id, "de", "Asia/Tokyo")]
    assert rows(database, MINE, user_id) == chosen
    assert rows(database, everybody) == [(2,)]
    assert browser.post("/account/", full_name="S", locale="", timezone="").status_code == 302
    assert rows(database, everybody) == [(0,)]


def test_who_joins_brings_them_along(world: World, database: Database) -> None:
    user_id = world.anna.accounts["student"]
    run(database, "UPDATE ab_user SET locale = 'de', timezone = 'Asia/Tokyo' WHERE id = %s", user_id)
    invite_to_bert(world, database)
    assert rows(database, MINE, user_id)[1] == (world.bert.id, "de", "Asia/Tokyo")


def test_a_visit_changes_nobodys(world: World, database: Database) -> None:
    browser = visit(world, world.anna)
    answer = browser.post("/account/", full_name="S", locale="de", timezone="Asia/Tokyo")
    assert answer.status_code == 403
    assert rows(database, "SELECT count(*) FROM person WHERE locale IS NOT NULL") == [(0,)]
