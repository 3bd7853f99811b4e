"""Why a time is not offered, in words: the first rule that is in the way, and where it is changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flask import url_for
from flask_babel import gettext as _

from app.core.web.pages import ActionLink
from app.domains.booking import policies, queries
from app.domains.booking.forms.explaining import ExplainForm
from app.domains.booking.models import AvailabilitySchedule
from app.domains.booking.policies import Interval, Reason
from app.domains.booking.portal import times
from app.domains.booking.portal.words import duration_words
from app.domains.catalog.models import Variant

HOUR = dt.timedelta(hours=1)
YEARS = (1990, 2200)  # whatever lies beyond is no lesson's time


@dataclass(frozen=True)
class Answer:
    """What is said of one moment, and the way to where it is changed."""

    is_free: bool
    when: str
    sentences: Sequence[str]
    link: ActionLink | None = None


def answers(form: ExplainForm, schedule: AvailabilitySchedule, variants: Sequence[Variant]) -> list[Answer]:
    """One for each moment at which the tutor's clock shows that time: it may come twice, or not at all."""
    wall, zone = form.wall, schedule.timezone
    if not YEARS[0] <= wall.year <= YEARS[1]:
        return [Answer(False, "", [_("This is too far away for any lesson.")])]
    moments = policies.moments_of(wall, zone)
    if not moments:
        return [Answer(False, "", [_("The clocks skip this time on that day, so nothing can begin then.")])]
    variant = next((each for each in variants if str(each.id) == form.why_lesson.data), None)
    return [_answer(schedule, at, variant, is_one=len(moments) == 1) for at in moments]


def _answer(
    schedule: AvailabilitySchedule, at: dt.datetime, variant: Variant | None, *, is_one: bool
) -> Answer:
    zone = schedule.timezone
    duration = dt.timedelta(minutes=variant.duration_minutes) if variant else HOUR
    sold = (variant.offering, variant) if variant else None
    reason = queries.explained(schedule.tutor_id, at, duration, sold=sold)
    when = times.moment_words(at, zone)
    if not is_one:
        when = f"{when} ({times.offset_words(at, zone)})"
    if reason is None:
        return Answer(True, when, [_("It is offered: whoever looks now can book it.")])
    return Answer(False, when, _sentences(reason, schedule, zone), _link(reason))


def _sentences(reason: Reason, schedule: AvailabilitySchedule, zone: str) -> list[str]:
    if reason.taken is not None:
        return [_taken_words(reason, zone)]
    if reason.why == "notice":
        notice = duration_words(schedule.notice_minutes)
        earliest = times.moment_words(reason.at, zone) if reason.at else ""
        return [
            _("You want to be booked at least %(time)s ahead.", time=notice),
            _("The earliest moment at present: %(time)s.", time=earliest),
        ]
    if reason.why == "horizon" and reason.at is not None:
        last = times.day_words(times.local_day(reason.at - dt.timedelta(seconds=1), zone))
        days = duration_words(schedule.horizon_days * 1440)
        return [
            _("You can be booked at most %(time)s ahead.", time=days),
            _("The last day at present: %(day)s.", day=last),
        ]
    if reason.why == "step":
        return _step_words(reason, schedule, zone)
    if reason.why in _CLOSED:
        return [_closed_words(reason, zone), *_hours_words(reason.hours, zone)]
    return [_PLAIN[reason.why]()]


def _taken_words(reason: Reason, zone: str) -> str:
    there = reason.taken
    assert there is not None, "asked for what is taken only"
    about = {
        "title": there.label,
        "hours": times.hours_words(there.lesson.starts_at, there.lesson.ends_at, zone),
    }
    if reason.why == "held":
        return _("Somebody is booking at this moment: “%(title)s”, %(hours)s.", **about)
    if reason.why == "buffer":
        return _(
            "The time that you keep free around lessons is in the way: “%(title)s” is at %(hours)s.",
            **about,
        )
    if not there.teaches:
        return _("You are in a lesson yourself then: “%(title)s”, %(hours)s.", **about)
    return _("You teach then: “%(title)s”, %(hours)s.", **about)


def _step_words(reason: Reason, schedule: AvailabilitySchedule, zone: str) -> list[str]:
    step = duration_words(schedule.step_minutes)
    found = [
        _(
            "Your lessons can begin every %(time)s, counted from the beginning of your hours; not at this"
            " minute.",
            time=step,
        )
    ]
    if reason.near:
        near = ", ".join(times.time_words(at, zone) for at in reason.near)
        found.append(_("The nearest: %(times)s.", times=near))
    return found


def _closed_words(reason: Reason, zone: str) -> str:
    if reason.why == "too_long" and reason.at is not None:
        ends = times.time_words(reason.at, zone)
        return _("The lesson would be longer than your hours: they end at %(time)s.", time=ends)
    return _CLOSED[reason.why]()


_CLOSED: Mapping[str, Callable[[], str]] = {
    "day_off": lambda: _("You have marked this date as a day off."),
    "other_hours": lambda: _("Other hours count on this date, and this time is not in them."),
    "no_hours": lambda: _("You do not teach on this day of the week."),
    "outside_hours": lambda: _("It is outside of your hours."),
    "too_long": lambda: _("The lesson would be longer than your hours."),
}

_PLAIN: Mapping[str, Callable[[], str]] = {
    "past": lambda: _("This time is over."),
    "horizon": lambda: _("It is too far ahead."),
    "suspended": lambda: _("Nothing can be booked here at the moment: the company is closed for bookings."),
    "no_schedule": lambda: _("You have no hours yet, so nothing of yours can be booked."),
    "not_published": lambda: _("This offering is not published, so nobody can book it."),
    "by_date": lambda: _("This has dates of its own: people book those, and no other times."),
}


def _hours_words(hours: Sequence[Interval], zone: str) -> list[str]:
    if not hours:
        return []
    spans = ", ".join(times.hours_words(i.starts_at, i.ends_at, zone) for i in hours)
    return [_("Your hours on that day: %(hours)s.", hours=spans)]


def _link(reason: Reason) -> ActionLink | None:
    """Where it is changed, or looked at."""
    if reason.why in {"day_off", "other_hours"}:
        return ActionLink("dates", _("Dates that differ"), "#dates", "calendar")
    if reason.why in {"no_hours", "outside_hours", "too_long", "no_schedule"}:
        return ActionLink("week", _("Your week"), "#week", "clock")
    if reason.why in {"notice", "horizon", "step", "buffer"}:
        return ActionLink("terms", _("How you can be booked"), "#terms", "settings")
    if reason.why == "not_published":
        return ActionLink("offerings", _("Your offerings"), "/teach/offerings/", "book")
    if reason.taken is not None and reason.taken.teaches and reason.why == "booked":
        url = url_for("teaching.lesson", code=reason.taken.url_code)
        return ActionLink("lesson", _("To the lesson"), url, "calendar")
    return None
