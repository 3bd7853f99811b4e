"""The first pages of managers and operators: what stands on them, where it leads, what it costs, who sees it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from app.core import clock
from app.core.db import db
from app.core.outbox import DEAD, Outbox
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Membership, TenantRole
from app.domains.reporting.policies import UNITS, Period
from app.domains.reporting.queries import company
from tests.domains.booking.support import DAY, HOUR, MONDAY, NOW
from tests.domains.earnings.support import at, eur, sell
from tests.support import lived
from tests.support.statements import count_statements
from tests.support.world import Browser, World

HERE = MONDAY + 6 * DAY


@pytest.fixture
def sold(world: World) -> Iterator[World]:
    """Anna's tutor taught two lessons, one student did not come, one lesson was given back; bert sold in NOK."""
    with clock.frozen(NOW):
        offering = lived.publish(world, title="<b>Maths</b> & more")
        seats = [lived.book(world, offering, starts_at=MONDAY + n * DAY) for n in range(4)]
    lived.mark(world, seats[0], attended=True)
    lived.mark(world, seats[1], attended=False)
    lived.cancel(world, seats[2], at=NOW + HOUR)
    with at(world, NOW, world.bert):
        sell(world.bert.people["tutor"], gross=eur(9900))
    with clock.frozen(HERE):
        yield world


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def charts_of(page: str) -> dict[str, dict[str, Any]]:
    """What is drawn, by the heading's name."""
    found = re.findall(r"""id="chart-([a-z-]+)".*?(?:data-chart='([^']*)'|wm-chart-none)""", page, re.DOTALL)
    return {key: json.loads(html.unescape(data)) for key, data in found if data}


def figures_of(page: str) -> dict[str, tuple[str, str | None]]:
    """By label: the value, and where it leads."""
    found = {}
    for card in re.findall(r'<div class="card wm-figure.*?</div>', page, re.DOTALL):
        label = re.search(r"<dt><span>(.*?)</span>", card, re.DOTALL)
        value = re.search(r'wm-figure-value">(?:<a href="([^"]*)">)?(.*?)(?:</a>)?</dd>', card, re.DOTALL)
        assert label
        assert value
        url = html.unescape(value[1]) if value[1] else None
        found[html.unescape(label[1])] = (html.unescape(value[2]), url)
    return found


def home(browser: Browser, days: int | str | None = None) -> str:
    answer = browser.get("/admin/" if days is None else f"/admin/?days={days}")
    assert answer.status_code == 200, answer.text
    return answer.text


# -- The manager's -----------------------------------------------------------------------------------------


def test_figures_are_those_of_the_queries(sold: World) -> None:
    page = home(sold.manager())
    figures = figures_of(page)
    assert figures["Sold in 30 days"][0] == "€120.00"
    assert figures["Places sold"][0] == "4"
    assert figures["Lessons taught"][0] == "3", "the one that is not marked yet is over, too"
    assert figures["Did not come"][0] == "1"
    assert figures["Cancellations"][0] == "1"
    assert figures["Students"][0] == "1"
    words = text_of(page)
    assert "€120.00 was sold in the last 30 days." in words, "nothing to compare it with"
    assert "€40.00 given back already taken off" in words
    assert "50% of those expected" in words


def rows_of(browser: Browser, url: str) -> int:
    answer = browser.get(url)
    assert answer.status_code == 200, url
    found = re.search(r'<h1>.*?</h1>\s*<span class="wm-badge">(\d+)</span>', answer.text, re.DOTALL)
    return int(found[1]) if found else 0


def test_each_figure_leads_to_as_many_rows(sold: World) -> None:
    manager = sold.manager()
    figures = figures_of(home(manager))
    for label in ("Places sold", "Did not come", "Cancellations", "People", "Tutors", "Can sign in"):
        value, url = figures[label]
        assert url
        assert rows_of(manager, url) == int(value), label


