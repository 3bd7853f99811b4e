"""One's own account, and what a device is called by what its browser says of itself."""

from __future__ import annotations

import pytest
from flask import Flask

from app.core.db import db
from app.core.errors import Conflict, Invalid, NotFound
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.accounts import queries
from app.domains.accounts.service import account
from tests.domains.accounts.support import ends, rows, verbs
from tests.support.databases import Database
from tests.support.statements import count_statements
from tests.support.world import World

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (f"{WINDOWS} Safari/537.36 Edg/142.0.0.0", "Edge on Windows"),
        (f"{WINDOWS} Safari/537.36 OPR/120.0.0.0", "Opera on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Linux; Android 16; Pixel) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        (f"{MAC} Version/26.0 Safari/605.1.15", "Safari on Mac"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) Version/26.0 Safari/604.1",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (iPad; CPU OS 26_0 like Mac OS X) Version/26.0 Safari/604.1", "Safari on iPad"),
        ("Firefox/145.0", "Firefox"),
        ("Linux " + "x" * 40, "Linux " + "x" * 34),
        ("", "Unknown device"),
        (None, "Unknown device"),
    ],
)
def test_a_device_in_two_words(app: Flask, agent: str | None, words: str) -> None:
    with app.test_request_context():
        assert account.device_words(agent) == words


def test_a_name_is_kept_as_long_as_its_column(world: World, database: Database) -> None:
    user_id = world.anna.accounts["student"]
    with world.app.app_context(), platform_scope("test"):
        with transaction():
            account.change_profile(
                queries.user(user_id), full_name=f" {'n' * 65} ", locale="de", timezone=None
            )
        with pytest.raises(Invalid, match="tell us your name") as refused:
            account.change_profile(queries.user(user_id), full_name=" ", locale=None, timezone=None)
    assert refused.value.field == "full_name"
    columns = "first_name, last_name, locale, timezone"
    assert rows(database, f"SELECT {columns} FROM ab_user WHERE id = %s", user_id) == [
        ("n" * 64, "", "de", None)
    ]
    assert verbs(database, "ab_user") == ["profile changed"]


def test_who_closes_whose_account_and_ends_which_device(world: World, database: Database) -> None:
    world.manager()
    [(session_id,)] = rows(database, "SELECT id FROM user_session")
    mine, other = world.anna.accounts["manager"], world.anna.accounts["tutor"]
    with world.app.app_context(), platform_scope("test"):
        with pytest.raises(Conflict, match="close your own account"):
            account.close(queries.user(mine), by_user_id=mine)
        for user_id, number in ((other, session_id), (mine, session_id + 1)):
            with pytest.raises(NotFound):
                account.end_own_session(user_id, number)
        assert ends(database) == []
        for change in (lambda user: account.close(user, by_user_id=other), account.reopen):
            with count_statements(db.engine) as seen, transaction():
                change(queries.user(mine))
            assert any("FROM ab_user" in each and "UPDATE" in each.rpartition("FOR ")[2] for each in seen)
            assert ends(database) == ["account closed"]
    assert rows(database, "SELECT active FROM ab_user WHERE id = %s", mine) == [(True,)]
