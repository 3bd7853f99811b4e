"""How tutors are shown."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from app.core.audit import note
from app.core.db import db
from app.core.errors import Invalid
from app.domains.accounts.models import Person
from app.domains.catalog import policies, queries
from app.domains.catalog.errors import ProfileExists
from app.domains.catalog.models import TutorProfile
from app.domains.catalog.policies import pictures
from app.providers.storage import KeyInvalid
from app.providers.storage.base import key_in_scope

MOST_BIO = 10_000


def profile_for(person: Person) -> TutorProfile:
    """The person's profile, an empty one if there was none."""
    profile = _known_profile(person) or _new_profile(person)
    db.session.flush()  # its address is taken from now on
    return profile


def _known_profile(person: Person) -> TutorProfile | None:
    """Under the lock of its person, so that two who are the first to want one make one."""
    queries.person_for_update(person.id)
    return queries.profile_of(person.id)


def _new_profile(person: Person) -> TutorProfile:
    slug = policies.slug_of(person.full_name, fallback="tutor")
    slug = policies.free_slug(slug, queries.taken_slugs(TutorProfile, slug))
    profile = TutorProfile(person_id=person.id, slug=slug)
    db.session.add(profile)
    return profile


def add_profile(
    person: Person, *, headline: str | None, bio: str | None, languages: str | None
) -> TutorProfile:
    """A profile that a manager writes. Raises ProfileExists, Invalid at its field."""
    if _known_profile(person) is not None:
        raise ProfileExists(field="person")
    profile = _new_profile(person)
    _say(profile, headline=headline, bio=bio, languages=languages)
    db.session.flush()
    return profile


def describe_tutor(
    person: Person,
    *,
    headline: str | None,
    bio: str | None,
    languages: str | None,
    image_key: str | None,
) -> TutorProfile:
    """What a tutor says of themselves, as a whole. Raises Invalid at its field."""
    profile = profile_for(person)
    check_picture(image_key, kind=pictures.TUTORS)
    correct_profile(profile, headline=headline, bio=bio, languages=languages)
    profile.image_key = image_key
    db.session.flush()
    return profile


def correct_profile(
    profile: TutorProfile, *, headline: str | None, bio: str | None, languages: str | None
) -> None:
    """Change its words. Raises Invalid at its field."""
    _say(profile, headline=headline, bio=bio, languages=languages)
    note(profile, "profile changed")


def _say(profile: TutorProfile, *, headline: str | None, bio: str | None, languages: str | None) -> None:
    for name, text, most in (
        ("headline", headline, 160),
        ("bio", bio, MOST_BIO),
        ("languages", languages, 200),
    ):
        text = (text or "").strip()
        if len(text) > most:
            raise Invalid(_l("This is too long: %(most)s characters at most.", most=most), field=name)
        setattr(profile, name, text or None)


def check_picture(key: str | None, *, kind: str) -> None:
    """A file of another tenant, or of another kind, such as somebody's receipt, is no picture. Raises
    Invalid."""
    if key is None:
        return
    try:
        own = key_in_scope(key).split("/")[1] == kind
    except KeyInvalid:
        own = False
    if not own:
        raise Invalid(_l("There is no such picture."), field="image")
