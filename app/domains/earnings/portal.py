"""The tutor's own earnings: what is theirs, when it changes and why, and where each figure comes from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, render_template, request
from flask_babel import gettext as _

from app.core.errors import NotFound
from app.core.ids import row_id
from app.core.moments import moment
from app.core.money import Money
from app.core.viewer import Viewer
from app.core.web.pages import Cell, Column, Empty, Row
from app.core.web.site import site
from app.core.web.viewing import login_required, on_tenant, signed_in
from app.domains.earnings import policies, queries
from app.domains.earnings.models import CLEARED, PENDING, REVERSED, STATUS_NAMES, Earning
from app.domains.earnings.queries import Listed, Listing, Totals
from app.domains.ledger import queries as ledger
from app.domains.ledger.models import LedgerEntry

bp = Blueprint("earnings", __name__, template_folder="templates")

PLACE = "/teach/earnings/"
TUTOR = "tutor"
TONES = {PENDING: "info", CLEARED: "success", REVERSED: "secondary"}
MOST_PAGES = 1_000_000


@dataclass(frozen=True)
class Total:
    """One figure of the head, with what will become of it and why."""

    label: str
    value: str
    why: Sequence[str]
    icon: str
    tone: str
    url: str


@dataclass(frozen=True)
class EarningsPage:
    title: str
    lead: str
    totals: Sequence[Total]
    columns: Sequence[Column]
    rows: Sequence[Row]
    count: int
    filtered_by: str | None
    empty: Empty
    previous_url: str | None
    next_url: str | None
    all_url: str = PLACE


@dataclass(frozen=True)
class Step:
    """One entry of an earning's story, down to its postings."""

    title: str
    at: dt.datetime | None
    when: str
    sentences: Sequence[str]
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]


@dataclass(frozen=True)
class EarningPage:
    title: str
    lead: str
    badge: Cell
    facts: Sequence[tuple[str, str, str]]
    steps: Sequence[Step]
    back_url: str = PLACE


def tutor() -> tuple[Viewer, int]:
    """The viewer, who teaches here, and their person. Raises NotFound."""
    on_tenant()
    who = signed_in()
    if TUTOR not in who.role_keys or who.person_id is None:
        raise NotFound
    return who, who.person_id


@bp.get("/teach/earnings/")
@login_required
def earnings() -> Any:
    """Totals, and each earning."""
    _who, person_id = tutor()
    status, number = _asked_status(), _asked_page()
    listing = queries.of_tutor(person_id, status=status, page=number)
    page = EarningsPage(
        title=_("Your earnings"),
        lead=_("What you earned with each lesson, and when it is yours for certain."),
        totals=_totals(queries.totals_of(person_id, site().currency or "EUR")),
        columns=_columns(),
        rows=[_row(listed) for listed in listing.rows],
        count=listing.count,
        filtered_by=str(STATUS_NAMES[status]) if status else None,
        empty=_empty(status),
        previous_url=_url(status, number - 1) if number > 1 else None,
        next_url=_url(status, number + 1) if _has_more(listing) else None,
    )
    return render_template("earnings/earnings.html", page=page)


@bp.get("/teach/earnings/<id:earning_id>")
@login_required
def earning(earning_id: int) -> Any:
    """One earning, each figure explained down to the ledger's postings. Somebody else's is not there."""
    _who, person_id = tutor()
    found = queries.own(person_id, earning_id)
    story = policies.story(found, ledger.entries_of(queries.SEAT, found.seat_id))
    page = EarningPage(
        title=found.description,
        lead=policies.next_in_words(found),
        badge=_badge(found),
        facts=_facts(found),
        steps=[_step(entry, title, sentences) for entry, title, sentences in story],
    )
    return render_template("earnings/earning.html", page=page)


# -- what was asked for -----------------------------------------------------------------------------------


def _asked_status() -> str | None:
    status = request.args.get("status") or None
    if status is not None and status not in STATUS_NAMES:
        raise NotFound
    return status


def _asked_page() -> int:
    text = request.args.get("page") or "1"
    number = row_id(text)
    if number is None or not 1 <= number <= MOST_PAGES:
        raise NotFound
    return number


def _url(status: str | None, number: int = 1) -> str:
    parts = {"status": status or "", "page": str(number) if number > 1 else ""}
    query = urlencode({name: value for name, value in parts.items() if value})
    return f"{PLACE}?{query}" if query else PLACE


def _has_more(listing: Listing) -> bool:
    return listing.page * listing.size < listing.count


# -- the list ---------------------------------------------------------------------------------------------


def _totals(totals: Totals) -> list[Total]:
    return [
        Total(
            str(STATUS_NAMES[PENDING]),
            policies.amount(totals.pending),
            _why_pending(totals),
            "clock",
            "info",
            _url(PENDING),
        ),
        Total(
            str(STATUS_NAMES[CLEARED]),
            policies.amount(totals.cleared),
            [_why_cleared(totals.cleared)],
            "circle-check",
            "success",
            _url(CLEARED),
        ),
        Total(
            _("Given back"),
            policies.amount(totals.given_back),
            [_("Your part of what customers got back, taken off already. This does not change any more.")],
            "refresh",
            "secondary",
            _url(REVERSED),
        ),
    ]


