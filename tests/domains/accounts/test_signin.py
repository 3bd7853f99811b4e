"""Signing in on the form: who gets in, what the refused learn, and what ends a session."""

from __future__ import annotations

import statistics
import time

import pytest
from argon2 import PasswordHasher

from app.core import clock
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.accounts import policies, queries
from app.domains.accounts.policies import PER_ACCOUNT
from app.domains.accounts.service import account
from config import Settings
from tests.domains.accounts.support import (
    NEW_PASSWORD,
    ends,
    front_desk,
    join,
    later,
    rows,
    run,
    second_app,
    unchanging,
    verbs,
)
from tests.support.databases import Database
from tests.support.world import PASSWORD, PLATFORM, Browser, World

WORDS = "The e-mail address or the password is not right."


def cookie_of(browser: Browser, host: str) -> str:
    found = browser.client.get_cookie("wm", host.split(":")[0])
    assert found is not None
    return found.value


def copied(world: World, host: str, value: str) -> Browser:
    """Another browser with a copied cookie."""
    browser = Browser(world.app, host)
    browser.client.set_cookie("wm", value, domain=host.split(":")[0])
    return browser


def is_in(browser: Browser) -> bool:
    status = browser.get("/account/").status_code
    assert status in {200, 302}
    return status == 200


def median_seconds(world: World, database: Database, *emails: str) -> list[float]:
    client = world.app.test_client()
    spent: dict[str, list[float]] = {email: [] for email in emails}
    with database.connect() as connection:
        for _round in range(30):
            for email, seconds in spent.items():
                connection.execute("DELETE FROM throttle")
                started = time.perf_counter()
                answer = client.post(
                    "/api/v1/auth/token",
                    json={"email": email, "password": "not the password"},
                    base_url=f"http://{world.anna.host}",
                )
                seconds.append(time.perf_counter() - started)
                assert answer.status_code == 401
    return [statistics.median(seconds) for seconds in spent.values()]


# -- Who gets in -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["manager@anna.test", " Manager@Anna.TEST "])
def test_the_right_password_signs_in(world: World, typed: str) -> None:
    browser = Browser(world.app, world.anna.host)
    answer = browser.post("/login/", email=typed, password=PASSWORD)
    assert (answer.status_code, answer.location) == (302, "/")
    assert "manager@anna.test" in browser.get("/account/").text


@pytest.mark.usefixtures("real_hashes")
def test_a_hash_of_former_years_is_made_anew_by_signing_in(world: World, database: Database) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=1024).hash(PASSWORD)
    account_id = world.anna.accounts["manager"]
    run(database, "UPDATE ab_user SET password = %s WHERE id = %s", weak, account_id)

    def stored() -> str:
        [(found,)] = rows(database, "SELECT password FROM ab_user WHERE id = %s", account_id)
        return str(found)

    browser = Browser(world.app, world.anna.host)
    assert browser.post("/login/", email="manager@anna.test", password="not it").status_code != 302
    assert stored() == weak
    assert browser.post("/login/", email="manager@anna.test", password=PASSWORD).status_code == 302
    strong = stored()
    assert strong != weak
    assert not PasswordHasher().check_needs_rehash(strong)
    assert (
        Browser(world.app, world.anna.host)
        .post("/login/", email="manager@anna.test", password=PASSWORD)
        .status_code
        == 302
    )
    assert stored() == strong
    assert is_in(browser)


def test_a_cookie_of_the_former_key_holds_until_that_is_taken_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser(world.app, world.anna.host)
    browser.post("/login/", email="manager@anna.test", password=PASSWORD)
    config = world.app.config
    monkeypatch.setitem(config, "SECRET_KEY_FALLBACKS", [config["SECRET_KEY"]])
    monkeypatch.setitem(config, "SECRET_KEY", "the key that comes next, of 32 characters")
    cookie = cookie_of(browser, world.anna.host)
    assert is_in(copied(world, world.anna.host, cookie))
    monkeypatch.setitem(config, "SECRET_KEY_FALLBACKS", [])
    assert not is_in(copied(world, world.anna.host, cookie))


