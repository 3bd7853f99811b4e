"""`/o/<slug>`: what is offered, its free times by the visitor's clock, and the button that holds one."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from babel import Locale
from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.core import throttle
from app.core.again import insist
from app.core.db import db
from app.core.errors import DomainError, NotFound
from app.core.ids import row_id
from app.core.locales import reader_locale
from app.core.page_cache import FREE_TIMES
from app.core.throttle import Limit
from app.core.transaction import transaction
from app.core.web import kept_pages
from app.core.web.csrf import keeps_text
from app.core.web.meta import Meta
from app.core.web.pages import ActionLink
from app.core.web.viewing import on_tenant, viewer
from app.core.web.visitor import ZONE, actor, actors
from app.domains.booking import queries, service
from app.domains.booking.errors import NoSeatLeft, NotOffered, SlotTaken, TooManyHolds
from app.domains.booking.forms import HoldForm
from app.domains.booking.portal import times
from app.domains.booking.portal.picker import (
    CHOOSE,
    Picker,
    Time,
    Window,
    Zone,
    alternatives,
    asked_window,
    picker,
    zone_of,
)
from app.domains.booking.portal.selling import Said, meta_of, said_of, what_you_get
from app.domains.booking.portal.words import duration_words, policy_sentences, price_words
from app.domains.booking.queries import Session, pages
from app.domains.booking.queries.offered import OfferingSeen, VariantSeen, offering_seen, slots_of
from app.domains.booking.queries.to_hold import to_hold
from app.domains.catalog.models import GROUP, KIND_NAMES, LEVEL_NAMES, RECORDED
from app.domains.catalog.policies.comparison import language_name
from app.domains.catalog.policies.pictures import path_of, small_path_of

bp = Blueprint("booking", __name__, template_folder="../templates")

# Of one network's visitors; whoever is signed in is known by their account. A visitor is a cookie, which is
# thrown away easily: what one network can keep from others is limited for each tutor, as long as holds live.
VISITORS_TRIES = Limit(300, dt.timedelta(minutes=10))
VISITORS_HOLDS = Limit(20, dt.timedelta(minutes=10))

_NUMBERS = re.compile(r"\b\d+\b")

WHY_NOT = {
    "past": lambda: _("This time is over. Please choose another one."),
    "notice": lambda: _("This is too soon to be booked. Please choose a later time."),
    "horizon": lambda: _("This is too far ahead to be booked. Please choose an earlier time."),
    "suspended": lambda: _("Nothing can be booked here at the moment."),
    "gap": lambda: _("The clocks skip this time on that day. Please choose another one."),
    "not_published": lambda: _("This is not offered any more."),
}


@dataclass(frozen=True)
class VariantChoice:
    id: int
    name: str
    duration: str
    price: str
    url: str
    is_chosen: bool


@dataclass(frozen=True)
class DateRow:
    """A group class's date that can be booked, or is full."""

    code: str
    day: str
    hours: str
    variant: str
    price: str
    left: int
    left_words: str


@dataclass(frozen=True)
class Trouble:
    """Why a time could not be held, and what to do instead."""

    text: str
    times: Sequence[Time] = ()
    links: Sequence[ActionLink] = ()
    status: int = 422


@dataclass(frozen=True)
class OfferingPage:
    slug: str
    title: str
    summary: str
    paragraphs: Sequence[str]
    image_url: str | None
    small_image_url: str | None
    facts: Sequence[tuple[str, str]]
    gets: Sequence[tuple[str, str]]
    said: Said
    meta: Meta
    tutor_name: str
    tutor_initial: str
    tutor_headline: str | None
    tutor_url: str | None
    tutor_image_url: str | None
    variants: Sequence[VariantChoice]
    chosen: VariantChoice
    policy: Sequence[str]
    hold_url: str
    zone: Zone
    picker: Picker | None = None
    dates: Sequence[DateRow] = ()
    is_group: bool = False
    is_recorded: bool = False
    trouble: Trouble | None = None


