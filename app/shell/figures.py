"""Figures for the first pages: many counts in one statement, numbers as the reader's language writes them."""

from __future__ import annotations

from typing import Any

from flask_babel import format_decimal, get_locale
from sqlalchemy import ColumnElement, Row, ScalarSelect, func, select

from app.core.db import db
from app.core.money import Money
from app.core.viewer import Viewer


def count(model: type[Any], *where: ColumnElement[bool]) -> ScalarSelect[int]:
    """How many rows there are, as a part of `one`."""
    return select(func.count()).select_from(model).where(*where).scalar_subquery()


def one(**counts: ScalarSelect[Any]) -> Row[Any]:
    """All figures in one statement."""
    return db.session.execute(select(*(count.label(name) for name, count in counts.items()))).one()


def to(who: Viewer, resource: str, url: str) -> str | None:
    """The rows behind a figure, for whoever may read them."""
    return url if who.may(f"{resource}.read") else None


def number(value: int) -> str:
    return str(format_decimal(value))


def money(amount: Money) -> str:
    return amount.format(get_locale() or "en")
