"""What the entries of payments share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app.core.money import Money
from app.core.web.categories import MONEY
from app.core.web.cells import NOTHING, money_cell
from app.core.web.entry import AdminEntry, Category
from app.core.web.pages import Cell
from app.domains.payments import models

TONES = {
    models.OPEN: "info",
    models.PAID: "success",
    models.EXPIRED: "secondary",
    models.CANCELLED: "secondary",
    models.UNKNOWN: "warning",
    models.PENDING: "info",
    models.CAPTURED: "success",
    models.FAILED: "danger",
    models.REQUESTED: "info",
    models.SUBMITTED: "info",
    models.SUCCEEDED: "success",
    models.RECEIVED: "info",
    models.PROCESSED: "success",
    models.IGNORED: "secondary",
}


def money(minor: int | None, row: Any) -> Cell:
    if minor is None:
        return NOTHING
    return money_cell(Money(minor, row.currency))


def amounts(*columns: str) -> Mapping[str, Callable[[Any, Any], Cell]]:
    return dict.fromkeys(columns, money)


class Kept(AdminEntry):
    """Facts about money: no form, no import, nothing is ever deleted."""

    category: Category = MONEY
    can_add = can_edit = can_delete = False
    tones = {"status": TONES}
