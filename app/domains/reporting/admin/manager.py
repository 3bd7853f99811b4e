"""A manager's first page: how the company does, and what needs somebody today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext as _

from app.core.money import Money
from app.core.viewer import Viewer
from app.core.web.site import site
from app.domains.ledger import queries as ledger
from app.domains.ledger.models import TAX_PAYABLE, TENANT_REVENUE, TUTOR_CLEARED, TUTOR_PENDING
from app.domains.reporting.admin import charts, todo, words
from app.domains.reporting.admin.parts import Chart, Dashboard, Figure, Series
from app.domains.reporting.policies import Bucket, Period, share_percent
from app.domains.reporting.queries import company
from app.domains.reporting.queries.company import CAME, CANCELLED, LATE, MISSED, SOLD

ORDERS, SEATS, LESSONS = "/admin/sales-orders/", "/admin/seats/", "/admin/all-lessons/"


@dataclass(frozen=True)
class _Facts:
    """What the page is made of; the money only for who may read the books."""

    who: Viewer
    period: Period
    currency: str
    now: company.Standing
    seats: company.Seats
    students: company.Students
    teaching: company.Teaching
    takings: company.Takings | None
    offerings: Sequence[company.TopOffering]
    books: dict[str, Money]

    def days_of(self, path: str, column: str, **more: str) -> str:
        return words.between(path, column, self.period.first, self.period.last, **more)


def manager_page(who: Viewer, period: Period) -> Dashboard:
    """Seven statements at most, however much there is."""
    currency = site().currency or "EUR"
    may_read = who.may("books.read")
    facts = _Facts(
        who,
        period,
        currency,
        company.standing(),
        company.seats(period),
        company.students(period),
        company.teaching(period),
        company.takings(period, currency) if may_read else None,
        company.top_offerings(period, currency) if may_read else (),
        ledger.balances(currency) if may_read else {},
    )
    takings = facts.takings
    return Dashboard(
        title=_("Good to see you, %(name)s", name=who.name.split()[0]),
        headline=words.sold_headline(takings.now, takings.before, period)
        if takings is not None
        else _("%(company)s at a glance.", company=site().name),
        periods=words.period_links(period),
        figures=_readable(_figures(facts)),
        charts=_charts(facts),
        compared=words.COMPARED[period.days],
        now_title=_("As it stands now"),
        now=_readable(_standing(facts)),
        to_fix=todo.to_fix(who, facts.now),
        checklist=todo.checklist(facts.now) if who.may("brand.write") else (),
    )


# -- Figures -----------------------------------------------------------------------------------------------


def _readable(figures: Sequence[Figure]) -> list[Figure]:
    """Those whose rows the viewer may see."""
    return [figure for figure in figures if figure.url]


def _figures(facts: _Facts) -> list[Figure]:
    """Of the period, each beside the one before."""
    who, period, seats = facts.who, facts.period, facts.seats
    students, teaching = facts.students, facts.teaching
    new, back = words.number(students.new), words.number(students.returning)
    return [
        *_sold(facts),
        Figure(
            _("Places sold"),
            words.number(seats.now(SOLD)),
            words.to(who, "seat", facts.days_of(SEATS, "booked_at")),
            icon="school",
            change=words.change(seats.now(SOLD), seats.before(SOLD), period),
        ),
        Figure(
            _("Lessons taught"),
            words.number(teaching.lessons),
            words.to(who, "lesson", facts.days_of(LESSONS, "starts_at", status="done")),
            hint=words.hours(teaching.taught),
            icon="calendar",
            change=words.change(teaching.lessons, teaching.lessons_before, period),
        ),
        _utilisation(facts),
        Figure(
            _("Students"),
            words.number(students.booked),
            words.to(who, "seat", facts.days_of(SEATS, "booked_at")),
            hint=_("%(new)s new, %(back)s came back", new=new, back=back),
            icon="users",
            change=words.change(students.booked, students.booked_before, period),
        ),
        _no_shows(facts),
        Figure(
            _("Cancellations"),
            words.number(seats.now(CANCELLED)),
            words.to(who, "seat", facts.days_of(SEATS, "cancelled_at", status="cancelled")),
            hint=_("%(count)s of them late", count=words.number(seats.now(LATE))),
            icon="circle-x",
            change=words.change(seats.now(CANCELLED), seats.before(CANCELLED), period, more_is="danger"),
        ),
    ]


def _sold(facts: _Facts) -> list[Figure]:
    found, period = facts.takings, facts.period
    if found is None:
        return []
    back = _("%(amount)s given back already taken off", amount=words.money(found.back))
    return [
        Figure(
            words.SOLD_IN[period.days],
            words.money(found.now),
            words.to(facts.who, "sales_order", facts.days_of(ORDERS, "paid_at", status="paid")),
            hint=back if found.back.minor else None,
            icon="coin",
            change=words.change(found.now.minor, found.before.minor, period),
        )
    ]


def _utilisation(facts: _Facts) -> Figure:
    found = facts.teaching
    share = share_percent(found.taught, found.offered)
    taught, offered = words.hours(found.taught), words.hours(found.offered)
    return Figure(
        _("Hours taken"),
        "–" if share is None else words.percent(share),
        words.to(facts.who, "availability_schedule", "/admin/availability-schedules/"),
        hint=_("%(taught)s of %(offered)s offered", taught=taught, offered=offered),
        icon="clock",
    )


def _no_shows(facts: _Facts) -> Figure:
    seats = facts.seats
    share = share_percent(seats.now(MISSED), seats.now(MISSED) + seats.now(CAME))
    return Figure(
        _("Did not come"),
        words.number(seats.now(MISSED)),
        words.to(facts.who, "seat", facts.days_of(SEATS, "marked_at", status="missed")),
        hint=None if share is None else _("%(percent)s of those expected", percent=words.percent(share)),
        icon="user",
        change=words.change(seats.now(MISSED), seats.before(MISSED), facts.period, more_is="danger"),
    )


def _standing(facts: _Facts) -> list[Figure]:
    """What stands now, whatever the period."""
    who, now = facts.who, facts.now
    waiting = words.money(Money(now.open_minor, facts.currency))
    return [
        *_books(facts.books),
        Figure(
            _("Waiting for payment"),
            words.number(now.open_orders),
            words.to(who, "sales_order", f"{ORDERS}?status=open"),
            hint=waiting if now.open_orders else None,
            icon="credit-card",
        ),
        Figure(
            _("Lessons to come"),
            words.number(now.lessons),
            words.to(who, "lesson", f"{LESSONS}?status=scheduled"),
            icon="calendar",
        ),
        Figure(
            _("People"), words.number(now.people), words.to(who, "person", "/admin/people/"), icon="users"
        ),
        Figure(
            _("Tutors"),
            words.number(now.tutors),
            words.to(who, "membership", "/admin/memberships/?role_key=tutor&status=active"),
            icon="user",
        ),
        Figure(
            _("Can sign in"),
            words.number(now.members),
            words.to(who, "membership", "/admin/memberships/?status=active"),
            hint=_("roles in force"),
            icon="key",
        ),
        Figure(
            _("Open invitations"),
            words.number(now.invited),
            words.to(who, "invitation", "/admin/invitations/?state=pending"),
            icon="mail",
        ),
    ]


def _books(books: dict[str, Money]) -> list[Figure]:
    """Balances of the ledger, so they agree with the trial balance to the minor unit."""
    if not books:
        return []
    pending, cleared = -books[TUTOR_PENDING], -books[TUTOR_CLEARED]
    return [
        Figure(_("Company's share"), words.money(-books[TENANT_REVENUE]), "/admin/books/", icon="wallet"),
        Figure(
            _("Owed to tutors"),
            words.money(pending + cleared),
            "/admin/earnings/",
            hint=_("%(pending)s of it still pending", pending=words.money(pending)),
            icon="users",
        ),
        Figure(_("Tax collected"), words.money(-books[TAX_PAYABLE]), "/admin/books/", icon="receipt"),
    ]


# -- Charts ------------------------------------------------------------------------------------------------


def _charts(facts: _Facts) -> list[Chart]:
    found = [_takings_chart(facts), _offerings_chart(facts)]
    if facts.who.may("seat.read"):
        found.insert(1, _came_chart(facts))
    if facts.who.may("lesson.read"):
        found.append(_hours_chart(facts))
    return [chart for chart in found if chart is not None]


def _takings_chart(facts: _Facts) -> Chart | None:
    found, period, currency = facts.takings, facts.period, facts.currency
    if found is None:
        return None
    sold, back = period.bucketed(found.sold_by_day), period.bucketed(found.back_by_day)
    given = [-value for value in back]

    def shown(values: Sequence[int]) -> list[str]:
        return [words.money(Money(value, currency)) for value in values]

    def url_of(bucket: Bucket) -> str | None:
        path = words.between(ORDERS, "paid_at", bucket.first, bucket.last, status="paid")
        return words.to(facts.who, "sales_order", path)

    return charts.columns(
        "takings",
        _("Takings"),
        words.sold_headline(found.now, found.before, period),
        [
            Series(_("Sold"), "brand", sold, shown(sold)),
            Series(_("Given back"), "danger", given, shown(given)),
        ],
        period=period,
        first_heading=_("When"),
        url_of=url_of,
        mark=lambda value: words.short_money(Money(value, currency)),
    )


def _came_chart(facts: _Facts) -> Chart:
    seats, period = facts.seats, facts.period

    def series(name: str, tone: str, what: str) -> Series:
        values = period.bucketed(seats.by_day.get(what, {}))
        return Series(name, tone, values, [words.number(value) for value in values])

    def url_of(bucket: Bucket) -> str | None:
        return words.to(facts.who, "seat", words.between(SEATS, "marked_at", bucket.first, bucket.last))

    summary = _(
        "%(came)s came, %(missed)s did not, %(late)s cancelled late.",
        came=words.number(seats.now(CAME)),
        missed=words.number(seats.now(MISSED)),
        late=words.number(seats.now(LATE)),
    )
    return charts.columns(
        "attendance",
        _("Who came"),
        summary,
        [
            series(_("Came"), "brand", CAME),
            series(_("Did not come"), "warning", MISSED),
            series(_("Cancelled late"), "danger", LATE),
        ],
        period=period,
        first_heading=_("When"),
        url_of=url_of,
    )


def _hours_chart(facts: _Facts) -> Chart:
    tutors = facts.teaching.tutors
    shares = [share_percent(row.taught, row.offered) or 0 for row in tutors]
    urls = [
        words.to(
            facts.who, "lesson", facts.days_of(LESSONS, "starts_at", status="done", tutor_id=str(row.id))
        )
        for row in tutors
    ]
    return charts.bars(
        "hours",
        _("Tutors' hours taken"),
        _(
            "%(taught)s taught of %(offered)s offered.",
            taught=words.hours(facts.teaching.taught),
            offered=words.hours(facts.teaching.offered),
        ),
        Series(_("Hours taken"), "brand", shares, [words.percent(share) for share in shares]),
        labels=[row.name for row in tutors],
        urls=urls,
        headings=[_("Tutor"), _("Hours taken"), _("Taught"), _("Offered")],
        details=[(words.hours(row.taught), words.hours(row.offered)) for row in tutors],
        most=max(100, *shares) if shares else None,
        note=_("Offered are the hours of the week as they stand now."),
    )


def _offerings_chart(facts: _Facts) -> Chart | None:
    found = facts.offerings
    if facts.takings is None:
        return None
    names = [row.title for row in found]
    return charts.bars(
        "offerings",
        _("What sells best"),
        _("%(title)s brought in most: %(amount)s.", title=names[0], amount=words.money(found[0].takings))
        if found
        else _("Nothing was sold %(when)s.", when=str(words.IN_THE_LAST[facts.period.days])),
        Series(
            _("Sold"),
            "brand",
            [row.takings.minor for row in found],
            [words.money(row.takings) for row in found],
        ),
        labels=names,
        urls=[words.to(facts.who, "offering", f"/admin/offerings/{row.id}") for row in found],
        headings=[_("Offering"), _("Sold"), _("Places sold")],
        details=[(words.number(row.seats),) for row in found],
    )
