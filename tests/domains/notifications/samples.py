"""Rows of the notifications' admin entry, for the tests that look at every entry."""

from __future__ import annotations

from typing import Any

from app.core import clock
from app.domains.notifications.models import Notification
from tests.support.sample import Sample, add, person


def notification(session: Any, word: str) -> Notification:
    made = Notification(
        person_id=person(session, word).id,
        kind="receipt",
        key=f"receipt:{word}",
        data={"number": word},
        url="/account/orders/",
        happened_at=clock.now(),
    )
    return add(session, made)


SAMPLES = {"notifications": Sample(notification)}
