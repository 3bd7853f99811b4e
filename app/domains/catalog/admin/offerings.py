"""What is sold, and for how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from app.core.viewer import Viewer
from app.core.web.categories import CATALOG
from app.core.web.cells import money_cell
from app.core.web.entry import Action, AdminEntry, Related
from app.core.web.pages import Cell
from app.domains.catalog import service
from app.domains.catalog.models import (
    ARCHIVED,
    DRAFT,
    KIND_NAMES,
    LEVEL_NAMES,
    OFFERING_STATUS,
    PAUSED,
    PUBLISHED,
    Offering,
    PriceChange,
    Variant,
)
from app.domains.catalog.policies.comparison import FIELDS, language_name

OFFERING_TONES = {DRAFT: "secondary", PUBLISHED: "success", PAUSED: "warning", ARCHIVED: "secondary"}


def _price(_value: Any, row: Variant | PriceChange) -> Cell:
    return money_cell(row.price)


def _taught_in(value: str, _row: Any) -> Cell:
    return Cell("text", language_name(value))


def _status_action(name: str, label: LazyString, run: Callable[[Offering], None], **more: Any) -> Action:
    def work(row: Offering, _data: Mapping[str, Any], _by: Viewer) -> str:
        run(row)
        return ""

    return Action(name, label, work, **more)


class OfferingEntry(AdminEntry):
    model = Offering
    label, plural = _l("Offering"), _l("Offerings")
    lead = _l("What visitors see and book. Tutors write it; what they propose waits under “Proposals”.")
    category, icon, rank = CATALOG, "book", 20
    columns = ("title", "kind", "status", "tutor", "subject", "version", "published_at")
    details = (
        "title",
        "status",
        "slug",
        "kind",
        "tutor",
        "summary",
        "description",
        "subject",
        "level",
        "language",
        "capacity",
        "policy",
        "tax_rate",
        "version",
        "published_at",
        "created_at",
    )
    search = ("title", "tutor.full_name")
    found_by = search
    filters = ("status", "kind", "level", "tutor_id", "subject_id", "published_at")
    labels = {
        "title": _l("Title"),
        "tutor": _l("Tutor"),
        "subject": FIELDS["subject_id"],
        "summary": FIELDS["summary"],
        "description": FIELDS["description"],
        "level": FIELDS["level"],
        "language": FIELDS["language"],
        "capacity": FIELDS["capacity"],
        "policy": FIELDS["policy_id"],
        "tax_rate": FIELDS["tax_rate_id"],
        "version": _l("Version"),
        "published_at": _l("Published since"),
        "subject_id": FIELDS["subject_id"],
        "policy_id": FIELDS["policy_id"],
        "tax_rate_id": FIELDS["tax_rate_id"],
        "image_key": FIELDS["image_key"],
    }
    choices = {
        "kind": tuple(KIND_NAMES.items()),
        "status": tuple(OFFERING_STATUS.items()),
        "level": tuple(LEVEL_NAMES.items()),
    }
    tones = {"status": OFFERING_TONES}
    formats = {
        "language": _taught_in,
        "slug": lambda value, row: (
            Cell("link", f"/o/{value}", url=f"/o/{value}")
            if row.status == PUBLISHED
            else Cell("secondary", f"/o/{value}")
        ),
    }
    actions = (
        _status_action(
            "pause",
            _l("Pause"),
            service.pause,
            done=_l("It is off the storefront."),
            icon="player-pause",
            text=_l("It is not shown and can't be booked until it is resumed. What was booked stays."),
            when=lambda row: row.status == PUBLISHED,
            danger=True,
            bulk=True,
        ),
        _status_action(
            "resume",
            _l("Resume"),
            service.resume,
            done=_l("It is on the storefront again."),
            icon="player-play",
            text=_l("It is shown and can be booked again, as it was."),
            when=lambda row: row.status == PAUSED,
            bulk=True,
        ),
        _status_action(
            "archive",
            _l("Archive"),
            service.archive,
            done=_l("It is archived."),
            icon="ban",
            text=_l("It goes for good: it can't be shown or changed any more. What was booked stays."),
            when=lambda row: row.status != ARCHIVED,
            danger=True,
            bulk=True,
        ),
    )
    related = (
        Related("variants", "offering_id", _l("Lengths and prices")),
        Related("proposals", "offering_id", _l("Proposals"), ("proposal", "status", "submitted_at")),
    )
    listed_on = (
        Related("people", "tutor_id", _l("Offerings"), ("title", "kind", "status", "subject")),
        Related("subjects", "subject_id", _l("Offerings"), ("title", "kind", "status", "tutor"), told=False),
    )
    sections = (
        (_l("What visitors read"), ("summary", "description", "slug")),
        (_l("For whom"), ("subject", "level", "language", "capacity")),
        (_l("Terms"), ("policy", "tax_rate")),
    )
    deeds = {"created": _l("began this offering")}
    can_add = can_edit = can_delete = False
    empty_title = _l("Nothing is offered yet")
    empty_text = _l("Tutors write offerings in their own pages and send them to you.")

    def primary_of(self, row: Offering) -> str | None:
        return "resume" if row.status == PAUSED else None


class VariantEntry(AdminEntry):
    model = Variant
    rare = True  # reached from what it belongs to
    label, plural = _l("Length and price"), _l("Lengths and prices")
    lead = _l("The ways to buy an offering. They change when a proposal is approved.")
    category, icon = CATALOG, "coin"
    columns = ("name", "offering", "duration_minutes", "price", "is_active")
    details = (*columns, "created_at", "changed_at")
    api_columns = ("name", "offering", "duration_minutes", "price_minor", "currency", "is_active")
    search = ("name", "offering.title")
    filters = ("offering_id", "is_active")
    labels = {
        "offering": _l("Offering"),
        "duration_minutes": _l("Minutes"),
        "price": _l("Price"),
        "price_minor": _l("Price in the smallest unit"),
        "position": _l("Place in the list"),
        "is_active": _l("On offer"),
    }
    formats = {"price": _price}
    related = (Related("price-changes", "variant_id", _l("What it cost")),)
    can_add = can_edit = can_delete = False
    empty_title = _l("No prices yet")
    empty_text = _l("They come with the first offering that is approved.")


class PriceChangeEntry(AdminEntry):
    model = PriceChange
    rare = True  # reached from what it belongs to
    label, plural = _l("Price since"), _l("Price history")
    lead = _l("What everything cost, from when on, and who approved it.")
    category, icon = CATALOG, "history"
    columns = ("variant", "price", "valid_from", "set_by")
    api_columns = ("variant", "price_minor", "currency", "valid_from", "set_by")
    search = ("variant.name", "set_by")
    filters = ("variant_id", "valid_from")
    labels = {
        "variant": _l("Length and price"),
        "price": _l("Price"),
        "valid_from": _l("From"),
        "set_by": _l("Approved by"),
    }
    formats = {"price": _price}
    can_add = can_edit = can_delete = False
    empty_title = _l("No prices yet")
