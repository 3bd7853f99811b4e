"""Where an offering stands between its tutor and its manager, in words."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

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


@dataclass(frozen=True)
class Standing:
    """`name` in words with the colour of its badge, and what happens `next`."""

    name: LazyString
    tone: str
    next: LazyString


_UNPUBLISHED = {
    None: Standing(_l("Draft"), "secondary", _l("Complete it, then send it to be reviewed.")),
    DRAFT: Standing(_l("Draft"), "secondary", _l("Complete it, then send it to be reviewed.")),
    SUBMITTED: Standing(
        _l("Waiting for review"),
        "info",
        _l("The company looks at it, and then publishes it or sends it back. You get a message."),
    ),
    RETURNED: Standing(_l("Sent back"), "warning", _l("Change what was asked for, then send it again.")),
}
_LIVE = {
    None: Standing(_l("Published"), "success", _l("It can be booked. You can change it at any time.")),
    DRAFT: Standing(
        _l("Published, with changes"),
        "success",
        _l("Your changes are not sent yet. Until they are approved the former version can be booked."),
    ),
    SUBMITTED: Standing(
        _l("Published, changes under review"),
        "info",
        _l("The company looks at your changes. Until they are approved the former version can be booked."),
    ),
    RETURNED: Standing(
        _l("Published, changes sent back"),
        "warning",
        _l("Change what was asked for, then send it again. The former version can still be booked."),
    ),
}
_PAUSED = Standing(_l("Paused"), "warning", _l("It is not shown just now. The company can bring it back."))
_ARCHIVED = Standing(_l("Archived"), "secondary", _l("It is not offered any more."))


def standing(offering: Offering, revision: OfferingRevision | None) -> Standing:
    """`revision` is the open one, if there is one."""
    state = revision.status if revision is not None else None
    if offering.status == ARCHIVED:
        return _ARCHIVED
    if offering.status == PAUSED:
        return _PAUSED
    return (_LIVE if offering.status == PUBLISHED else _UNPUBLISHED)[state]


def is_editable(offering: Offering, revision: OfferingRevision | None) -> bool:
    """Whether its tutor can change it now."""
    return offering.status != ARCHIVED and (revision is None or revision.status != SUBMITTED)


def is_sendable(offering: Offering, revision: OfferingRevision | None) -> bool:
    """Whether there is something to review."""
    return revision is not None and is_editable(offering, revision)
