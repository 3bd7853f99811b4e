"""What has happened in the demo's companies already: trial lessons that cost nothing, and the first words
about them. Each company once."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from sqlalchemy import select

from app.core import clock
from app.core.db import db
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts import queries as accounts
from app.domains.accounts.models import ACTIVE, GUARDIAN, STUDENT, Membership, Person
from app.domains.booking import queries
from app.domains.booking import service as booking
from app.domains.booking.models import Seat
from app.domains.catalog import queries as catalog
from app.domains.catalog.models import PUBLISHED, TRIAL, Offering
from app.domains.messaging import service as messaging
from app.domains.payments import service as payments

# From the day after tomorrow on, so that it can still be moved and cancelled.
FROM, WITHIN = dt.timedelta(days=2), dt.timedelta(days=21)


@dataclass(frozen=True)
class Words:
    """What the student writes, and what the tutor answers."""

    asked: str
    answered: str


CONVERSATIONS = {
    "lingua": Words(
        "Hallo! Ich freue mich auf die Probestunde. Soll ich etwas vorbereiten?",
        "Nein, nur Zeit und einen Tee. Erzählen Sie mir, wozu Sie Deutsch brauchen!",
    ),
    "mathlab": Words(
        "Hi! I have a test on fractions next week. Can we look at those?",
        "Sure. Bring the worksheet you liked least, we'll start there.",
    ),
    "tokyo-arts": Words(
        "こんにちは。Which pencils should I bring?",
        "A 2B and a 4B are plenty. I have paper here for the first time.",
    ),
}


def seed_lessons(tenant_id: int, slug: str, locale: str) -> None:
    """Each learner takes the free trial, unless somebody has a seat already or there is nothing to take."""
    with tenant_scope(tenant_id), transaction():
        trial = _trial()
        if trial is None or db.session.scalar(select(Seat.id).limit(1)) is not None:
            return
        for payer in _payers():
            for learner in accounts.learners_for(payer.person_id):
                _book(trial, payer, learner, locale)
        _talk(trial.tutor, CONVERSATIONS[slug])


def _trial() -> Offering | None:
    found = select(Offering.slug).where(Offering.kind == TRIAL, Offering.status == PUBLISHED)
    slug = db.session.scalar(found.order_by(Offering.id).limit(1))
    return catalog.published(slug) if slug is not None else None


def _payers() -> list[Membership]:
    found = select(Membership).where(
        Membership.role_key.in_([STUDENT, GUARDIAN]), Membership.status == ACTIVE
    )
    return list(db.session.scalars(found.order_by(Membership.id)))


def _book(trial: Offering, payer: Membership, learner: Person, locale: str) -> None:
    """The first time that is free: held, ordered, and paid with nothing, as on the pages."""
    now = clock.now()
    variant = trial.variants[0]
    times = queries.slots(trial, variant, since=now + FROM, until=now + FROM + WITHIN)
    if not times:
        return
    actor = f"u:{payer.user_id}"
    seat = booking.hold_slot(offering=trial, variant=variant, starts_at=times[0].starts_at, actor=actor)
    order = booking.begin_checkout(
        seat, payer=accounts.person(payer.person_id), student=learner, actor=actor, locale=locale
    )
    payments.pay_free(order)


def _talk(tutor: Person, words: Words) -> None:
    student = next((member for member in _payers() if member.role_key == STUDENT), None)
    if student is None:
        return
    conversation = messaging.open_conversation(tutor, accounts.person(student.person_id))
    for author_id, body in ((student.person_id, words.asked), (tutor.id, words.answered)):
        messaging.send(conversation, author_id=author_id, client_id=uuid.uuid4(), body=body)