def test_everybody_refused_reads_the_same(world: World, database: Database) -> None:
    """Wrong password, unknown address, closed account, ended membership, member elsewhere, no place here."""
    with world.app.app_context(), platform_scope("test"), transaction():
        account.close(queries.user(world.anna.accounts["tutor"]), by_user_id=world.operator_id)
    run(database, "UPDATE membership SET status = 'ended' WHERE id = %s", world.anna.memberships["student"])
    tries = {
        "wrong password": ("manager@anna.test", "not the password"),
        "unknown": ("nobody@nowhere.test", PASSWORD),
        "closed account": ("tutor@anna.test", PASSWORD),
        "ended membership": ("student@anna.test", PASSWORD),
        "member of another company": ("manager@bert.test", PASSWORD),
        "operator on a company's host": ("operator@wemaster.test", PASSWORD),
    }
    pages = {}
    for name, (email, password) in tries.items():
        answer = Browser(world.app, world.anna.host).post("/login/", email=email, password=password)
        assert (name, answer.status_code) == (name, 401)
        assert WORDS in answer.text
        assert "Set-Cookie" not in answer.headers or "signin" not in answer.headers["Set-Cookie"]
        pages[name] = unchanging(answer.text)
    assert len(set(pages.values())) == 1


def test_a_member_of_no_platform_role_is_refused_on_the_platform(world: World) -> None:
    answer = Browser(world.app, PLATFORM).post("/login/", email="manager@anna.test", password=PASSWORD)
    assert answer.status_code == 401


def test_an_unknown_address_takes_as_long_as_a_known_one(
    world: World, database: Database, real_hashes: PasswordHasher
) -> None:
    """60 tries, taken in turns so that the machine's other work slows both. A busy machine gets a second go;
    without the hash for nobody the two differ by a factor of ten every time."""
    stored, account_id = real_hashes.hash(PASSWORD), world.anna.accounts["manager"]
    run(database, "UPDATE ab_user SET password = %s WHERE id = %s", stored, account_id)
    differences = []
    while not differences or (differences[-1] > 0.25 and len(differences) < 3):
        known, unknown = median_seconds(world, database, "manager@anna.test", "nobody@anna.test")
        differences.append(abs(known - unknown) / max(known, unknown))
    assert differences[-1] <= 0.25, differences


# -- The session and its cookie ----------------------------------------------------------------------------


def test_a_cookie_from_before_the_sign_in_is_worth_nothing_after_it(world: World) -> None:
    """Session fixation: what somebody planted in the browser stays a visitor's."""
    victim = Browser(world.app, world.anna.host)
    victim.get("/login/")
    planted = cookie_of(victim, world.anna.host)
    assert victim.post("/login/", email="manager@anna.test", password=PASSWORD).status_code == 302
    assert cookie_of(victim, world.anna.host) != planted
    assert is_in(victim)
    assert not is_in(copied(world, world.anna.host, planted))


def test_signing_in_again_ends_the_session_of_before(world: World, database: Database) -> None:
    browser = world.manager()
    first = cookie_of(browser, world.anna.host)
    token = browser.csrf("/forgot/")
    form = {"email": "tutor@anna.test", "password": PASSWORD, "csrf_token": token}
    assert browser.post_raw("/login/", form).status_code == 302
    assert "tutor@anna.test" in browser.get("/account/").text
    assert not is_in(copied(world, world.anna.host, first))
    live = rows(database, "SELECT user_id FROM user_session WHERE ended_at IS NULL")
    assert live == [(world.anna.accounts["tutor"],)]


def test_the_token_in_the_cookie_is_stored_as_a_hash_only(world: World, database: Database) -> None:
    with (browser := world.manager()).client.session_transaction(base_url=browser.base) as session:
        token = session["signin"]
    [(stored,)] = rows(database, "SELECT token_hash FROM user_session")
    assert len(token) >= 43
    assert token.encode() not in bytes(stored)


