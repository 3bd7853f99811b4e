"""Who may do what among people, and what a password must be."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from app.core.throttle import Limit
from app.domains.accounts.errors import MoreThanHeld, WeakPassword

MIN_PASSWORD, MAX_PASSWORD = 10, 256

INVITATION_LIFE = dt.timedelta(days=7)
RESET_LIFE = dt.timedelta(hours=1)
EMAIL_CHANGE_LIFE = dt.timedelta(hours=24)
WEB_SESSION_LIFE = dt.timedelta(days=14)
VISIT_LIFE = dt.timedelta(hours=1)
ACCESS_TOKEN_LIFE = dt.timedelta(minutes=10)
REFRESH_TOKEN_LIFE = dt.timedelta(days=30)
REFRESH_GRACE = dt.timedelta(seconds=10)
TICKET_LIFE = dt.timedelta(seconds=30)

PER_ACCOUNT = Limit(8, dt.timedelta(minutes=15))
PER_ADDRESS = Limit(40, dt.timedelta(minutes=15))
MAILS_PER_ACCOUNT = Limit(4, dt.timedelta(hours=1))
REFRESHES = Limit(5000, dt.timedelta(minutes=15))
INVITATIONS_PER_COMPANY = Limit(200, dt.timedelta(hours=1))  # as many as can be selected in a list
INVITATIONS_PER_ADDRESS = Limit(5, dt.timedelta(days=1))

# The head of every published list of leaked passwords, as far as it is long enough to pass the length.
WELL_KNOWN = frozenset(
    """
    1234567890 0123456789 12345678910 123456789a qwertyuiop password12 password123 password1234
    passwordpassword iloveyou12 iloveyou123 1q2w3e4r5t 1qaz2wsx3edc qwerty12345 qwerty123456
    abcdefghij abcd123456 1111111111 0000000000 letmein123 welcome123 changeme123 sunshine123
    adminadmin administrator football123 superman123 zaq12wsxcde 9876543210 asdfghjkl123 monkey12345
    """.split()  # noqa: SIM905 - a page of words reads better than a page of quotes
)


def check_password(password: str, *, email: str) -> None:
    """Length and the well-known ones, as NIST SP 800-63B asks; no composition rules. Raises WeakPassword."""
    plain = password.casefold()
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD or plain in WELL_KNOWN or plain == email.casefold():
        raise WeakPassword(field="password")


def check_grant(rights: Iterable[str], *, held: frozenset[str]) -> None:
    """Nobody grants what they do not hold. Raises MoreThanHeld."""
    if not frozenset(rights) <= held:
        raise MoreThanHeld