def _why_pending(totals: Totals) -> list[str]:
    """What of it changes when, and why."""
    found = []
    if totals.next_clears_at is not None:
        found.append(
            _(
                "%(amount)s is for lessons that took place. It clears some days later, next on %(time)s.",
                amount=policies.amount(totals.clearing),
                time=moment(totals.next_clears_at),
            )
        )
    if totals.waiting.minor:
        found.append(
            _("%(amount)s is for lessons that are still to come.", amount=policies.amount(totals.waiting))
        )
    if totals.held.minor:
        found.append(
            _(
                "%(amount)s is held while a customer's bank looks into the payment.",
                amount=policies.amount(totals.held),
            )
        )
    return found or [_("Nothing is waiting.")]


def _why_cleared(cleared: Money) -> str:
    if cleared.minor < 0:
        return _("You owe this: a lesson was refunded after it had cleared. What clears next pays it.")
    return _("Yours for certain. It changes only if a lesson is refunded after all.")


def _columns() -> list[Column]:
    return [
        Column("description", _("Lesson")),
        Column("sold_at", _("Sold")),
        Column("gross", _("Paid"), kind="money"),
        Column("tax", _("Tax"), kind="money"),
        Column("platform", _("Platform's fee"), kind="money"),
        Column("tenant", _("Company's share"), kind="money"),
        Column("tutor", _("Yours"), kind="money"),
        Column("status", _("State")),
        Column("next", _("What happens next")),
    ]


def _row(listed: Listed) -> Row:
    found = listed.earning
    shares = policies.shares_of(found)
    cells = [
        Cell("text", found.description),
        Cell("datetime", moment(listed.sold_at)),
        *(
            Cell("money", policies.amount(share))
            for share in (shares.gross, shares.tax, shares.platform, shares.tenant, shares.tutor)
        ),
        _badge(found),
        Cell("text", policies.next_in_words(found)),
    ]
    return Row(found.id, f"{PLACE}{found.id}", found.description, cells)


def _badge(found: Earning) -> Cell:
    tone = "warning" if found.is_held and found.status == PENDING else TONES[found.status]
    return Cell("badge", STATUS_NAMES[found.status], tone=tone)


def _empty(status: str | None) -> Empty:
    if status is not None:
        return Empty(
            _("Nothing matches"),
            _("None of your earnings is in this state."),
            PLACE,
            _("Show all"),
            filtered=True,
        )
    return Empty(
        _("No earnings yet"),
        _("As soon as somebody books and pays a lesson of yours, it is here. Put up something to book."),
        "/teach/offerings/",
        _("To your offerings"),
    )


# -- one earning ------------------------------------------------------------------------------------------


def _facts(found: Earning) -> list[tuple[str, str, str]]:
    """(label, value, remark) of what stands now."""
    shares = policies.shares_of(found)
    terms = found.plan.name if found.plan else _("the house's terms")
    facts = [
        (_("Paid, as it stands now"), policies.amount(shares.gross), ""),
        (_("Tax"), policies.amount(shares.tax), _("At %(rate)s.", rate=policies.percent(found.tax_rate_bp))),
        (
            _("Platform's fee"),
            policies.amount(shares.platform),
            _("%(share)s after tax.", share=policies.percent(found.platform_fee_bp)),
        ),
        (_("Company's share"), policies.amount(shares.tenant), _("What is left.")),
        (
            _("Yours"),
            policies.amount(shares.tutor),
            _(
                "%(share)s after tax, by these terms: %(terms)s.",
                share=policies.percent(policies.tutor_bp(found)),
                terms=terms,
            ),
        ),
    ]
    if found.refunded_minor:
        given = Money(found.refunded_minor, found.currency)
        facts.append((_("Given back to the customer"), policies.amount(given), found.reason or ""))
    if found.earned_at is not None:
        facts.append((_("Lesson ended"), moment(found.earned_at), ""))
    return facts


def _step(entry: LedgerEntry | None, title: str, sentences: Sequence[str]) -> Step:
    columns = [
        Column("account", _("Account")),
        Column("debit", _("Debit"), kind="money"),
        Column("credit", _("Credit"), kind="money"),
    ]
    if entry is None:
        return Step(title, None, "", sentences, "", columns, [])
    rows = []
    for posting in entry.postings:
        debit, credit = (posting.amount, None) if posting.amount_minor > 0 else (None, -posting.amount)
        cells = [
            Cell("text", str(posting.account.name)),
            Cell("money", policies.amount(debit) if debit else ""),
            Cell("money", policies.amount(credit) if credit else ""),
        ]
        rows.append(Row(posting.id, None, str(posting.account.name), cells))
    caption = _("Ledger entry %(number)s", number=entry.id)
    return Step(title, entry.occurred_at, moment(entry.occurred_at), sentences, caption, columns, rows)
