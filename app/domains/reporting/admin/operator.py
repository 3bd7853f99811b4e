"""An operator's first page: all companies at a glance, who needs help, and how the machine is."""

from __future__ import annotations

from collections.abc import Sequence

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.core import outside, schedule
from app.core.business_clock import is_movable
from app.core.moments import moment
from app.core.money import Money
from app.core.viewer import Viewer
from app.core.web.pages import ActionLink, Cell, Column, RelatedList, Row
from app.domains.reporting.admin import charts, words
from app.domains.reporting.admin.parts import Chart, Dashboard, Figure, Notice, NoticeList, Series
from app.domains.reporting.policies import Bucket, Period
from app.domains.reporting.queries import platform
from app.domains.reporting.queries.platform import ACCOUNTS, LESSONS, TENANTS, CompanyInNeed, CurrencyTakings
from app.domains.tenancy.models import ACTIVE, CLOSED, SUSPENDED

COMPANIES = "/admin/tenants/"
LONGEST_ERROR = 160
PROVIDERS = {"mail": _l("E-mail"), "payments": _l("Payments"), "storage": _l("Files")}
STATUS = {ACTIVE: _l("Active"), SUSPENDED: _l("Suspended"), CLOSED: _l("Closed")}


def operator_page(who: Viewer, period: Period) -> Dashboard:
    """Seven statements, however many companies there are."""
    now, growth, takings = platform.standing(), platform.growth(period), platform.takings(period)
    return Dashboard(
        title=_("Good to see you, %(name)s", name=who.name.split()[0]),
        headline=_headline(now, growth, period),
        periods=words.period_links(period),
        figures=[*_sold(takings, period), *_growth_figures(growth, period)],
        charts=[*(_takings_chart(found, period) for found in takings), *_growth_charts(growth, period)],
        compared=words.COMPARED[period.days],
        now_title=_("As it stands now"),
        now=[*_standing(now), *_health(now)],
        tables=[_busiest(period)],
        in_need=_in_need(),
        troubles=_troubles(),
        shortcuts=_shortcuts(who),
    )


def _headline(now: platform.Standing, growth: platform.Growth, period: Period) -> str:
    companies = ngettext("%(num)s active company", "%(num)s active companies", now.active)
    lessons = ngettext("%(num)s lesson", "%(num)s lessons", growth.now(LESSONS))
    return _(
        "%(companies)s, %(lessons)s taught %(when)s.",
        companies=companies,
        lessons=lessons,
        when=str(words.IN_THE_LAST[period.days]),
    )


# -- Figures -----------------------------------------------------------------------------------------------


def _sold(takings: Sequence[CurrencyTakings], period: Period) -> list[Figure]:
    """In each currency: never added up across them."""
    return [
        Figure(
            words.SOLD_IN[period.days],
            words.money(found.now),
            f"{COMPANIES}?currency={found.now.currency}",
            hint=_("platform's fee: %(fee)s", fee=words.money(found.fee)),
            icon="coin",
            change=words.change(found.now.minor, found.before.minor, period),
        )
        for found in takings
    ]


def _growth_figures(growth: platform.Growth, period: Period) -> list[Figure]:
    made = words.between(COMPANIES, "created_at", period.first, period.last)
    return [
        Figure(label, words.number(growth.now(what)), url, icon=icon,
               change=words.change(growth.now(what), growth.before(what), period))
        for label, what, url, icon in (
            (_("New companies"), TENANTS, made, "building"),
            (_("New accounts"), ACCOUNTS, "/admin/accounts/", "user"),
            (_("Lessons taught"), LESSONS, None, "calendar"),
        )
    ]  # fmt: skip


def _standing(now: platform.Standing) -> list[Figure]:
    return [
        Figure(
            _("Active companies"), words.number(now.active), f"{COMPANIES}?status=active", icon="building"
        ),
        Figure(
            _("Suspended"), words.number(now.suspended), f"{COMPANIES}?status=suspended", icon="player-pause"
        ),
        Figure(_("People"), words.number(now.people), hint=_("in all companies"), icon="users"),
        Figure(_("Accounts"), words.number(now.accounts), "/admin/accounts/", icon="user"),
        Figure(_("Open invitations"), words.number(now.invited), icon="mail"),
        Figure(_("Lessons to come"), words.number(now.lessons), hint=_("in all companies"), icon="calendar"),
        Figure(_("Open disputes"), words.number(now.disputes), icon="flag", tone=_tone(now.disputes)),
        Figure(
            _("Payments not yet known"),
            words.number(now.unknown_payments),
            icon="help-circle",
            tone=_tone(now.unknown_payments),
        ),
        Figure(
            _("Refunds that failed"),
            words.number(now.failed_refunds),
            icon="alert-triangle",
            tone=_tone(now.failed_refunds),
        ),
    ]


def _tone(count: int) -> str:
    return "danger" if count else "success"


def _health(now: platform.Standing) -> list[Figure]:
    """Deliveries, schedules, providers."""
    late = schedule.overdue()
    return [
        Figure(
            _("Deliveries due"),
            words.number(now.due),
            "/admin/deliveries/?status=due",
            hint=_("mails and other things on their way"),
            icon="send",
        ),
        Figure(
            _("Deliveries that gave up"),
            words.number(now.dead),
            "/admin/deliveries/?status=dead",
            icon="alert-triangle",
            tone=_tone(now.dead),
        ),
        Figure(
            _("Schedules overdue"),
            words.number(len(late)),
            "/admin/schedules/",
            hint=", ".join(late) or None,
            icon="clock",
            tone=_tone(len(late)),
        ),
        *(_provider(state) for state in outside.states()),
    ]