@bp.get("/o/<slug>")
def show(slug: str) -> Any:
    """The offering and its free times; `variant`, `from`, `day` and `zone` are the visitor's choices."""
    on_tenant()
    times.note_chosen_zone()
    return kept_pages.kept(
        lambda: _page(slug, variant_id=row_id(request.args.get("variant", ""))),
        kind=FREE_TIMES,
        args=("variant", "from", "day", ZONE, CHOOSE),
    )


@bp.get("/o/<slug>/hold")
def back_to_times(slug: str) -> Any:
    """Whoever reloads a refusal, or comes back to it by its address."""
    on_tenant()
    return redirect(url_for("booking.show", slug=slug) + shown_days())


@bp.post("/o/<slug>/hold")
@keeps_text
def hold(slug: str) -> Any:
    """Take a time or a place for ten minutes, signed in or not; the same again leads to the same hold."""
    on_tenant()
    form = HoldForm()
    if not form.validate():
        words = " ".join(form.refusals) or _("Please choose one of the times.")
        return _page(slug, variant_id=form.variant_id, trouble=Trouble(words))
    if viewer() is None:
        throttle.hit(db.engine, f"holds {throttle.network(request.remote_addr)}", VISITORS_TRIES)
    try:
        code = insist(lambda: _held(slug, form))
    except (SlotTaken, NoSeatLeft, NotOffered, TooManyHolds) as error:
        return _page(slug, variant_id=form.variant_id, trouble=trouble_of(error))
    return redirect(url_for("reservation.show", code=code))


def _held(slug: str, form: HoldForm) -> str:
    """The code of the hold."""
    with transaction():
        seat = _hold(slug, form)
        if viewer() is None:
            network = throttle.network(request.remote_addr)
            throttle.spend(f"holds {network} tutor {seat.tutor_id}", VISITORS_HOLDS)
        return seat.code


def _hold(slug: str, form: HoldForm) -> queries.PlaceOfSeat:
    asked = to_hold(slug, form.variant_id, None if form.lesson_code else form.moment)
    offering = asked.offering
    if form.lesson_code is not None:
        return service.hold_seat(lesson_id=pages.session_of(offering.id, form.lesson_code), actor=actor())
    if asked.variant is None or form.moment is None:
        raise NotFound
    return service.hold_slot(
        offering=offering,
        variant=asked.variant,
        starts_at=form.moment,
        actor=actor(),
        seen=asked,
    )


def trouble_of(error: DomainError) -> Trouble:
    """What a refused time says, with the next free ones."""
    if isinstance(error, SlotTaken):
        found = alternatives(error.data.get("alternatives", ()), times.viewer_zone())
        return Trouble(str(error), times=found, status=error.status)
    if isinstance(error, TooManyHolds):
        return Trouble(str(error), links=open_holds(), status=error.status)
    words = WHY_NOT.get(error.data.get("why", ""))
    return Trouble(words() if words else str(error), status=error.status)


def open_holds() -> list[ActionLink]:
    """What this browser holds, as links to go on with it."""
    zone = times.viewer_zone()
    return [
        ActionLink(
            "hold",
            _(
                "%(title)s, %(time)s",
                title=seat.lesson.offering.title,
                time=times.moment_words(seat.lesson.starts_at, zone),
            ),
            url_for("reservation.show", code=seat.code),
            "clock",
        )
        for seat in queries.holds_of(actors())
    ]


# -- The page ----------------------------------------------------------------------------------------------


def _page(slug: str, *, variant_id: int | None, trouble: Trouble | None = None) -> Any:
    window = asked_window()
    seen = offering_seen(slug, window.since, window.until)
    page = _view(seen, seen.variant(variant_id), window, trouble)
    return render_template("booking/offering.html", page=page), trouble.status if trouble else 200