@pytest.mark.parametrize(("agent", "kept"), [("A" * 201, "A" * 200), ("", None)])
def test_what_is_kept_of_a_sign_in(world: World, database: Database, agent: str, kept: str | None) -> None:
    browser, now = Browser(world.app, world.anna.host), clock.machine_now()
    form = {"email": "manager@anna.test", "password": PASSWORD, "csrf_token": browser.csrf("/login/")}
    with clock.machine_frozen(now):
        assert browser.post_raw("/login/", form, headers={"User-Agent": agent}).status_code == 302
    columns = "user_id, tenant_id, kind, ip, agent, created_at, last_seen_at, expires_at, ended_at"
    assert rows(database, f"SELECT {columns} FROM user_session") == [
        (
            *(world.anna.accounts["manager"], world.anna.id, "web", "127.0.0.1", kept),
            *(now, now, now + policies.WEB_SESSION_LIFE, None),
        )
    ]
    with later(hours=1):
        assert is_in(browser)
        [(seen,)] = rows(database, "SELECT last_seen_at FROM user_session")
        assert seen == clock.machine_now()


def test_the_cookies_flags(world: World) -> None:
    browser = Browser(world.app, world.anna.host)
    answer = browser.post("/login/", email="manager@anna.test", password=PASSWORD)
    flags = {part.strip().split("=")[0].lower() for part in answer.headers["Set-Cookie"].split(";")[1:]}
    assert {"httponly", "samesite", "path", "expires"} <= flags
    assert "SameSite=Lax" in answer.headers["Set-Cookie"]
    assert "domain" not in flags, "host-only, or one company's cookie would reach another's host"


def test_the_cookies_flags_over_https(world: World, settings: Settings) -> None:
    base = f"https://{world.anna.host}"
    with second_app(settings, PUBLIC_SCHEME="https") as app:
        browser = Browser(app, world.anna.host)
        browser.base = base
        token = browser.csrf("/login/")
        form = {"email": "manager@anna.test", "password": PASSWORD, "csrf_token": token}
        answer = browser.post_raw("/login/", form, headers={"Referer": f"{base}/login/"})
        assert answer.status_code == 302
        name, *flags = (part.strip() for part in answer.headers["Set-Cookie"].split(";"))
        assert name.startswith("__Host-wm=")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(flags)
        assert not any(flag.lower().startswith("domain") for flag in flags)
        assert "max-age=" in answer.headers["Strict-Transport-Security"]
        foreign = browser.post_raw("/login/", form, headers={"Referer": "https://evil.test/"})
        assert foreign.status_code in {400, 403, 422}


def test_a_cookie_copied_before_the_sign_out_is_dead_after_it(world: World) -> None:
    browser = world.manager()
    thief = copied(world, world.anna.host, cookie_of(browser, world.anna.host))
    assert is_in(thief)
    assert browser.post("/logout/", page="/account/").status_code == 302
    assert not is_in(browser)
    assert not is_in(thief)


def test_a_cookie_of_one_company_is_nobody_at_another(world: World) -> None:
    join(world, world.bert, world.anna.accounts["manager"], role_key="manager")
    cookie = cookie_of(world.manager(), world.anna.host)
    assert not is_in(copied(world, world.bert.host, cookie))
    assert not is_in(copied(world, PLATFORM, cookie))


# -- What ends a session -----------------------------------------------------------------------------------


