"""The next free times in words, for the pages of the catalogue: see `catalog.policies.free_times`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from flask import url_for
from flask_babel import gettext as _

from app.domains.booking.portal import times
from app.domains.booking.portal.words import duration_words, price_words
from app.domains.booking.queries.soon import Soon, soonest
from app.domains.catalog.policies.free_times import FreeTime, FreeTimes


def free_times(tutor_ids: Collection[int], *, each: int) -> FreeTimes:
    """In the viewer's zone, each with the way to the picker that shows its day."""
    zone = times.viewer_zone()
    today = times.today_in(zone)
    found = soonest(tutor_ids, each=each) if tutor_ids else []
    return FreeTimes(times.zone_words(zone), [_worded(soon, zone, today) for soon in found])


def _worded(soon: Soon, zone: str, today: dt.date) -> FreeTime:
    offering, variant, slot = soon.offering, soon.variant, soon.slot
    day = times.local_day(slot.starts_at, zone)
    address: dict[str, Any] = {"from": day.isoformat(), "day": day.isoformat()}
    if len(offering.variants) > 1:
        address["variant"] = variant.id
    return FreeTime(
        tutor_id=offering.tutor_id,
        tutor=offering.tutor.full_name,
        title=offering.title,
        length=duration_words(variant.duration_minutes),
        price=price_words(variant.price),
        day=_day_words(day, today),
        time=times.time_words(slot.starts_at, zone),
        starts_at=slot.starts_at,
        url=url_for("booking.show", slug=offering.slug, _anchor="times", **address),
    )


def _day_words(day: dt.date, today: dt.date) -> str:
    if day == today:
        return _("Today")
    if day == today + dt.timedelta(days=1):
        return _("Tomorrow")
    return times.short_day_words(day)
