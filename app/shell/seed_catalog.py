"""What the demo's companies sell: made by their own people through the services, each company once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import select

from app.core import clock
from app.core.db import db
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import ACTIVE, GUARDIAN, TUTOR, Membership, Person
from app.domains.accounts.service import family
from app.domains.booking import service as booking
from app.domains.booking.service import NewTerms, Stretch
from app.domains.catalog import queries
from app.domains.catalog import service as catalog
from app.domains.catalog.models import GROUP, ONE_TO_ONE, TRIAL, Offering, Subject, TaxRate
from app.domains.catalog.policies.content import Content, VariantContent
from app.domains.catalog.service import settings
from app.domains.earnings import service as earnings

REVIEWER = "Demo"
# The week of every demo tutor: mornings from Monday to Friday, some evenings, Saturdays.
WEEK = (
    *(Stretch(day, 9 * 60, 12 * 60 + 30) for day in range(5)),
    *(Stretch(day, 15 * 60, 19 * 60) for day in (0, 2, 3)),
    Stretch(5, 10 * 60, 14 * 60),
)


@dataclass(frozen=True)
class DemoOffering:
    """`variants` are (name, minutes, price in minor units); a group's `dates` are (days from now, hour)."""

    kind: str
    subject: str
    title: str
    summary: str
    description: str
    variants: tuple[tuple[str, int, int], ...]
    level: str = "all"
    language: str = "en"
    capacity: int = 1
    dates: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class DemoCatalog:
    """`tax` is (name, code, rate in hundredths of a percent)."""

    subjects: tuple[str, ...]
    tax: tuple[str, str, int]
    headline: str
    bio: str
    languages: str
    offerings: tuple[DemoOffering, ...]
    child: tuple[str, int] | None = None


CATALOGS = {
    "lingua": DemoCatalog(
        ("German", "Spanish", "English"),
        ("VAT 19 %", "DE19", 1900),
        "German that you can use tomorrow morning",
        "I came to Berlin twenty years ago and learned German in its cafés, offices and tenants' meetings."
        "\n\nIn my lessons you talk from the first minute. Grammar comes when you need it, and stays.",
        "German, English, Turkish",
        (
            DemoOffering(
                ONE_TO_ONE,
                "German",
                "German conversation, one to one",
                "Speak German with ease: about your work, your city, your weekend.",
                "Every lesson begins with something that happened to you. We find the words that were"
                " missing, practise them, and you take home a page with what you learned.\n\nFor learners who"
                " know the basics and want to talk.",
                (("60 minutes", 60, 4200), ("90 minutes", 90, 6000)),
                "intermediate",
                "de",
            ),
            DemoOffering(
                GROUP,
                "German",
                "Letters, forms and offices",
                "German for the Bürgeramt, your landlord and your bank, in a group of three.",
                "Bring the letter that lies on your kitchen table. We read it together, answer it, and"
                " practise the phone call that comes after it.",
                (("90 minutes", 90, 2400),),
                "beginner",
                "de",
                3,
                ((6, 18), (13, 18)),
            ),
            DemoOffering(
                TRIAL,
                "German",
                "A first half hour",
                "Get to know each other and find out where you stand. Free of charge.",
                "We talk for half an hour. Afterwards you know your level and have a plan.",
                (("30 minutes", 30, 0),),
                "all",
                "de",
            ),
        ),
    ),
    "mathlab": DemoCatalog(
        ("Algebra", "Geometry", "Exam preparation"),
        ("No sales tax", "US00", 0),
        "Maths makes sense, and I can show you where",
        "Taught at a public school in Queens for nine years. I like mistakes: they show where to look."
        "\n\nParents get a short note after each lesson.",
        "English, Spanish",
        (
            DemoOffering(
                ONE_TO_ONE,
                "Algebra",
                "Algebra, one to one",
                "From fractions to quadratic equations, at your child's own pace.",
                "We begin with what was done at school this week and go back as far as needed. Small steps,"
                " and homework that takes fifteen minutes.",
                (("60 minutes", 60, 6500), ("90 minutes", 90, 9000)),
            ),
            DemoOffering(
                GROUP,
                "Exam preparation",
                "Regents exam workshop",
                "Three students, one past paper, every question understood.",
                "We work through a past paper against the clock, then take it apart together.",
                (("120 minutes", 120, 3900),),
                "advanced",
                "en",
                3,
                ((5, 17), (12, 17)),
            ),
            DemoOffering(
                TRIAL,
                "Algebra",
                "Trial lesson",
                "Thirty minutes to see whether we get on. Free of charge.",
                "Your child solves three problems with me. You get an honest picture of where they are.",
                (("30 minutes", 30, 0),),
            ),
        ),
        ("Lily Park", 11),
    ),
    "tokyo-arts": DemoCatalog(
        ("Drawing", "Calligraphy", "Ceramics"),
        ("消費税 10%", "JP10", 1000),
        "Draw what you see, not what you know",
        "I studied in Kyoto and have taught in Tokyo since 2012. Beginners are my favourite students.",
        "Japanese, English",
        (
            DemoOffering(
                ONE_TO_ONE,
                "Drawing",
                "Drawing with pencil and ink",
                "Lines, light and patience: private lessons for beginners and those who come back.",
                "You need paper, two pencils and a cup of tea. Everything else comes with time.",
                (("60 minutes", 60, 5500), ("90 minutes", 90, 7800)),
                "beginner",
            ),
            DemoOffering(
                GROUP,
                "Calligraphy",
                "書道 for a quiet evening",
                "Brush, ink and one character, in a group of three.",
                "One character an evening. We grind the ink ourselves, and nobody hurries.",
                (("90 minutes", 90, 3300),),
                "all",
                "ja",
                3,
                ((7, 19), (14, 19)),
            ),
            DemoOffering(
                TRIAL,
                "Drawing",
                "First strokes",
                "Half an hour to try it out. Free of charge.",
                "We draw one object together. You keep the sheet.",
                (("30 minutes", 30, 0),),
            ),
        ),
    ),
}