def test_a_new_password_ends_every_other_session_of_the_account_everywhere(
    world: World, database: Database
) -> None:
    join(world, world.bert, world.anna.accounts["manager"], role_key="tutor")
    here, phone = world.manager(), world.manager()
    elsewhere = world.browser(world.bert.host, "manager@anna.test")
    token = world.token(world.anna)
    answer = here.post(
        "/account/password", page="/account/", current=PASSWORD, new=NEW_PASSWORD, repeat=NEW_PASSWORD
    )
    assert answer.status_code == 302, answer.text
    assert [is_in(b) for b in (here, phone, elsewhere)] == [True, False, False]
    people = here.client.get(
        "/api/v1/people/", base_url=here.base, headers={"Authorization": f"Bearer {token}"}
    )
    assert people.status_code == 401
    old = Browser(world.app, world.bert.host).post("/login/", email="manager@anna.test", password=PASSWORD)
    assert old.status_code == 401
    assert is_in(world.browser(world.bert.host, "manager@anna.test", NEW_PASSWORD))
    assert (verbs(database, "ab_user"), ends(database)) == (["password changed"], ["password changed"])


@pytest.mark.parametrize(
    ("current", "new", "repeat"),
    [
        ("not it", NEW_PASSWORD, NEW_PASSWORD),
        (PASSWORD, NEW_PASSWORD, "different"),
        (PASSWORD, "short", "short"),
        (PASSWORD, "passwordpassword", "passwordpassword"),
        (PASSWORD, "x" * 257, "x" * 257),
        (PASSWORD, "manager@anna.test", "manager@anna.test"),
    ],
)
def test_a_password_change_that_is_refused_changes_nothing(
    world: World, database: Database, current: str, new: str, repeat: str
) -> None:
    browser, phone = world.manager(), world.manager()
    before = rows(database, "SELECT id, password FROM ab_user ORDER BY id")
    answer = browser.post("/account/password", page="/account/", current=current, new=new, repeat=repeat)
    assert 400 <= answer.status_code < 500
    assert rows(database, "SELECT id, password FROM ab_user ORDER BY id") == before
    assert is_in(phone)


