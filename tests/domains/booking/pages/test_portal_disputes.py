"""What a customer sees who cancels what their bank took the money of."""

from __future__ import annotations

import pytest

from app.domains.booking import queries
from app.domains.booking.models import BOOKED
from tests.domains.booking.pages.support import Stage, words_of
from tests.domains.booking.support import MONDAY


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("needs_response", "This payment is disputed; until that is decided nothing is refunded."),
        ("lost", "There is nothing to give back here any more."),
    ],
)
def test_cancelling_says_why_it_can_not_be(stage: Stage, status: str, words: str) -> None:
    code = stage.booked(MONDAY)

    def take_back() -> None:
        with stage.school.inside():
            seat_id = queries.seat_by_code(code).id
        stage.school.dispute(seat_id, status)

    stage.inside(take_back)
    answer = stage.browser("student").post(f"/learn/lessons/{code}/cancel", expected="4000")
    assert answer.status_code == 409
    assert words in words_of(answer.text)
    assert 'name="expected"' in answer.text  # the form, with what was typed
    assert stage.seat(code).status == BOOKED
