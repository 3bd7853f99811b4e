"""What an order's line says was bought, in languages of both directions."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest

from app.domains.booking.service import seats


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("en", "German, 60 minutes, 30 Nov 2026, 10:30 (Europe/Berlin)"),
        # The date in Arabic is held together beside words in Latin letters.
        ("ar", "German, 60 minutes, \u206830 نوفمبر 2026, 10:30 (Europe/Berlin)\u2069"),
    ],
)
def test_a_line_names_the_lesson_and_its_time(locale: str, text: str) -> None:
    lesson: Any = SimpleNamespace(
        starts_at=dt.datetime(2026, 11, 30, 9, 30, tzinfo=dt.UTC),
        timezone="Europe/Berlin",
        offering=SimpleNamespace(title="German"),
        variant=SimpleNamespace(name="60 minutes"),
    )
    assert seats._description(lesson, locale) == text
