"""What the in-app list says, by kind, in the reader's language and zone: a row keeps plain values only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext

from app.core.locales import reader_locale
from app.core.moments import moment
from app.core.money import Money

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Words:
    """One line of the list: its picture, what happened, and more about it."""

    icon: str
    title: str
    text: str = ""


def words_of(kind: str, data: Data) -> Words:
    """Of a kind that is not known any more, or without the values it needs, something true all the same."""
    try:
        return _BY_KIND[kind](data)
    except (KeyError, ValueError, TypeError):
        return Words("bell", _("Something happened"))


def _at(data: Data, name: str = "starts_at") -> str:
    return moment(dt.datetime.fromisoformat(data[name]))


def _money(data: Data, name: str) -> str:
    return Money(int(data[name]), data["currency"]).format(reader_locale())


def _booked(data: Data) -> Words:
    return Words(
        "calendar",
        _("%(title)s is booked", title=data["title"]),
        _(
            "%(student)s with %(tutor)s, %(time)s",
            student=data["student"],
            tutor=data["tutor"],
            time=_at(data),
        ),
    )


def _booked_tutor(data: Data) -> Words:
    return Words(
        "calendar",
        _("%(student)s booked %(title)s", student=data["student"], title=data["title"]),
        _at(data),
    )


def _moved(data: Data) -> Words:
    return Words(
        "calendar",
        _("%(title)s was moved", title=data["title"]),
        _("From %(former)s to %(time)s", former=_at(data, "former"), time=_at(data)),
    )


def _moved_tutor(data: Data) -> Words:
    return Words(
        "calendar",
        _("%(student)s moved %(title)s", student=data["student"], title=data["title"]),
        _("From %(former)s to %(time)s", former=_at(data, "former"), time=_at(data)),
    )


def _cancelled(data: Data) -> Words:
    if data["by"] == "company":
        title = _("%(title)s had to be cancelled", title=data["title"])
    else:
        title = _("%(title)s is cancelled", title=data["title"])
    if int(data["refund_minor"]) > 0:
        return Words(
            "x",
            title,
            _("%(time)s. %(amount)s goes back to you.", time=_at(data), amount=_money(data, "refund_minor")),
        )
    return Words("x", title, _at(data))


def _cancelled_tutor(data: Data) -> Words:
    if data["by"] == "company":
        return Words(
            "x",
            _("%(title)s with %(student)s is cancelled", title=data["title"], student=data["student"]),
            _at(data),
        )
    return Words(
        "x", _("%(student)s cancelled %(title)s", student=data["student"], title=data["title"]), _at(data)
    )


def _class_cancelled(data: Data) -> Words:
    return Words("x", _("Your class %(title)s is cancelled", title=data["title"]), _at(data))


def _lost(data: Data) -> Words:
    return Words(
        "alert-circle",
        _("%(title)s was taken before your payment came", title=data["title"]),
        _("You get your money back. Please choose another time."),
    )


def _refunded(data: Data) -> Words:
    return Words(
        "coin",
        _("%(amount)s is on its way back to you", amount=_money(data, "amount_minor")),
        data["title"],
    )


def _refund_failed(data: Data) -> Words:
    return Words(
        "alert-triangle",
        _("A refund of %(amount)s failed", amount=_money(data, "amount_minor")),
        _("%(title)s. Please try it again.", title=data["title"]),
    )


def _receipt(data: Data) -> Words:
    return Words("file-text", _("Your receipt no. %(number)s is ready", number=data["number"]))


def _credit_note(data: Data) -> Words:
    return Words("file-text", _("Your credit note no. %(number)s is ready", number=data["number"]))


def _offering_submitted(data: Data) -> Words:
    return Words("eye", _("“%(title)s” waits for your review", title=data["title"]))


def _offering_returned(data: Data) -> Words:
    return Words(
        "pencil", _("“%(title)s” came back to you", title=data["title"]), _("See what should change.")
    )


def _offering_published(data: Data) -> Words:
    return Words("check", _("“%(title)s” is on the storefront", title=data["title"]))


def _review_written(data: Data) -> Words:
    stars = ngettext("%(num)s star", "%(num)s stars", int(data["rating"]))
    return Words(
        "star",
        _("%(name)s reviewed “%(title)s”: %(stars)s", name=data["name"], title=data["title"], stars=stars),
        _("You can answer once."),
    )


def _review_replied(data: Data) -> Words:
    return Words(
        "message", _("%(name)s answered your review of “%(title)s”", name=data["name"], title=data["title"])
    )


def _earning_cleared(data: Data) -> Words:
    return Words("coin", _("%(amount)s is yours", amount=_money(data, "amount_minor")), data["title"])


def _messages(data: Data) -> Words:
    return Words("message", _("%(name)s wrote to you", name=data["name"]))


_BY_KIND: Mapping[str, Callable[[Data], Words]] = {
    "seat_booked": _booked,
    "seat_booked_tutor": _booked_tutor,
    "seat_moved": _moved,
    "seat_moved_tutor": _moved_tutor,
    "seat_cancelled": _cancelled,
    "seat_cancelled_tutor": _cancelled_tutor,
    "class_cancelled": _class_cancelled,
    "seat_lost": _lost,
    "refunded": _refunded,
    "refund_failed": _refund_failed,
    "receipt": _receipt,
    "credit_note": _credit_note,
    "offering_submitted": _offering_submitted,
    "offering_returned": _offering_returned,
    "offering_published": _offering_published,
    "review_written": _review_written,
    "review_replied": _review_replied,
    "earning_cleared": _earning_cleared,
    "messages": _messages,
}
