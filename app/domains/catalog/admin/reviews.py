"""What is said about offerings, which a company may hide but never change, and who may say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l

from app.core.viewer import Viewer
from app.core.web.categories import CATALOG
from app.core.web.entry import Action, AdminEntry, Related
from app.domains.catalog import service
from app.domains.catalog.forms.reviews import HideForm
from app.domains.catalog.models import HIDDEN, LAPSED, REVIEW_STATUS, VISIBLE, Participation, Review
from app.domains.catalog.policies.reviews import MOST, STARS

STARS_DRAWN = tuple((str(stars), "★" * stars + "☆" * (MOST - stars)) for stars in STARS)
REVIEW_TONES = {VISIBLE: "success", HIDDEN: "warning", LAPSED: "secondary"}


def _hide(row: Review, data: Mapping[str, Any], by: Viewer) -> str:
    service.hide(row, reason=data["reason"], by=by.actor.label)
    return ""


def _show(row: Review, _data: Mapping[str, Any], _by: Viewer) -> str:
    service.show(row)
    return ""


class ReviewEntry(AdminEntry):
    model = Review
    label, plural = _l("Review"), _l("Reviews")
    lead = _l("What students say about their lessons. You can hide what breaks your rules, never change it.")
    category, icon = CATALOG, "star"
    columns = ("offering", "rating", "text", "author", "status", "written_at")
    details = (
        "offering",
        "offering.tutor",
        "rating",
        "text",
        "status",
        "author",
        "student",
        "written_at",
        "edited_at",
        "reply",
        "replied_at",
        "hidden_reason",
        "hidden_by",
    )
    search = ("offering.title", "author.full_name", "text")
    filters = ("status", "rating", "offering_id", "author_id", "written_at")
    order = ("written_at", "desc")
    labels = {
        "offering": _l("Offering"),
        "offering.tutor": _l("Tutor"),
        "offering_id": _l("Offering"),
        "author_id": _l("Written by"),
        "rating": _l("Stars"),
        "text": _l("Text"),
        "author": _l("Written by"),
        "student": _l("Student"),
        "written_at": _l("Written"),
        "edited_at": _l("Changed"),
        "reply": _l("The tutor's answer"),
        "replied_at": _l("Answered"),
        "hidden_reason": _l("Why it is hidden"),
        "hidden_by": _l("Hidden by"),
    }
    choices = {"status": tuple(REVIEW_STATUS.items()), "rating": STARS_DRAWN}
    tones = {"status": REVIEW_TONES}
    listed_on = (
        Related("offerings", "offering_id", _l("Reviews")),
        Related("people", "student_id", _l("Reviews")),
    )
    actions = (
        Action(
            "hide",
            _l("Hide"),
            _hide,
            done=_l("It is not shown any more and does not count."),
            icon="eye-off",
            text=_l("Visitors don't see it any more, and it does not count. It is kept, with your reason."),
            form=HideForm,
            when=lambda row: row.status != HIDDEN,
            danger=True,
        ),
        Action(
            "show",
            _l("Show again"),
            _show,
            done=_l("It is shown again, and counts."),
            icon="eye",
            text=_l("Visitors see it again, and it counts in the rating."),
            when=lambda row: row.status == HIDDEN,
        ),
    )
    can_add = can_edit = can_delete = False
    empty_title = _l("No reviews yet")
    empty_text = _l("Students are asked how it was after each lesson that they came to.")

    def primary_of(self, row: Review) -> str | None:
        return "show" if row.status == HIDDEN else None


class ParticipationEntry(AdminEntry):
    model = Participation
    rare = True  # reached from what it belongs to
    label, plural = _l("Participation"), _l("Participations")
    lead = _l("Who came to a lesson that stayed paid: they may review it. Attendance decides this.")
    category, icon = CATALOG, "user-check"
    columns = ("student", "offering", "happened_at")
    search = ("student.full_name", "offering.title")
    filters = ("student_id", "offering_id", "happened_at")
    order = ("happened_at", "desc")
    labels = {
        "student": _l("Student"),
        "offering": _l("Offering"),
        "student_id": _l("Student"),
        "offering_id": _l("Offering"),
        "happened_at": _l("Took part"),
        "source_id": _l("Seat"),
    }
    can_add = can_edit = can_delete = False
    empty_title = _l("Nobody took part yet")
    empty_text = _l("Each attended lesson stands here.")
