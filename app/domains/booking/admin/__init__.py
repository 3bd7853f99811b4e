"""Booking in the admin: lessons and seats to be looked at and called off, and tutors' hours."""

from app.domains.booking.admin.hours import OverrideEntry, RuleEntry, ScheduleEntry
from app.domains.booking.admin.lessons import LessonEntry, OccupationEntry, SeatEntry, SeatMoveEntry

ADMIN = (
    LessonEntry,
    SeatEntry,
    ScheduleEntry,
    RuleEntry,
    OverrideEntry,
    SeatMoveEntry,
    OccupationEntry,
)
