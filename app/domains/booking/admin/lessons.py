"""Lessons and who is in them. Nothing is typed in here: what changes, changes by an action."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import TextAreaField
from wtforms.validators import InputRequired, Length

from app.core import clock
from app.core.locales import reader_locale
from app.core.moments import moment
from app.core.money import Money
from app.core.viewer import Viewer
from app.core.web.categories import TEACHING
from app.core.web.cells import NOTHING, money_cell
from app.core.web.entry import Action, AdminEntry, Category, Related
from app.core.web.forms import Form, strip
from app.core.web.pages import Cell
from app.domains.booking import models, policies, service
from app.domains.booking.models import BOOKED, SCHEDULED, Lesson, Occupation, Seat, SeatMove
from app.domains.catalog.policies import minutes_in_words

TONES = {
    models.HELD: "warning",
    models.SCHEDULED: "success",
    models.BOOKED: "success",
    models.DONE: "info",
    models.ATTENDED: "info",
    models.MISSED: "warning",
    models.CANCELLED: "danger",
}
RESOURCE_KINDS = ((models.TUTOR, _l("Teaches")), (models.STUDENT, _l("Learns")), (models.ROOM, _l("Room")))


class ReasonForm(Form):
    reason = TextAreaField(
        _l("Reason"),
        [InputRequired(_l("Please say why: those who booked read it.")), Length(max=1000)],
        filters=[strip],
        description=_l("Everybody who booked reads it."),
    )


class Kept(AdminEntry):
    """Facts about lessons: no form, no import, nothing is ever deleted."""

    category: Category = TEACHING
    can_add = can_edit = can_delete = False
    tones = {"status": TONES}


def _words(amount: Money) -> str:
    return amount.format(reader_locale())


def _money(minor: int, row: Any) -> Cell:
    return money_cell(Money(minor, row.currency))


def _call_off(row: Lesson, data: Mapping[str, Any], by: Viewer) -> str:
    total = service.cancel_lesson(row, by=by.actor.label, reason=data["reason"])
    if not total.minor:
        return _("The lesson is cancelled.")
    return _("The lesson is cancelled. %(amount)s goes back to those who booked.", amount=_words(total))


def _cancel_seat(row: Seat, data: Mapping[str, Any], by: Viewer) -> str:
    refunded = service.cancel_seat(row, by=by.actor.label, reason=data["reason"])
    return _("Cancelled. %(amount)s goes back.", amount=_words(refunded))


def _call_off_seat(row: Seat, data: Mapping[str, Any], by: Viewer) -> str:
    return _call_off(row.lesson, data, by)


def _may_call_off(row: Lesson) -> bool:
    return row.status == SCHEDULED


def _refund_now(_value: Any, row: Seat) -> Cell:
    """What the customer would get back now, by the policy they booked under."""
    if row.status != BOOKED:
        return NOTHING
    due = policies.refund_due(row, row.lesson.starts_at, clock.now())
    return money_cell(due.amount)


def _lesson(value: Lesson | None, row: Seat | Occupation) -> Cell:
    """By its time: its code says nothing to anybody."""
    if value is None:
        return NOTHING
    return Cell("link", moment(value.starts_at), url=f"/admin/all-lessons/{row.lesson_id}")


def _policy(value: Mapping[str, Any], _row: Seat) -> Cell:
    words = _(
        "Free until %(free)s before, then %(share)s%% back; moved %(moves)s times at most, until %(move)s"
        " before.",
        free=minutes_in_words(int(value["free_until_minutes"])),
        share=f"{int(value['late_refund_bp']) / 100:g}",
        moves=value["max_moves"],
        move=minutes_in_words(int(value["move_until_minutes"])),
    )
    return Cell("text", words)


def _taken(value: int, row: Lesson) -> Cell:
    return Cell("number", f"{value}/{row.capacity}")


class LessonEntry(Kept):
    model = Lesson
    slug = "all-lessons"  # the API's /lessons are the caller's own
    label, plural = _l("Lesson"), _l("Lessons")
    lead = _l("What is taught when, by whom, and how many are in it.")
    icon, rank = "calendar", 10
    menu_label = _l("All lessons")
    columns = ("starts_at", "offering", "tutor", "taken", "status")
    details = (
        "offering",
        "variant",
        "tutor",
        "starts_at",
        "ends_at",
        "timezone",
        "status",
        "taken",
        "place",
        "cancel_reason",
        "code",
        "created_at",
    )
    api_columns = (*details, "capacity", "sequence")
    search = ("code", "offering.title", "tutor.full_name")
    found_by = ("=code", "offering.title", "tutor.full_name")
    filters = ("status", "starts_at", "tutor_id", "offering_id")
    order = ("starts_at", "desc")
    choices = {"status": tuple(models.LESSON_STATUS.items())}
    labels = {
        "starts_at": _l("Begins"),
        "ends_at": _l("Ends"),
        "offering": _l("Offering"),
        "offering_id": _l("Offering"),
        "variant": _l("Variant"),
        "tutor": _l("Tutor"),
        "tutor_id": _l("Tutor"),
        "taken": _l("Seats taken"),
        "place": _l("Where"),
        "cancel_reason": _l("Cancelled because"),
    }
    formats = {"taken": _taken}
    actions = (
        Action(
            "cancel",
            _l("Cancel the lesson"),
            _call_off,
            icon="circle-x",
            text=_l("Everybody who booked is told and gets everything back, whatever the policy says."),
            form=ReasonForm,
            when=_may_call_off,
            danger=True,
        ),
    )
    related = (
        Related("seats", "lesson_id", _l("Who is in it"), ("student", "payer", "price_minor", "status")),
        Related("seat-moves", "seat.lesson_id", _l("Moved from another time")),
        Related("occupations", "lesson_id", _l("Whose time it takes"), told=False),
    )
    listed_on = (
        Related("people", "tutor_id", _l("Lessons they teach"), told=False),
        Related("offerings", "offering_id", _l("Lessons"), told=False),
    )
    sections = ((_l("When and where"), ("starts_at", "ends_at", "timezone", "place")),)
    deeds = {"created": _l("reserved the time"), SCHEDULED: _l("confirmed the lesson")}
    empty_title = _l("No lessons yet")
    empty_text = _l("The first booking, or a group class's first date, stands here.")

    def title_of(self, row: Lesson) -> str:
        return _("%(title)s, %(time)s", title=row.offering, time=moment(row.starts_at))


class SeatEntry(Kept):
    model = Seat
    label, plural = _l("Booking"), _l("Bookings")
    lead = _l("Places in lessons: held, booked, and what became of them.")
    icon, rank = "school", 20
    columns = ("lesson.starts_at", "student", "payer", "price_minor", "status")
    details = (
        "lesson",
        "student",
        "payer",
        "status",
        "price_minor",
        "refund_now",
        "refund_minor",
        "policy",
        "moves",
        "expires_at",
        "booked_at",
        "marked_at",
        "cancelled_at",
        "cancelled_by",
        "cancel_reason",
        "created_at",
    )
    # Not its code: whoever has a hold's code can go on with it.
    api_columns = (*(name for name in details if name != "refund_now"), "currency", "renewals")
    search = ("student.full_name", "payer.full_name")
    filters = ("status", "student_id", "payer_id", "lesson_id", "booked_at", "marked_at", "cancelled_at")
    choices = {"status": tuple(models.SEAT_STATUS.items())}
    labels = {
        "lesson.starts_at": _l("Lesson begins"),
        "lesson": _l("Lesson"),
        "lesson_id": _l("Lesson"),
        "student": _l("Student"),
        "student_id": _l("Student"),
        "payer": _l("Payer"),
        "payer_id": _l("Payer"),
        "price_minor": _l("Price"),
        "refund_now": _l("Refund if cancelled now"),
        "refund_minor": _l("Refunded"),
        "policy": _l("Cancellation policy"),
        "moves": _l("Moved, times"),
        "expires_at": _l("Held until"),
        "booked_at": _l("Booked"),
        "marked_at": _l("Attendance marked"),
        "cancelled_at": _l("Cancelled"),
        "cancelled_by": _l("Cancelled by"),
        "cancel_reason": _l("Cancelled because"),
    }
    formats = {
        "lesson": _lesson,
        "price_minor": _money,
        "refund_minor": _money,
        "refund_now": _refund_now,
        "policy": _policy,
    }
    actions = (
        Action(
            "cancel",
            _l("Cancel for the customer"),
            _cancel_seat,
            icon="circle-x",
            text=_l(
                "As if the customer did it now: by the policy they booked under, which may keep a part."
                " To give everything back, choose that instead."
            ),
            form=ReasonForm,
            when=lambda row: row.status == BOOKED and row.lesson.starts_at > clock.now(),
            danger=True,
        ),
        Action(
            "call-off",
            _l("Cancel and give everything back"),
            _call_off_seat,
            icon="ban",
            text=_l("The company calls the lesson off: everything goes back, whatever the policy says."),
            form=ReasonForm,
            # Of a class the whole date is called off, on the lesson's own page.
            when=lambda row: row.status == BOOKED and row.lesson.capacity == 1,
            danger=True,
        ),
    )
    related = (Related("seat-moves", "seat_id", _l("Moved")),)
    listed_on = (
        Related("people", "student_id", _l("Bookings")),
        Related("order-lines", "line_id", _l("What was booked with it")),
    )
    sections = (
        (_l("Money"), ("price_minor", "refund_now", "refund_minor", "policy")),
        (_l("What became of it"), ("expires_at", "booked_at", "moves", "marked_at")),
        (_l("Cancelled"), ("cancelled_at", "cancelled_by", "cancel_reason")),
    )
    deeds = {"created": _l("reserved the place")}
    empty_title = _l("No bookings yet")
    empty_text = _l("Whoever chooses a time on the storefront holds it, and then books it.")

    def title_of(self, row: Seat) -> str:
        who = row.student or row.payer or _("Not known yet")
        return _("%(title)s, %(time)s", title=who, time=moment(row.lesson.starts_at))


class SeatMoveEntry(Kept):
    model = SeatMove
    label, plural = _l("Move"), _l("Moves")
    lead = _l("From which time to which other one bookings were moved, and by whom.")
    icon = "history"
    columns = ("moved_at", "seat_id", "from_starts_at", "to_starts_at", "moved_by")
    filters = ("seat_id", "moved_at")
    order = ("moved_at", "desc")
    labels = {
        "moved_at": _l("When"),
        "seat": _l("Booking"),
        "seat_id": _l("Booking"),
        "from_starts_at": _l("Old time"),
        "to_starts_at": _l("New time"),
        "moved_by": _l("By"),
    }
    formats = {"seat_id": lambda value, _row: Cell("link", str(value), url=f"/admin/seats/{value}")}
    rare = True
    empty_title = _l("Nothing was moved yet")

    def title_of(self, row: SeatMove) -> str:
        start, end = moment(row.from_starts_at), moment(row.to_starts_at)
        return _("%(start)s to %(end)s", start=start, end=end)


def _when(during: Any) -> str:
    starts, ends = during.lower.astimezone(dt.UTC), during.upper.astimezone(dt.UTC)
    return str(_("%(start)s to %(end)s", start=moment(starts), end=moment(ends)))


class OccupationEntry(Kept):
    model = Occupation
    label, plural = _l("Occupied time"), _l("Occupied times")
    lead = _l("Who is where: nobody can be in two places at once. A tutor's times include their breaks.")
    icon = "clock"
    columns = ("during", "resource_kind", "resource_id", "lesson", "expires_at")
    filters = ("resource_kind", "lesson_id", "expires_at")
    sortable = ("during", "resource_kind", "expires_at")
    order = ("during", "desc")
    choices = {"resource_kind": RESOURCE_KINDS}
    labels = {
        "during": _l("When"),
        "resource_kind": _l("What they do"),
        "resource_id": _l("Person"),
        "lesson": _l("Lesson"),
        "lesson_id": _l("Lesson"),
        "expires_at": _l("Held until"),
    }
    formats = {
        "during": lambda value, _row: Cell("text", _when(value)),
        "lesson": _lesson,
        "resource_id": lambda value, _row: Cell("link", str(value), url=f"/admin/people/{value}"),
    }
    rare = True
    empty_title = _l("Everybody is free")

    def title_of(self, row: Occupation) -> str:
        return _when(row.during)