def test_a_closed_account_is_out_at_the_next_request_and_in_again_when_reopened(
    world: World, database: Database
) -> None:
    manager, operator = world.manager(), world.operator()
    token, account_id = world.token(world.anna), world.anna.accounts["manager"]
    assert operator.post(f"/admin/accounts/{account_id}/do/close").status_code == 302
    assert manager.get("/admin/people/").status_code == 302
    answer = manager.client.get(
        "/api/v1/people/", base_url=manager.base, headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 401
    assert ends(database) == ["account closed"]
    assert operator.post(f"/admin/accounts/{world.operator_id}/do/close").status_code == 409
    assert operator.post(f"/admin/accounts/{account_id}/do/reopen").status_code == 302
    assert verbs(database, "ab_user") == ["closed", "opened again"]
    assert manager.get("/admin/people/").status_code == 302, "its sessions stay ended"
    assert world.manager().get("/admin/people/").status_code == 200


def test_a_role_that_is_taken_away_is_gone_at_the_next_request(world: World, database: Database) -> None:
    tutor, manager = world.browser(world.anna.host, "tutor@anna.test"), world.manager()
    assert is_in(tutor)
    ended = manager.post(f"/admin/memberships/{world.anna.memberships['tutor']}/do/end")
    assert ended.status_code == 302
    assert not is_in(tutor)
    restored = manager.post(f"/admin/memberships/{world.anna.memberships['tutor']}/do/restore")
    assert restored.status_code == 302
    assert verbs(database, "membership") == ["ended", "restored"]


def test_a_right_that_is_taken_away_is_gone_at_the_next_request(world: World, database: Database) -> None:
    clerk = front_desk(world, world.anna, "person.read", "person.write")
    assert clerk.get("/admin/people/add").status_code == 200
    [(role_id,)] = rows(database, "SELECT id FROM role")
    changed = world.manager().post(f"/admin/roles/{role_id}/edit", name="Front desk", rights=["person.read"])
    assert changed.status_code == 302, changed.text
    assert [clerk.get(path).status_code for path in ("/admin/people/", "/admin/people/add")] == [200, 403]


def test_one_signs_out_ones_own_devices_and_nobody_elses(world: World, database: Database) -> None:
    here, phone, other = world.manager(), world.manager(), world.browser(world.anna.host, "tutor@anna.test")
    mine, theirs = (
        rows(database, "SELECT max(id) FROM user_session WHERE user_id = %s", world.anna.accounts[role])[0][0]
        for role in ("manager", "tutor")
    )
    assert here.get(f"/account/sessions/{mine}/end").status_code == 200
    assert here.get(f"/account/sessions/{theirs}/end").status_code == 404
    for number, status in ((mine, 302), (theirs, 404)):
        answer = here.post(f"/account/sessions/{number}/end", page="/account/", password=PASSWORD)
        assert answer.status_code == status
    assert [is_in(b) for b in (here, phone, other)] == [True, False, True]
    assert ends(database) == ["ended by its owner"]


def test_signing_a_device_out_asks_for_the_password(world: World, database: Database) -> None:
    """A screen that was left open is no way to keep its owner out; guesses count as they do at the sign-in."""
    here, phone = world.manager(), world.manager()
    [(number,)] = rows(database, "SELECT max(id) FROM user_session")
    for place in (number, "others"):
        for password in ("", "not the password"):
            answer = here.post(f"/account/sessions/{place}/end", page="/account/", password=password)
            assert answer.status_code == 422
    assert is_in(phone)
    assert "not your current password" in answer.text
    for _guess in range(PER_ACCOUNT.hits):
        answer = here.post("/account/sessions/others/end", page="/account/", password="not the password")
    assert answer.status_code == 429
    assert is_in(phone)


def test_one_signs_out_everywhere_else(world: World) -> None:
    join(world, world.bert, world.anna.accounts["manager"], role_key="tutor")
    here, phone, other = world.manager(), world.manager(), world.browser(world.anna.host, "tutor@anna.test")
    elsewhere, token = world.browser(world.bert.host, "manager@anna.test"), world.token(world.anna)
    assert "Everywhere else" in here.get("/account/sessions/others/end").text
    answer = here.post("/account/sessions/others/end", page="/account/", password=PASSWORD)
    assert (answer.status_code, answer.location) == (302, "/account/")
    assert [is_in(b) for b in (here, phone, elsewhere, other)] == [True, False, False, True]
    bearer = {"Authorization": f"Bearer {token}"}
    assert here.client.get("/api/v1/people/", base_url=here.base, headers=bearer).status_code == 401


def test_a_session_ends_after_two_weeks(world: World) -> None:
    browser = world.manager()
    for days in (6, 12):
        with later(days=days):
            assert is_in(browser)
    with later(days=13, hours=23):
        assert is_in(browser)
    with later(days=14, seconds=1):
        assert not is_in(browser)


def test_a_session_that_nobody_uses_ends_after_a_week(world: World) -> None:
    browser = world.manager()
    with later(days=6, hours=23):
        assert is_in(browser)
    with later(days=13, hours=21):
        assert is_in(browser), "the week begins anew with each use"
    browser = world.manager()
    with later(days=7, seconds=1):
        assert not is_in(browser)


def test_whoever_runs_the_platform_signs_in_more_often(world: World) -> None:
    """An hour without a request, or half a day in all."""
    browser = world.operator()
    with later(minutes=59):
        assert browser.get("/admin/").status_code == 200
    with later(minutes=118):
        assert browser.get("/admin/").status_code == 200
    with later(minutes=179):
        assert browser.get("/admin/").status_code == 302
    browser = world.operator()
    for minutes in range(50, 12 * 60, 50):
        with later(minutes=minutes):
            assert browser.get("/admin/").status_code == 200
    with later(hours=12, seconds=1):
        assert browser.get("/admin/").status_code == 302


def test_signing_in_works_while_redis_is_away(world: World, settings: Settings) -> None:
    with second_app(settings, REDIS_URL="redis://127.0.0.1:1/0") as app:
        browser = Browser(app, world.anna.host)
        assert browser.post("/login/", email="manager@anna.test", password=PASSWORD).status_code == 302
        assert browser.get("/admin/people/").status_code == 200