def _provider(state: outside.BreakerState) -> Figure:
    """A provider of the outside: whether calls go through, or are held back after failures."""
    said = {"closed": _("works"), "half-open": _("is tried again"), "open": _("held back")}
    since = f", {moment(state.opened_at)}" if state.opened_at and state.state == "open" else ""
    return Figure(
        _("Provider: %(name)s", name=PROVIDERS.get(state.name, state.name)),
        said.get(state.state, state.state),
        "/admin/providers/",
        hint=_("%(count)s failures%(since)s", count=state.failures, since=since) if state.failures else None,
        icon="server",
        tone="success" if state.state == "closed" else "danger",
    )


# -- Charts ------------------------------------------------------------------------------------------------


def _takings_chart(found: CurrencyTakings, period: Period) -> Chart:
    currency = found.now.currency
    values = period.bucketed(found.by_day)
    shown = [words.money(Money(value, currency)) for value in values]
    return charts.columns(
        f"takings-{currency.lower()}",
        _("Takings in %(currency)s", currency=currency),
        words.sold_headline(found.now, found.before, period),
        [Series(_("Sold"), "brand", values, shown)],
        period=period,
        first_heading=_("When"),
        url_of=lambda bucket: None,
        mark=lambda value: words.short_money(Money(value, currency)),
    )


def _growth_charts(growth: platform.Growth, period: Period) -> list[Chart]:
    def made(bucket: Bucket) -> str:
        return words.between(COMPANIES, "created_at", bucket.first, bucket.last)

    def nowhere(_bucket: Bucket) -> None:
        return None

    found = []
    for key, title, url_of in (
        (LESSONS, _("Lessons taught"), nowhere),
        (ACCOUNTS, _("New accounts"), nowhere),
        (TENANTS, _("New companies"), made),
    ):
        values = period.bucketed(growth.by_day.get(key, {}))
        found.append(
            charts.columns(
                key,
                title,
                _("%(title)s: %(count)s", title=title, count=words.number(growth.now(key))),
                [Series(title, "brand", values, [words.number(value) for value in values])],
                period=period,
                first_heading=_("When"),
                url_of=url_of,
            )
        )
    return found


# -- Companies and troubles --------------------------------------------------------------------------------


def _busiest(period: Period) -> RelatedList:
    """The companies that taught most lately, each with its key figures."""
    columns = [
        Column("name", _("Company")),
        Column("status", _("Status")),
        Column("lessons", _("Lessons taught"), kind="number"),
        Column("takings", words.SOLD_IN[period.days], kind="number"),
        Column("fee", _("Platform's fee"), kind="number"),
        Column("people", _("People"), kind="number"),
    ]
    rows = [
        Row(
            row.id,
            f"{COMPANIES}{row.id}",
            row.name,
            [
                Cell("link", row.name, url=f"{COMPANIES}{row.id}"),
                Cell("badge", STATUS[row.status], tone="success" if row.status == ACTIVE else "warning"),
                Cell("number", words.number(row.lessons)),
                Cell("number", words.money(row.takings)),
                Cell("number", words.money(row.fee)),
                Cell("number", words.number(row.people)),
            ],
        )
        for row in platform.busiest_companies(period)
    ]
    return RelatedList(_("Busiest companies"), columns, rows, None, COMPANIES)


def _in_need() -> NoticeList:
    found = platform.companies_in_need()
    more = found[0].companies - len(found) if found else 0
    return NoticeList(
        "in-need",
        _("Companies that need help"),
        "help-circle",
        [Notice(row.name, f"{COMPANIES}{row.id}", ", ".join(_needs(row))) for row in found],
        _("Every company has tutors, is used, and gets its money."),
        f"{COMPANIES}?status=active" if more else None,
        ngettext("%(num)s more company", "%(num)s more companies", more) if more else "",
    )


def _needs(row: CompanyInNeed) -> list[str]:
    found = []
    if row.failed_refunds:
        found.append(ngettext("%(num)s refund failed", "%(num)s refunds failed", row.failed_refunds))
    if row.failed_payments:
        found.append(ngettext("%(num)s payment failed", "%(num)s payments failed", row.failed_payments))
    if not row.has_tutor:
        found.append(_("no tutor yet"))
    if row.is_quiet:
        found.append(_("nobody signed in for 30 days"))
    return found


def _troubles() -> NoticeList:
    urls = {"delivery": "/admin/deliveries/{}", "schedule": "/admin/schedules/{}"}
    return NoticeList(
        "troubles",
        _("Last errors"),
        "activity",
        [
            Notice(
                row.name,
                urls[row.kind].format(row.id),
                row.error[:LONGEST_ERROR],
                moment(row.at) if row.at else "",
            )
            for row in platform.last_troubles()
        ],
        _("Nothing has gone wrong."),
        "/admin/deliveries/?status=dead",
        _("Deliveries that gave up"),
    )


def _shortcuts(who: Viewer) -> list[ActionLink]:
    found = [
        ActionLink("mails", _("Sent mails"), "/admin/sent-mails/", "inbox"),
        *([ActionLink("clock", _("Move the clock"), "/admin/clock/", "clock")] if is_movable() else []),
        ActionLink("audit", _("Audit trail"), "/admin/audit/", "history"),
    ]
    if who.may("tenant.write"):
        found.insert(0, ActionLink("new", _("New company"), "/admin/tenants/add", "plus"))
    return found
