"""Rows and forms of the catalogue's admin entries, for the tests that look at every entry."""

from __future__ import annotations

import datetime as dt
from typing import Any

from app.core import clock
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.catalog.models import (
    HIDDEN,
    PUBLISHED,
    SUBMITTED,
    CancellationPolicy,
    Offering,
    OfferingRevision,
    Participation,
    PriceChange,
    Review,
    Subject,
    TaxRate,
    TutorProfile,
    Variant,
)
from app.domains.catalog.policies.content import Content, VariantContent
from tests.support.sample import Sample, add, person
from tests.support.world import World

# What the form that approves a proposal says was looked at.
SUBMITTED_AT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def subject(session: Any, word: str) -> Subject:
    return add(session, Subject(name=f"Subject {word}", slug=word, position=1))


def tax_rate(session: Any, word: str) -> TaxRate:
    return add(session, TaxRate(name=f"Tax {word}", code=word, rate_bp=1900))


def policy(session: Any, word: str) -> CancellationPolicy:
    return add(session, CancellationPolicy(name=f"Policy {word}"))


def profile(session: Any, word: str) -> TutorProfile:
    tutor = person(session, word, "Tutor")
    return add(session, TutorProfile(person_id=tutor.id, slug=word, headline=f"Teaches {word}"))


def offering(session: Any, word: str) -> Offering:
    made = Offering(
        tutor_id=profile(session, word).person_id,
        kind="one_to_one",
        status=PUBLISHED,
        title=f"Offering {word}",
        slug=word,
        summary="Sold in a test.",
        description="All of it.",
        subject_id=subject(session, word).id,
        published_at=clock.now(),
        version=1,
    )
    return add(session, made)


def variant(session: Any, word: str) -> Variant:
    made = Variant(
        offering_id=offering(session, word).id,
        name=f"Variant {word}",
        duration_minutes=60,
        price_minor=5000,
        currency="EUR",
    )
    return add(session, made)


def price_change(session: Any, word: str) -> PriceChange:
    change = PriceChange(
        variant_id=variant(session, word).id,
        price_minor=5000,
        currency="EUR",
        valid_from=clock.now(),
        set_by=f"Manager {word}",
    )
    return add(session, change)


def revision(session: Any, word: str) -> OfferingRevision:
    proposed_for = offering(session, word)
    content = Content(
        title=f"Proposal {word}",
        summary="Another sentence.",
        description="All of it.",
        subject_id=proposed_for.subject_id,
        variants=(VariantContent("60 minutes", 60, 5500),),
    )
    made = OfferingRevision(
        offering_id=proposed_for.id,
        number=1,
        status=SUBMITTED,
        content=content.as_json(),
        submitted_at=SUBMITTED_AT,
    )
    return add(session, made)


def participation(session: Any, word: str) -> Participation:
    made = Participation(
        offering_id=offering(session, word).id,
        student_id=person(session, f"{word}s", "Student").id,
        source_id=int(word[-5:]),
        happened_at=clock.now(),
    )
    return add(session, made)


def review(session: Any, word: str) -> Review:
    """Hidden, and with the lesson that lets it be shown again."""
    behind = participation(session, word)
    made = Review(
        offering_id=behind.offering_id,
        student_id=behind.student_id,
        author_id=behind.student_id,
        rating=4,
        text=f"Learned {word}.",
        status=HIDDEN,
        hidden_reason="Rude.",
        hidden_by="Manager",
        written_at=clock.now(),
        reply="Thank you.",
        replied_at=clock.now(),
    )
    return add(session, made)


def _profile_form(world: World, word: str) -> dict[str, Any]:
    """Of a new person: each has one profile."""
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        person_id = person(session, word, "Tutor").id
    return {
        "person": person_id,
        "headline": f"Teaches {word}",
        "bio": "Long ago.",
        "languages": "German",
    }


SAMPLES = {
    "proposals": Sample(
        revision,
        actions={"send-back": {"reason": "Shorter."}, "approve": {"seen": SUBMITTED_AT.isoformat()}},
    ),
    "offerings": Sample(offering),
    "variants": Sample(variant),
    "price-changes": Sample(price_change),
    "reviews": Sample(review, actions={"hide": {"reason": "Rude."}}),
    "participations": Sample(participation),
    "subjects": Sample(
        subject,
        lambda _world, word: {"name": f"Subject {word}", "position": 3},
        change={"position": 5},
        wrong={"name": "x" * 81},
    ),
    "tax-rates": Sample(
        tax_rate,
        lambda _world, word: {"name": f"Tax {word}", "code": word, "rate_bp": "7.5"},
        change={"name": "Another tax"},
        wrong={"rate_bp": "51"},
    ),
    "cancellation-policies": Sample(
        policy,
        lambda _world, word: {
            "name": f"Policy {word}",
            "free_until_minutes": 1440,
            "late_refund_bp": "50",
            "move_until_minutes": 720,
            "max_moves": 2,
            "is_default": None,  # as a box that is not ticked, and as JSON
        },
        change={"max_moves": 3},
        wrong={"late_refund_bp": "101"},
    ),
    "tutor-profiles": Sample(
        profile, _profile_form, change={"headline": "Somebody else"}, wrong={"headline": "x" * 161}
    ),
}
