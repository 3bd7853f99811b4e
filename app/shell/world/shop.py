"""How a demo company decides what it sells: its manager's terms, its tutors' offers."""

from __future__ import annotations

from sqlalchemy import select

from app.core.db import db
from app.core.scope import tenant_scope
from app.domains.booking import queries as hours
from app.domains.booking import service as booking
from app.domains.booking.service import NewTerms
from app.domains.catalog import queries
from app.domains.catalog import service as catalog
from app.domains.catalog.models import SUBMITTED, Subject, TaxRate
from app.domains.catalog.policies.content import Content, VariantContent
from app.domains.catalog.service import settings
from app.domains.earnings import service as earnings
from app.shell.world import deeds
from app.shell.world.house import House
from app.shell.world.model import WEEKS, Offer
from app.shell.world.pictures import keep_cover, keep_portrait

HOLD_DAYS = 7


def furnish(house: House, deed: deeds.Furnishes) -> None:
    """Subjects, taxes, cancellation terms, and what tutors get."""
    company = house.company
    with house.inside(company.manager):
        if db.session.scalar(select(Subject.id).limit(1)) is not None:
            return
        for position, name in enumerate(company.subjects):
            settings.add_subject(name=name, position=position)
        db.session.add_all(TaxRate(name=name, code=code, rate_bp=rate) for name, code, rate in company.taxes)
        for number, terms in enumerate(company.policies):
            settings.add_policy(
                name=terms.name,
                is_default=not number,
                free_until_minutes=terms.free_until_minutes,
                late_refund_bp=terms.late_refund_bp,
                move_until_minutes=terms.move_until_minutes,
                max_moves=terms.max_moves,
            )
        earnings.plan_commission(
            name="Standard",
            person=None,
            tutor_share_bp=company.tutor_share_bp,
            hold_days=HOLD_DAYS,
            valid_from=deed.at,
        )


def settle(house: House, deed: deeds.Settles) -> None:
    """A tutor's profile, hours, and terms of their own."""
    tutor = deed.tutor
    image_key = keep_portrait(house, tutor) if house.pictures else None
    with house.inside(tutor.name):
        person = house.person(tutor.name)
        catalog.describe_tutor(
            person, headline=tutor.headline, bio=tutor.bio, languages=tutor.languages, image_key=image_key
        )
        terms = NewTerms(house.company.timezone, buffer_after_minutes=10, notice_minutes=180, horizon_days=60)
        booking.set_week(booking.set_schedule(person, terms=terms), rules=WEEKS[tutor.week])
    if tutor.share_bp is not None:
        with house.inside(house.company.manager):
            earnings.plan_commission(
                name=f"Agreed with {tutor.name}",
                person=house.person(tutor.name),
                tutor_share_bp=tutor.share_bp,
                hold_days=HOLD_DAYS,
                valid_from=deed.at,
            )


def take_day_off(house: House, deed: deeds.TakesDayOff) -> None:
    with house.inside(deed.tutor):
        schedule = hours.schedule_of(house.person_id(deed.tutor))
        assert schedule is not None, "a tutor has hours before a day off"
        booking.set_override(schedule, on_date=deed.on_date, remark=deed.remark)


def propose(house: House, deed: deeds.Proposes) -> None:
    offer = deed.offer
    with tenant_scope(house.tenant_id):
        if house.offering_id(offer.title) is not None:
            return
    image_key = keep_cover(house, offer) if house.pictures else None
    with house.inside(offer.tutor):
        content = _content(house, offer, image_key)
        offering = catalog.draft_offering(house.person(offer.tutor), kind=offer.kind, content=content)
        if offer.becomes != "draft":
            catalog.submit(offering)


def _content(house: House, offer: Offer, image_key: str | None) -> Content:
    subjects = {subject.name: subject.id for subject in queries.subjects()}
    rate = next(row for row in queries.tax_rates() if row.code == house.company.taxes[0][1])
    return Content(
        title=offer.title,
        summary=offer.summary,
        description=offer.description,
        subject_id=subjects[offer.subject],
        level=offer.level,
        language=offer.language,
        capacity=offer.capacity,
        tax_rate_id=rate.id,
        image_key=image_key,
        variants=tuple(VariantContent(*variant) for variant in offer.variants),
    )


def decide(house: House, deed: deeds.Decides) -> None:
    manager = house.company.manager
    with house.inside(manager):
        revision = queries.open_revision(house.offering(deed.offer.title).id)
        if revision is None or revision.status != SUBMITTED:
            return
        if deed.offer.becomes == "returned":
            catalog.send_back(revision, reason=deed.offer.reason, by=manager)
        else:
            catalog.approve(revision, by=manager)


def pause(house: House, deed: deeds.Pauses) -> None:
    with house.inside(deed.offer.tutor):
        catalog.pause(house.offering(deed.offer.title))
