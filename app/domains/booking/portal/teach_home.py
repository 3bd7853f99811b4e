"""`/teach/`: a tutor's first page: the next lesson, who is to be marked, the days to come, what was earned,
and until then the steps to a first booking."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_skeleton
from flask import render_template, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.core import clock
from app.core.locales import reader_locale
from app.core.money import Money
from app.core.web.pages import ActionLink, Empty
from app.core.web.site import site
from app.core.web.viewing import login_required
from app.domains.booking.models import Lesson
from app.domains.booking.portal import access, times, words
from app.domains.booking.portal.homes import Bar, NextLesson, Step, countdown, hours_words, sizes
from app.domains.booking.portal.teach import TaughtRow, bp, row_of
from app.domains.booking.queries import homes, pages
from app.domains.earnings import queries as earnings

MONTHS = 6
MOST_PAST = 10
WEEK = dt.timedelta(days=7)


@dataclass(frozen=True)
class Earned:
    """A tutor's money: this month's, what of all stands where, and the months before as a drawing."""

    month: str
    amount: str
    pending: str
    cleared: str
    bars: Sequence[Bar]


@bp.get("/teach/")
@login_required
def index() -> Any:
    """What is to be marked, what comes, what was, and what came of it."""
    _who, person_id = access.tutor()
    now, zone = clock.now(), times.viewer_zone()
    to_mark = [row_of(lesson, zone, now) for lesson in pages.unmarked_of_tutor(person_id)]
    lessons = pages.next_of_tutor(person_id)
    coming = [row_of(lesson, zone, now) for lesson in lessons]
    return render_template(
        "booking/teach.html",
        next=_next(lessons[0], coming[0], now) if coming else None,
        to_mark=to_mark,
        days=_days(coming, zone),
        past=[row_of(lesson, zone, now) for lesson in pages.past_of_tutor(person_id, limit=MOST_PAST)],
        week=_week(person_id, lessons, zone, now),
        earned=_earned(person_id, zone, now),
        steps=_steps(homes.set_up_of(person_id)),
        zone=times.zone_words(zone),
        empty_state=_empty(),
    )


def _empty() -> Empty:
    return Empty(
        _("Nobody has booked yet"),
        _("Open your hours and publish an offering. What people book appears here."),
        url_for("hours.show"),
        _("Open your hours"),
    )


def _next(lesson: Lesson, row: TaughtRow, now: dt.datetime) -> NextLesson:
    links = [
        ActionLink("message", _("Message %(name)s", name=seat.name), seat.message_url, "message")
        for seat in row.seats
        if seat.message_url
    ]
    return NextLesson(
        url=row.url,
        title=row.title,
        starts_at=row.starts_at,
        when=row.when,
        countdown=_("Now") if row.is_on else countdown(lesson.starts_at, now),
        who=row.names,
        place=row.place,
        is_on=row.is_on,
        call_url="",
        links=links[:2],
    )


# -- Days and the week -------------------------------------------------------------------------------------


def _days(rows: Sequence[TaughtRow], zone: str) -> list[tuple[str, list[TaughtRow]]]:
    """(day in words, its lessons)"""
    today = times.today_in(zone)
    found: dict[dt.date, list[TaughtRow]] = {}
    for row in rows:
        found.setdefault(max(times.local_day(row.starts_at, zone), today), []).append(row)
    return [(_day_heading(day, today), lessons) for day, lessons in found.items()]


def _day_heading(day: dt.date, today: dt.date) -> str:
    named = times.day_words(day, today=today)
    if day == today:
        return _("Today, %(day)s", day=named)
    if day == today + dt.timedelta(days=1):
        return _("Tomorrow, %(day)s", day=named)
    return named


def _week(tutor_id: int, coming: Sequence[Lesson], zone: str, now: dt.datetime) -> list[tuple[str, str]]:
    """(what, how much) of this calendar week: what was taught and what is still to come."""
    today = times.today_in(zone)
    monday = today - dt.timedelta(days=today.weekday())
    since = dt.datetime.combine(monday, dt.time(), tzinfo=ZoneInfo(zone))
    taught = homes.taught_by(tutor_id, since=since, now=now)
    ahead = [lesson for lesson in coming if lesson.starts_at < since + WEEK and lesson.taken]
    minutes = sum(int((lesson.ends_at - lesson.starts_at).total_seconds() // 60) for lesson in ahead)
    return [
        (_("Taught this week"), _lessons_and_hours(taught.lessons, taught.minutes)),
        (_("Still to come this week"), _lessons_and_hours(len(ahead), minutes)),
    ]


def _lessons_and_hours(lessons: int, minutes: int) -> str:
    """“5 lessons, 6 h”"""
    if not lessons:
        return _("nothing")
    return ngettext(
        "%(num)s lesson, %(hours)s", "%(num)s lessons, %(hours)s", lessons, hours=hours_words(minutes)
    )


# -- Money -------------------------------------------------------------------------------------------------


def _earned(tutor_id: int, zone: str, now: dt.datetime) -> Earned | None:
    """Nothing until something was sold."""
    currency = site().currency or "EUR"
    months = _months(now, zone)
    since = dt.datetime.combine(months[0], dt.time(), tzinfo=ZoneInfo(zone))
    found = earnings.earned_by_month(tutor_id, currency, since=since, zone=zone)
    totals = earnings.totals_of(tutor_id, currency)
    if not found and not totals.pending.minor and not totals.cleared.minor:
        return None
    sums = [found.get(month, Money.zero(currency)) for month in months]
    lengths = sizes([amount.minor for amount in sums])
    return Earned(
        month=_month_words(months[-1], "yMMMM"),
        amount=words.money_words(sums[-1]),
        pending=words.money_words(totals.pending),
        cleared=words.money_words(totals.cleared),
        bars=[
            Bar(_month_words(month, "MMM"), words.money_words(amount), length)
            for month, amount, length in zip(months, sums, lengths, strict=True)
        ],
    )


def _months(now: dt.datetime, zone: str) -> list[dt.date]:
    """The first days of this month and of those before it, the oldest first."""
    today = now.astimezone(ZoneInfo(zone)).date()
    last = today.year * 12 + today.month - 1
    return [dt.date(month // 12, month % 12 + 1, 1) for month in range(last - MONTHS + 1, last + 1)]


def _month_words(month: dt.date, skeleton: str) -> str:
    midday = dt.datetime.combine(month, dt.time(12), tzinfo=dt.UTC)
    return str(format_skeleton(skeleton, midday, tzinfo=dt.UTC, locale=reader_locale()))


# -- The first steps ---------------------------------------------------------------------------------------


def _steps(done: homes.SetUp) -> list[Step]:
    """What leads to a first booking; empty once all is done."""
    if done.is_done:
        return []
    return [
        Step(
            _("Say who you are"),
            done.has_profile,
            "/teach/profile/",
            _("A picture, a sentence, what you are good at: people book a person."),
        ),
        Step(
            _("Open your hours"),
            done.has_hours,
            url_for("hours.show"),
            _("When you teach in a usual week. Single days can differ."),
        ),
        Step(
            _("Write your first offering"),
            done.has_offering,
            "/teach/offerings/new" if not done.has_offering else "/teach/offerings/",
            _("What is taught, how long it takes, what it costs."),
        ),
        Step(
            _("Submit it for review"),
            done.has_submitted,
            "/teach/offerings/",
            _("The company looks at it and publishes it."),
        ),
    ]
