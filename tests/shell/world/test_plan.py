"""What the plan of the whole world promises, without living it."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from app.domains.catalog.models import GROUP, ONE_TO_ONE, TRIAL
from app.domains.catalog.policies import LANGUAGES
from app.domains.tenancy.policies import is_readable
from app.shell.world import COMPANIES, deeds
from app.shell.world.deeds import Deed
from app.shell.world.model import TINY, WEEKS, WHOLE, Company
from app.shell.world.plan import email_of, plan

NOW = dt.datetime(2026, 11, 26, 14, 30, tzinfo=dt.UTC)  # a Thursday
each_company = pytest.mark.parametrize("company", COMPANIES, ids=lambda company: company.slug)


@cache
def whole(company: Company) -> list[Deed]:
    return plan(company, seed="1", now=NOW, size=WHOLE)


def of(found: list[Deed], *kinds: type) -> list:
    return [deed for deed in found if isinstance(deed, kinds)]


@each_company
def test_the_cast(company: Company) -> None:
    assert len(company.tutors) == 8
    assert {tutor.week for tutor in company.tutors} <= set(WEEKS)
    assert {offer.tutor for offer in company.offers} == {tutor.name for tutor in company.tutors}
    assert {offer.subject for offer in company.offers} <= set(company.subjects)
    assert {offer.language for offer in company.offers} <= set(LANGUAGES)
    sold = Counter(offer.kind for offer in company.offers if offer.becomes == "published")
    assert sum(sold.values()) == 20
    assert set(sold) == {ONE_TO_ONE, GROUP, TRIAL}
    assert {"submitted", "returned"} <= {offer.becomes for offer in company.offers}
    titles = [offer.title for offer in company.offers]
    assert len(titles) == len(set(titles))
    assert is_readable(company.color)
    learners = len(company.adults) + sum(len(family.children) for family in company.families)
    assert 55 <= learners <= 60
    people = [company.manager, *(t.name for t in company.tutors), *company.adults]
    people += [name for f in company.families for name in (f.guardian, *(c for c, _age in f.children))]
    assert len(people) == len(set(people)), "people are known by their names"
    addresses = [email_of(company, name) for name in people]
    assert len(addresses) == len(set(addresses))


@each_company
def test_the_same_seed_and_week_plan_the_same(company: Company) -> None:
    assert plan(company, seed="1", now=NOW, size=WHOLE) == whole(company)
    assert plan(company, seed="2", now=NOW, size=WHOLE) != whole(company)
    # A day later of the same week more has happened, and nothing else than before.
    later = plan(company, seed="1", now=NOW + dt.timedelta(days=1), size=WHOLE)
    own = (deeds.Books, deeds.Registers, deeds.Moves, deeds.Cancels, deeds.Joins, deeds.GivesDate)
    before, after = of(whole(company), *own), of(later, *own)
    assert [deed for deed in after if deed.at <= NOW] == before
    assert len(after) > len(before)


@each_company
def test_everything_happens(company: Company) -> None:
    kinds = {type(deed) for deed in whole(company)}
    assert kinds >= {
        deeds.Books, deeds.Moves, deeds.Cancels, deeds.CallsOff, deeds.Marks, deeds.Looks, deeds.Disputes,
        deeds.Bounces, deeds.Says, deeds.Reads, deeds.Reviews, deeds.Replies, deeds.IsInvited, deeds.Visits,
        deeds.Settles, deeds.TakesDayOff, deeds.Proposes, deeds.Decides, deeds.GivesDate, deeds.Rounds,
    }  # fmt: skip
    assert all(deed.at <= NOW for deed in whole(company))
    ways = {deed.pays for deed in of(whole(company), deeds.Books)}
    assert {deeds.CARD, deeds.DECLINED_FIRST} <= ways
    came = [came for deed in of(whole(company), deeds.Marks) for _seat, came in deed.came]
    assert 0.9 < sum(came) / len(came) < 1
    assert len({deed.rating for deed in of(whole(company), deeds.Reviews)}) >= 3


@each_company
def test_it_grows_and_the_week_has_a_rhythm(company: Company) -> None:
    starts = [deed.seat.starts_at for deed in of(whole(company), deeds.Books)]
    months = Counter((NOW - start).days // 30 for start in starts if start < NOW)
    assert months[0] > months[1] > months[2] > 0
    zone = ZoneInfo(company.timezone)
    weekdays = Counter(start.astimezone(zone).weekday() for start in starts)
    assert max(weekdays[day] for day in range(5)) > weekdays[6]
    ahead = [start for start in starts if start > NOW]
    assert len(ahead) >= 15
    assert max(ahead) > NOW + dt.timedelta(days=7)
    assert any(start.astimezone(zone).date() == NOW.astimezone(zone).date() for start in starts)


@each_company
def test_nobody_is_planned_into_two_places(company: Company) -> None:
    offers = {offer.title: offer for offer in company.offers}
    spans: defaultdict[str, set[tuple[dt.datetime, dt.datetime]]] = defaultdict(set)
    moved = {deed.seat: deed.to for deed in of(whole(company), deeds.Moves)}
    gone = {deed.seat for deed in of(whole(company), deeds.Cancels, deeds.CallsOff)}
    for deed in of(whole(company), deeds.Books):
        if deed.pays == deeds.GAVE_UP or deed.seat in gone:
            continue
        offer, start = offers[deed.seat.offer], moved.get(deed.seat, deed.seat.starts_at)
        minutes = offer.variants[deed.seat.variant][1]
        for who in (offer.tutor, deed.seat.learner):
            spans[who].add((start, start + dt.timedelta(minutes=minutes)))
    for who, found in spans.items():
        ordered = sorted(found)
        for (_begins, ends), (begins, _ends) in zip(ordered, ordered[1:], strict=False):
            assert ends <= begins, who


@each_company
def test_no_class_is_planned_fuller_than_it_is(company: Company) -> None:
    capacity = {offer.title: offer.capacity for offer in company.offers if offer.kind == GROUP}
    taken = Counter(
        (deed.seat.offer, deed.seat.starts_at)
        for deed in of(whole(company), deeds.Books)
        if deed.seat.offer in capacity
    )
    assert taken
    assert all(count <= capacity[title] for (title, _start), count in taken.items())
    assert max(taken.values()) >= 2


@each_company
def test_whatever_the_day_the_plan_holds(company: Company) -> None:
    """Around a change of clocks, on a Sunday night, and on New Year's Day."""
    for now in (
        dt.datetime(2027, 3, 28, 23, 50, tzinfo=dt.UTC),
        dt.datetime(2026, 11, 1, 6, 10, tzinfo=dt.UTC),
        dt.datetime(2028, 1, 1, 0, 5, tzinfo=dt.UTC),
    ):
        found = plan(company, seed="1", now=now, size=TINY)
        assert len(of(found, deeds.Books)) >= 3
        assert sorted(found, key=lambda deed: deed.at) == found