@pytest.mark.parametrize("days", UNITS)
def test_every_link_of_every_period_leads_somewhere(sold: World, days: int) -> None:
    manager = sold.manager()
    page = home(manager, days)
    urls = {url for _value, url in figures_of(page).values() if url}
    for chart in charts_of(page).values():
        urls |= {url for url in chart["urls"] if url}
    urls |= {html.unescape(url) for url in re.findall(r'<th scope="row"><a href="([^"]+)"', page)}
    assert len(urls) > 10
    for url in sorted(urls)[:: max(1, len(urls) // 25)]:
        assert manager.get(url).status_code == 200, url


def test_columns_add_up_to_the_figure(sold: World) -> None:
    manager = sold.manager()
    for days in (30, 90, 365):
        chart = charts_of(home(manager, days))["takings"]
        up, down = (series["values"] for series in chart["series"])
        assert (sum(up), sum(down)) == (16000, -4000)
        assert len(chart["labels"]) == len(chart["titles"]) == len(chart["urls"]) == len(up)
        shown = [series["shown"] for series in chart["series"]]
        assert {"€40.00", "-€40.00", "€160.00"} & {text for texts in shown for text in texts}
        assert chart["marks"][0]["value"] <= min(down)
        assert chart["marks"][-1]["value"] >= max(up)


def test_a_chart_says_the_same_as_a_table(sold: World) -> None:
    page = home(sold.manager(), 7)
    table = page[page.index('id="chart-attendance"') :]
    table = table[table.index("<table") : table.index("</table>")]
    chart = charts_of(page)["attendance"]
    rows = re.findall(r'<th scope="row">.*?</tr>', table, re.DOTALL)
    assert len(rows) == len(chart["labels"]) == 7
    for place, row in enumerate(rows):
        cells = re.findall(r'<td class="wm-end">(.*?)</td>', row)
        assert cells == [series["shown"][place] for series in chart["series"]]
    assert re.search(r'role="img" aria-label="Who came: 1 came, 1 did not, 0 cancelled late."', page)


def test_what_people_wrote_stays_text(sold: World) -> None:
    page = home(sold.manager())
    assert "<b>Maths" not in page
    assert charts_of(page)["offerings"]["labels"] == ["<b>Maths</b> & more"]


def test_how_it_compares(sold: World) -> None:
    """Thirty days later: less than before, and it is said so that one can hear it."""
    with clock.frozen(HERE + 30 * DAY):
        with lived.inside(sold):
            sell(sold.anna.people["tutor"], seat_id=10**6, gross=eur(3000))
        words = text_of(home(sold.manager()))
    assert "€30.00 was sold in the last 30 days, 75% less than in the 30 days before." in words
    assert "▼ 75% 75% less than in the 30 days before" in words


UNKNOWN = ["0", "31", "-7", "x", "7.0", "", "30 ", "٣٠", "9" * 5000, "30%00"]


def test_no_other_periods(sold: World) -> None:
    manager = sold.manager()
    assert [manager.get(f"/admin/?days={days}").status_code for days in UNKNOWN] == [404] * len(UNKNOWN)


def test_what_is_to_be_fixed_leads_there(sold: World) -> None:
    manager = sold.manager()
    page = home(manager)
    section = page[page.index('id="to-fix"') : page.index("</section>", page.index('id="to-fix"'))]
    assert "Lessons to mark" in section
    urls = [html.unescape(url) for url in re.findall(r'<a href="([^"]+)"', section)]
    assert urls
    assert {manager.get(url).status_code for url in urls} == {200}
    with clock.frozen(HERE):
        lived.time_passes(sold, HERE)
    assert "Nothing waits for you" in home(manager)


def test_nobody_sees_the_neighbour_s(sold: World) -> None:
    theirs = text_of(home(sold.manager(sold.bert)))
    assert "€99.00 was sold" in theirs
    assert "Maths" not in theirs
    assert "€99.00" not in text_of(home(sold.manager()))


def test_a_role_sees_what_it_may_read(sold: World) -> None:
    with lived.inside(sold) as session:
        role = TenantRole(name="Front desk", rights=["person.read", "lesson.read"])
        session.add(role)
        session.flush()
        member = session.get_one(Membership, sold.anna.memberships["manager"])
        member.role_key, member.role_id = None, role.id
    page = home(sold.manager())
    assert set(figures_of(page)) == {"Lessons taught", "Lessons to come", "People"}
    assert set(charts_of(page)) == {"hours"}
    assert "€" not in text_of(page)


def statements(world: World, browser: Browser, path: str = "/admin/") -> list[str]:
    with world.app.app_context():
        engine = db.engine
    browser.get(path)
    with count_statements(engine) as seen:
        browser.get(path)
    return seen


def test_it_costs_the_same_however_much_there_is(sold: World) -> None:
    manager = sold.manager()
    few = statements(sold, manager)
    with clock.frozen(NOW):
        offering = lived.publish(sold, title="Physics")
        for number in range(6, 9):
            lived.book(sold, offering, starts_at=MONDAY + number * DAY)
    many = statements(sold, manager, "/admin/?days=365")
    # Seven of the page's own, the viewer, and the menu's counts.
    assert len(few) == len(many) <= 9, "\n".join(many)


def test_an_empty_company_s_page(world: World) -> None:
    page = home(world.manager())
    words = text_of(page)
    assert "Nothing was sold in the last 30 days." in words
    assert "Getting started" in words
    assert "Tutors without hours" in words
    assert charts_of(page) == {}
    assert words.count("Nothing to draw for this time.") == 4


# -- The operator's ----------------------------------------------------------------------------------------


def test_who_signs_in_to_learn_is_among_the_people_who_learn(world: World) -> None:
    """The student and the guardian have accounts: nobody has to be added for the step to be done."""
    steps = re.findall(
        r"<li( class=\"wm-done\")?>.*?<strong>(.*?)</strong>", world.manager().get("/admin/").text, re.S
    )
    done = {label for is_done, label in steps if is_done}
    assert "Add the people who learn" in done
    assert "Approve a first offering" not in done


def test_currencies_are_not_added_up(sold: World) -> None:
    with platform_scope_of(sold) as session:
        session.execute(
            db.text("UPDATE ledger_account SET currency = 'NOK' WHERE tenant_id = :t"), {"t": sold.bert.id}
        )
    page = home(sold.operator())
    values = re.findall(
        r"<dt><span>Sold in 30 days</span>.*?wm-figure-value\">(?:<a[^>]*>)?(.*?)<", page, re.DOTALL
    )
    assert [html.unescape(value).replace("\xa0", " ") for value in values] == ["€120.00", "NOK 99.00"]
    assert {"takings-eur", "takings-nok"} <= set(charts_of(page))


@contextmanager
def platform_scope_of(world: World) -> Iterator[Any]:
    with world.app.app_context(), platform_scope("test"), transaction() as session:
        yield session


def test_the_operator_s_sum_is_that_of_the_companies(sold: World) -> None:
    page = home(sold.operator())
    total = 0
    for place in (sold.anna, sold.bert):
        with sold.app.app_context(), tenant_scope(place.id):
            period = Period.ending(HERE, days=30, zone="UTC")
            total += company.takings(period, "EUR").now.minor
    assert figures_of(page)["Sold in 30 days"][0] == f"€{total / 100:.2f}"
    rows = re.findall(r"<tr\b.*?</tr>", page, re.DOTALL)
    anna = next(row for row in rows if "Anna Tutors" in row)
    assert "€120.00" in text_of(anna)


def test_who_needs_help(sold: World) -> None:
    with platform_scope_of(sold) as session:
        member = session.get_one(Membership, sold.bert.memberships["tutor"])
        member.status = "ended"
    page = home(sold.operator())
    section = text_of(page[page.index('id="notices-in-need"') : page.index('id="chart-')])
    assert "Bert Tutors no tutor yet" in section
    assert "Anna Tutors" not in section


def test_what_went_wrong_last(sold: World) -> None:
    with platform_scope_of(sold) as session:
        row = session.scalars(db.select(Outbox).order_by(Outbox.id).limit(1)).one()
        row.status, row.last_error = DEAD, "SMTPRecipientsRefused: no such mailbox"
    page = text_of(home(sold.operator()))
    assert "no such mailbox" in page
    with platform_scope_of(sold) as session:
        session.execute(db.text("UPDATE outbox SET status = 'delivered', last_error = NULL"))


def test_the_operator_s_page_costs_the_same_however_many_there_are(sold: World) -> None:
    operator = sold.operator()
    few = statements(sold, operator)
    with at(sold, NOW, sold.bert):
        for number in range(2, 9):
            sell(sold.bert.people["tutor"], seat_id=number)
    many = statements(sold, operator, "/admin/?days=365")
    assert len(few) == len(many) <= 10, "\n".join(many)
