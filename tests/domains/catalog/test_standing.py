"""Where an offering stands, and what its tutor may do there: every state of both."""

from __future__ import annotations

import pytest
from flask import Flask

from app.domains.catalog.models import (
    ARCHIVED,
    DRAFT,
    PAUSED,
    PUBLISHED,
    RETURNED,
    SUBMITTED,
    Offering,
    OfferingRevision,
)
from app.domains.catalog.policies.standing import is_editable, is_sendable, standing

OPEN = (None, DRAFT, SUBMITTED, RETURNED)


def revision(state: str | None) -> OfferingRevision | None:
    return OfferingRevision(status=state) if state is not None else None


@pytest.mark.parametrize("offering", [DRAFT, PUBLISHED, PAUSED, ARCHIVED])
@pytest.mark.parametrize("open_one", OPEN)
def test_what_may_be_done(offering: str, open_one: str | None) -> None:
    """It is changed until it is archived, and while nobody looks at it; sent where something is new."""
    of = Offering(status=offering)
    may_change = offering != ARCHIVED and open_one != SUBMITTED
    assert is_editable(of, revision(open_one)) is may_change
    assert is_sendable(of, revision(open_one)) is (may_change and open_one is not None)


@pytest.mark.parametrize(
    ("offering", "names"),
    [
        (DRAFT, ["Draft", "Draft", "Waiting for review", "Sent back"]),
        (
            PUBLISHED,
            [
                "Published",
                "Published, with changes",
                "Published, changes under review",
                "Published, changes sent back",
            ],
        ),
        (PAUSED, ["Paused"] * 4),
        (ARCHIVED, ["Archived"] * 4),
    ],
)
def test_it_is_called(app: Flask, offering: str, names: list[str]) -> None:
    with app.test_request_context(headers={"Accept-Language": "en"}):
        found = [standing(Offering(status=offering), revision(state)) for state in OPEN]
        assert [str(each.name) for each in found] == names
        assert all(str(each.next) for each in found)