def seed_catalog(tenant_id: int, slug: str, timezone: str) -> None:
    """What a company sells, unless it has subjects already or no tutor any more."""
    demo = CATALOGS[slug]
    with tenant_scope(tenant_id), transaction():
        tutor = _person(TUTOR)
        if tutor is None or db.session.scalar(select(Subject.id).limit(1)) is not None:
            return
        subjects = {name: settings.add_subject(name=name, position=n) for n, name in enumerate(demo.subjects)}
        name, code, rate_bp = demo.tax
        tax = TaxRate(name=name, code=code, rate_bp=rate_bp)
        db.session.add(tax)
        settings.add_policy(
            name="A day ahead",
            is_default=True,
            free_until_minutes=24 * 60,
            late_refund_bp=5000,
            move_until_minutes=12 * 60,
            max_moves=2,
        )
        earnings.plan_commission(
            name="Standard", person=None, tutor_share_bp=7000, hold_days=7, valid_from=clock.now()
        )
        catalog.describe_tutor(
            tutor, headline=demo.headline, bio=demo.bio, languages=demo.languages, image_key=None
        )
        schedule = booking.set_schedule(
            tutor, terms=NewTerms(timezone, buffer_after_minutes=10, notice_minutes=180, horizon_days=60)
        )
        booking.set_week(schedule, rules=WEEK)
        for offering in demo.offerings:
            made = _publish(tutor, offering, subjects[offering.subject], tax)
            _give_dates(made, offering.dates, timezone)
        if demo.child is not None:
            _add_child(*demo.child)


def _person(role: str) -> Person | None:
    return db.session.scalars(
        select(Person)
        .join(Membership, (Membership.person_id == Person.id) & (Membership.tenant_id == Person.tenant_id))
        .where(Membership.role_key == role, Membership.status == ACTIVE)
        .order_by(Person.id)
        .limit(1)
    ).one_or_none()


def _publish(tutor: Person, demo: DemoOffering, subject: Subject, tax: TaxRate) -> Offering:
    content = Content(
        title=demo.title,
        summary=demo.summary,
        description=demo.description,
        subject_id=subject.id,
        level=demo.level,
        language=demo.language,
        capacity=demo.capacity,
        tax_rate_id=tax.id,
        variants=tuple(VariantContent(*variant) for variant in demo.variants),
    )
    offering = catalog.draft_offering(tutor, kind=demo.kind, content=content)
    return catalog.approve(catalog.submit(offering), by=REVIEWER)


def _give_dates(offering: Offering, dates: Sequence[tuple[int, int]], timezone: str) -> None:
    today = clock.now().astimezone(ZoneInfo(timezone)).date()
    for days, hour in dates:
        local = dt.datetime.combine(today + dt.timedelta(days=days), dt.time(hour), tzinfo=ZoneInfo(timezone))
        booking.schedule_session(
            offering=offering,
            variant=queries.variants_of(offering.id)[0],
            starts_at=local.astimezone(dt.UTC),
            by=REVIEWER,
        )


def _add_child(name: str, age: int) -> None:
    guardian = _person(GUARDIAN)
    if guardian is not None:
        born = clock.now().date() - dt.timedelta(days=age * 365 + 120)
        family.add_child(guardian, full_name=name, birth_date=born, by=guardian)