def _view(seen: OfferingSeen, variant: VariantSeen, window: Window, trouble: Trouble | None) -> OfferingPage:
    profile = seen.profile
    choices = [_choice(seen, each, each.id == variant.id) for each in seen.variants]
    is_group, is_recorded = seen.kind == GROUP, seen.kind == RECORDED
    by_slot = not is_group and not is_recorded
    return OfferingPage(
        slug=seen.slug,
        title=seen.title,
        summary=seen.summary,
        paragraphs=[part.strip() for part in seen.description.split("\n\n") if part.strip()],
        image_url=path_of(seen.image_key),
        small_image_url=small_path_of(seen.image_key),
        facts=_facts(seen),
        gets=what_you_get(seen),
        said=said_of(seen),
        meta=meta_of(seen),
        tutor_name=seen.tutor,
        tutor_initial=seen.tutor[:1].upper(),
        tutor_headline=profile.headline if profile else None,
        tutor_url=f"/tutors/{profile.slug}" if profile else None,
        tutor_image_url=small_path_of(profile.image_key) if profile else None,
        variants=choices,
        chosen=next(choice for choice in choices if choice.is_chosen),
        policy=_terms(tuple(seen.policy.items()), reader_locale()),
        hold_url=_hold_url(seen.slug),
        picker=_picker(seen, variant, window) if by_slot else None,
        dates=date_rows(queries.available_sessions(seen.id), times.viewer_zone()) if is_group else (),
        zone=zone_of(f"/o/{seen.slug}", [("variant", str(variant.id))]),
        is_group=is_group,
        is_recorded=is_recorded,
        trouble=trouble,
    )


def _picker(seen: OfferingSeen, variant: VariantSeen, window: Window) -> Picker:
    return picker(
        f"/o/{seen.slug}",
        window,
        lambda since, until: slots_of(seen, variant, since=since, until=until),
        tutor_id=seen.tutor_id,
        tutor=seen.tutor,
        kept={"variant": str(variant.id)} if len(seen.variants) > 1 else {},
        facts=(duration_words(variant.duration_minutes), price_words(variant.price)),
    )


def _hold_url(slug: str) -> str:
    """It keeps the days that are shown, for the page that a refusal comes with."""
    return f"/o/{slug}/hold{shown_days()}"


def shown_days() -> str:
    """The part of the address that says which days are shown."""
    shown = {name: request.args[name] for name in ("from", "day") if request.args.get(name)}
    return f"?{urlencode(shown)}" if shown else ""


def _choice(seen: OfferingSeen, variant: VariantSeen, is_chosen: bool) -> VariantChoice:
    minutes = variant.duration_minutes
    return VariantChoice(
        id=variant.id,
        name=variant.name,
        duration="" if _says(variant.name, minutes) else duration_words(minutes),
        price=price_words(variant.price),
        url=f"/o/{seen.slug}?variant={variant.id}#times",
        is_chosen=is_chosen,
    )


@lru_cache(maxsize=1024)
def _terms(policy: tuple[tuple[str, Any], ...], _language: Locale | None) -> tuple[str, ...]:
    """Kept: a company has one policy or two."""
    return tuple(policy_sentences(dict(policy)))


def _says(name: str, minutes: int) -> bool:
    """Whether a name such as “60 minutes” tells the length already."""
    return str(minutes) in _NUMBERS.findall(name)


def _facts(seen: OfferingSeen) -> list[tuple[str, str]]:
    """(icon, words)"""
    found = [
        ("users" if seen.kind == GROUP else "user", str(KIND_NAMES[seen.kind])),
        ("school", str(LEVEL_NAMES[seen.level])),
        ("language", language_name(seen.language)),
    ]
    if seen.subject is not None:
        found.insert(0, ("tag", seen.subject))
    return found


def date_rows(sessions: Sequence[Session], zone: str) -> list[DateRow]:
    """The dates of a group class as they are listed."""
    today = times.today_in(zone)
    found = []
    for session in sessions:
        lesson, left = session.lesson, max(session.left, 0)
        found.append(
            DateRow(
                code=lesson.code,
                day=times.day_words(times.local_day(lesson.starts_at, zone), today=today),
                hours=times.hours_words(lesson.starts_at, lesson.ends_at, zone),
                variant=lesson.variant.name,
                price=price_words(lesson.variant.price),
                left=left,
                left_words=_left_words(left),
            )
        )
    return found


def _left_words(left: int) -> str:
    return ngettext("%(num)s seat left", "%(num)s seats left", left) if left else _("Fully booked")
