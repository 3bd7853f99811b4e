"""Noting that somebody was seen must never get in the way of what they do."""

from __future__ import annotations

import datetime as dt

from app.core import clock
from tests.support.world import World


def test_a_form_left_open_for_a_day_keeps_its_text(world: World) -> None:
    browser = world.manager()
    browser.get("/admin/people/add")
    with clock.machine_frozen(clock.machine_now() + dt.timedelta(days=1)):
        answer = browser.post_raw("/admin/people/add", {"full_name": "Kept Name", "csrf_token": "expired"})
    assert answer.status_code == 422, answer.text
    assert "Kept Name" in answer.text
    assert "Nothing is lost" in answer.text
