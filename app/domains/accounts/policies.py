"""Who may do what among people, and what a password must be."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from flask_babel import lazy_gettext as _l

from app.core.errors import Invalid
from app.core.throttle import Limit
from app.domains.accounts.errors import MoreThanHeld, WeakPassword
from app.domains.accounts.models import Guardianship

MIN_PASSWORD, MAX_PASSWORD = 10, 256

INVITATION_LIFE = dt.timedelta(days=7)
REGISTRATION_LIFE = dt.timedelta(hours=24)
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

OLDEST_CHILD = 26  # in years: who learns and is paid for, students included
MOST_CHILDREN = 20

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


def may_act_for(actor_person_id: int, learner_id: int, guardianships: Iterable[Guardianship]) -> bool:
    """Whether somebody books, pays and cancels for a learner: oneself, or a child one answers for."""
    return actor_person_id == learner_id or any(
        (g.guardian_id, g.child_id) == (actor_person_id, learner_id) for g in guardianships
    )


def age_on(birth_date: dt.date, day: dt.date) -> int:
    """Full years; who was born on 29 February has their birthday on 1 March of other years."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


def check_birth_date(birth_date: dt.date, *, today: dt.date) -> None:
    """Of a child: born before today, and at most 26 years old. Raises Invalid."""
    if birth_date >= today:
        raise Invalid(_l("Please give a day in the past."), field="birth_date")
    if age_on(birth_date, today) > OLDEST_CHILD:
        raise Invalid(
            _l(
                "Up to %(years)s years somebody can be added here; older people register themselves.",
                years=OLDEST_CHILD,
            ),
            field="birth_date",
        )
