"""Looking after one's own account."""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core.audit import note
from app.core.errors import Conflict, Invalid, NotFound
from app.domains.accounts import queries
from app.domains.accounts.models import Account
from app.domains.accounts.service import signin


def change_profile(user: Account, *, full_name: str, locale: str | None, timezone: str | None) -> None:
    """The account's own name, language and zone; the latter two hold for the mails to the persons that it
    stands for as well. In the platform's scope. Raises Invalid."""
    if not full_name.strip():
        raise Invalid(_l("Please tell us your name."), field="full_name")
    user.first_name, user.last_name = full_name.strip()[:64], ""
    user.locale, user.timezone = locale, timezone
    note(user, "profile changed")
    for person in queries.persons_of_user(user.id):
        person.locale, person.timezone = locale, timezone


def end_own_session(user_id: int, session_id: int) -> None:
    """Sign one of one's own devices out. Raises NotFound for anybody else's."""
    found = queries.session_for_update(session_id)
    if found is None or found.user_id != user_id:
        raise NotFound
    signin.end_session(session_id, reason="ended by its owner")


def close(user: Account, *, by_user_id: int) -> None:
    """Shut an account out everywhere, at once. Raises Conflict for one's own."""
    user = queries.user(user.id, lock=True)
    if user.id == by_user_id:
        raise Conflict(_l("You can't close your own account."))
    user.active = False
    note(user, "closed")
    signin.end_sessions_of(user.id, reason="account closed")


def reopen(user: Account) -> None:
    """Let a closed account sign in again."""
    user = queries.user(user.id, lock=True)
    user.active = True
    note(user, "opened again")


_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)


def device_words(agent: str | None) -> str:
    """A browser's self-description in two words."""
    text = agent or ""
    browser = next((name for mark, name in _BROWSERS if mark in text), None)
    system = next((name for mark, name in _SYSTEMS if mark in text), None)
    if browser and system:
        return str(_("%(browser)s on %(system)s", browser=browser, system=system))
    return browser or text[:40] or _("Unknown device")
