"""The offering's page: its free times by the visitor's clock, and what becomes of a click on one."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest

from app.core import clock
from app.core.db import db
from app.core.scope import platform_scope
from app.core.throttle import Limit
from app.core.transaction import transaction
from app.domains.accounts.models import Account
from app.domains.booking import queries, service
from app.domains.booking.models import HELD, LAPSED, Seat
from app.domains.booking.portal import offering
from app.domains.booking.service import Stretch
from app.domains.catalog.models import PAUSED, TRIAL, Offering, Variant
from app.domains.tenancy.models import SUSPENDED, Tenant
from tests.domains.booking.pages.support import HOSTILE, Stage, code_in, offered, words_of
from tests.domains.booking.support import DAY, HOUR, MINUTE, MONDAY, NOW, add_hours, add_offering
from tests.support.statements import assert_statements, count_statements


def seats(stage: Stage) -> list[Seat]:
    return stage.read(lambda: list(db.session.query(Seat).order_by(Seat.id)))


# -- What it shows -----------------------------------------------------------------------------------------


def test_it_says_what_it_is_what_it_costs_and_what_happens_if_something_comes_up(stage: Stage) -> None:
    page = stage.browser().get(stage.path)
    assert page.status_code == 200
    words = words_of(page.text)
    for part in (
        stage.offering.title,
        "Tutor anna",
        "€40.00",
        "Free cancellation until 1 day before the lesson.",
        "After that 50% is refunded, until the lesson begins.",
        "You can move it up to 2 times, until 12 hours before.",
        "All times by the clock in Europe/Berlin",
    ):
        assert part in words, part


def test_it_offers_the_first_free_day_and_others_by_a_link(stage: Stage) -> None:
    """At 7 in Berlin, with two hours' notice, from 9 on; lessons of an hour until 20."""
    browser = stage.browser()
    today = offered(browser.get(stage.path).text)
    assert today[0] == "2027-01-11T08:00:00+00:00"
    assert today[-1] == "2027-01-11T18:00:00+00:00"
    assert len(today) == 21
    page = browser.get(f"{stage.path}?day=2027-01-18")
    assert offered(page.text)[0] == "2027-01-18T07:00:00+00:00"
    assert "Monday, January 18" in words_of(page.text)
    later = browser.get(f"{stage.path}?from=2027-02-01")
    assert offered(later.text)[0] == "2027-02-01T07:00:00+00:00"
    assert "from=2027-01-18" in later.text, "back by fourteen days"


NO_ADDRESSES = [
    "day=2027-02-30",
    "day=9999-12-31",
    "day=0001-01-01",
    "from=1e309",
    "from=9999-12-31",
    "from=0001-01-01",
    "day=%00",
    "variant=" + "9" * 5000,
    "variant=-1",
    "zone=%00",
    "zone=../../etc/passwd",
    "zone=Mars/Olympus",
    "from=2026-01-01&day=2025-01-01",
]


def test_an_address_that_makes_no_sense_shows_what_there_is(stage: Stage) -> None:
    browser, path = stage.browser(), stage.path
    for query in NO_ADDRESSES:
        page = browser.get(f"{path}?{query}")
        assert page.status_code == 200, query
        assert "Choose a time" in page.text


def test_times_are_shown_by_the_clock_that_was_chosen_and_it_is_remembered(stage: Stage) -> None:
    browser = stage.browser()
    page = browser.get(f"{stage.path}?zone=America/New_York&day=2027-01-18")
    assert "All times by the clock in America/New York" in words_of(page.text)
    assert ">2:00 AM<" in page.text.replace("\u202f", " ")
    again = browser.get(stage.path)
    assert "America/New York" in words_of(again.text)
    assert "Europe/Berlin" in words_of(stage.browser().get(stage.path).text), "for this browser only"


def test_a_day_of_the_viewer_is_their_own(stage: Stage) -> None:
    """In Auckland Berlin's morning is the evening, and its evening the next morning."""
    zone = ZoneInfo("Pacific/Auckland")
    page = stage.browser().get(f"{stage.path}?zone=Pacific/Auckland&day=2027-01-19")
    found = [dt.datetime.fromisoformat(text).astimezone(zone) for text in offered(page.text)]
    assert {at.date() for at in found} == {dt.date(2027, 1, 19)}
    assert [heading for heading in ("Morning", "Afternoon", "Evening") if heading in page.text] == [
        "Morning",
        "Evening",
    ]


def test_the_zones_are_a_list_without_script(stage: Stage) -> None:
    browser = stage.browser()
    page = browser.get(stage.path)
    assert "<select" not in page.text
    link = re.search(r'href="([^"]*zones=1[^"]*)"', page.text)
    assert link
    shown = browser.get(link.group(1).replace("&amp;", "&").split("#")[0])
    assert '<option value="Asia/Kolkata">' in shown.text


def test_an_account_s_own_zone_counts(stage: Stage) -> None:
    """And it is not changed here."""

    def work() -> None:
        with platform_scope("test"), transaction():
            account = db.session.get_one(Account, stage.world.anna.accounts["student"])
            account.timezone = "Asia/Tokyo"

    stage.inside(work)
    page = stage.browser("student").get(f"{stage.path}?zone=America/New_York")
    assert "Asia/Tokyo" in words_of(page.text)
    assert "Change the time zone" not in page.text


def test_the_hour_that_comes_twice_is_told_apart(stage: Stage) -> None:
    """In Berlin on 31 October 2027 the clocks go back from 3 to 2."""

    def work() -> None:
        with stage.school.inside():
            add_hours(stage.school.tutor_id, rules=[Stretch(6, 60, 300)], horizon_days=365)

    stage.inside(work)
    page = stage.browser().get(f"{stage.path}?from=2027-10-30&day=2027-10-31")
    found = offered(page.text)
    assert found == [f"2027-10-{day}T{time}:00+00:00" for day, time in [("30", "23:00"), ("30", "23:30"), *(("31", f"{h:02}:{m:02}") for h in range(3) for m in (0, 30)), ("31", "03:00")]]  # fmt: skip
    text = page.text.replace("\u202f", " ")
    assert "2:00 AM GMT+02:00" in text
    assert "2:00 AM GMT+01:00" in text
    assert ">3:00 AM<" in text, "only what comes twice is told apart"


def test_the_strip_counts_and_the_next_free_day_is_a_click_away(stage: Stage) -> None:
    page = stage.browser().get(f"{stage.path}?day=2027-01-12").text
    words = words_of(page)
    assert "Tuesday, January 12: 23 times" in words
    assert "Next free: Wed, Jan 13" in words
    assert "1 hour · €40.00" in words, "what is chosen has its length and price beside it"
    assert "Reserve this time" in words
    assert page.count('type="radio" name="starts_at"') == 23


def test_a_change_of_the_clocks_is_said(stage: Stage) -> None:
    browser = stage.browser()
    words = words_of(browser.get(f"{stage.path}?from=2027-03-20").text)
    assert "The clocks change on Sunday, March 28: from GMT+01:00 to GMT+02:00." in words
    assert "The clocks change" not in words_of(browser.get(f"{stage.path}?from=2027-03-29").text)
    assert "The clocks change" not in words_of(browser.get(f"{stage.path}?from=2027-01-11").text)


def test_a_day_without_times_leads_nowhere_and_says_so(stage: Stage) -> None:
    def work() -> None:
        with stage.school.inside():
            schedule = queries.schedule_of(stage.school.tutor_id)
            assert schedule is not None
            service.set_override(schedule, on_date=dt.date(2027, 1, 13), stretches=[], remark="away")

    stage.inside(work)
    page = stage.browser().get(f"{stage.path}?day=2027-01-13")
    words = words_of(page.text)
    assert "Nothing is free on this day." in words
    assert "Next free day: Thursday, January 14" in words
    assert "Wednesday, January 13: no times" in words
    assert "day=2027-01-13#times" not in page.text
    assert "away" not in words, "a tutor's note is the tutor's"


def test_nothing_for_weeks_leads_to_the_next_free_day(stage: Stage) -> None:
    def work() -> None:
        with stage.school.inside():
            add_hours(stage.school.tutor_id, rules=[])
            schedule = queries.schedule_of(stage.school.tutor_id)
            assert schedule is not None
            service.set_override(schedule, on_date=dt.date(2027, 2, 20), stretches=[(600, 720)])

    stage.inside(work)
    page = stage.browser().get(stage.path)
    assert "Tutor anna does not teach on these days." in words_of(page.text)
    assert "Next free day: Saturday, February 20" in words_of(page.text)
    link = re.search(r'href="([^"]*from=2027-02-20[^"]*)"', page.text)
    assert link
    shown = stage.browser().get(link.group(1).replace("&amp;", "&").split("#")[0])
    assert offered(shown.text)[0] == "2027-02-20T09:00:00+00:00"


def test_a_tutor_without_hours_is_said_to_have_none(stage: Stage) -> None:
    def work() -> None:
        with stage.school.inside():
            add_hours(stage.school.tutor_id, rules=[])

    stage.inside(work)
    assert "has not opened any times to book yet" in words_of(stage.browser().get(stage.path).text)


def test_what_is_taken_is_said_to_be_taken(stage: Stage) -> None:
    def work() -> None:
        with stage.school.inside():
            add_hours(stage.school.tutor_id, rules=[Stretch(0, 600, 660)], horizon_days=8)

    stage.inside(work)
    stage.booked(MONDAY)
    page = stage.browser().get(f"{stage.path}?from=2027-01-12")
    assert "taken already, or too soon" in words_of(page.text)


def test_variants_are_choices_with_their_own_times(stage: Stage) -> None:
    def work() -> int:
        with stage.school.inside():
            more = Variant(
                offering_id=stage.school.offering_id,
                name="Long",
                duration_minutes=120,
                price_minor=7000,
                currency="EUR",
                position=1,
            )
            gone = Variant(
                offering_id=stage.school.offering_id,
                name="Former",
                duration_minutes=30,
                price_minor=100,
                currency="EUR",
                is_active=False,
            )
            db.session.add_all([more, gone])
            db.session.flush()
            return more.id

    long_id = stage.inside(work)
    page = stage.browser().get(f"{stage.path}?variant={long_id}&day=2027-01-18")
    assert "€70.00" in page.text
    assert "Former" not in page.text
    assert offered(page.text)[-1] == "2027-01-18T17:00:00+00:00", "two hours end at 20 in Berlin"
    assert f"variant={long_id}" in page.text, "days keep the choice"


def test_a_group_class_lists_its_dates_and_their_seats(stage: Stage) -> None:
    first = stage.inside(lambda: stage.school.session(MONDAY, capacity=1))
    stage.inside(lambda: stage.school.session(MONDAY + DAY, capacity=3))
    stage.inside(lambda: stage.school.book_place(first))
    browser, path = stage.browser(), f"/o/{stage.group.slug}"
    words = words_of(browser.get(path).text)
    assert "Monday, January 18" in words
    assert "Fully booked" in words
    assert "3 seats left" in words
    assert words.count(" Book ") == 1, "what is full has no button"
    lesson = stage.lesson(first)
    full = browser.post(f"{path}/hold", page=path, lesson=lesson.code)
    assert full.status_code == 409
    assert "The last seat has just been taken." in full.text


def test_descriptions_are_text(stage: Stage) -> None:
    def work() -> None:
        with stage.school.inside():
            offering = stage.school.offering
            offering.description = "One <script>alert(1)</script>\n\nTwo\nlines"
            offering.title = "Maths 🎓 <b>"

    stage.inside(work)
    page = stage.browser().get(stage.path).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("<p>One") + page.count("<p>Two") == 2


def test_what_is_not_on_sale_is_not_there(stage: Stage) -> None:
    path = stage.path
    browser = stage.browser()
    assert browser.get("/o/nothing-of-this-name").status_code == 404
    assert stage.foreigner("student").get(path).status_code == 404
    token = browser.csrf(path)

    def pause() -> None:
        with stage.school.inside():
            stage.school.offering.status = PAUSED

    stage.inside(pause)
    assert browser.get(path).status_code == 404
    data = {"csrf_token": token, "variant": stage.school.variant_id, "starts_at": MONDAY.isoformat()}
    assert browser.post_raw(f"{path}/hold", data).status_code == 404
    assert seats(stage) == []


def test_it_takes_few_statements_however_many_days(stage: Stage) -> None:
    """One for the offering and its times; a visitor is nobody to be looked up. Once more it costs none."""
    stage.booked(MONDAY)
    browser, path = stage.browser(), stage.path
    browser.get(path)
    with stage.world.app.app_context():
        engine = db.engine
    for query in ("", "?day=2027-01-18", "?from=2027-02-01"):
        with count_statements(engine) as seen:
            assert browser.get(path + query).status_code == 200
        assert len(seen) == 1, "\n".join(seen)
        with assert_statements(engine, 0):
            assert browser.get(path + query).status_code == 200


# -- A click on a time -------------------------------------------------------------------------------------


def test_a_visitor_holds_a_time_for_ten_minutes(stage: Stage) -> None:
    browser = stage.browser()
    code = stage.held(browser)
    seat = stage.seat(code)
    assert (seat.status, seat.expires_at) == (HELD, NOW + 10 * MINUTE)
    assert seat.actor.startswith("v:")
    assert MONDAY.isoformat() not in offered(stage.browser().get(f"{stage.path}?day=2027-01-18").text)


def test_a_click_takes_few_statements(stage: Stage) -> None:
    """Who looks, what is held and whether it is free, the locks, and all that is written. A visitor is counted
    instead of looked up: as one of their network, twice. Whoever holds something already is looked at again,
    and what they hold."""
    visitor, student, path = stage.browser(), stage.browser("student"), stage.path
    for browser, number in ((student, 4), (visitor, 5), (student, 6)):
        token = browser.csrf(path)
        starts_at = MONDAY + number * DAY
        data = {"csrf_token": token, "variant": stage.school.variant_id, "starts_at": starts_at.isoformat()}
        with stage.world.app.app_context():
            engine = db.engine
        with assert_statements(engine, number):
            assert browser.post_raw(f"{path}/hold", data).status_code == 302


def test_the_same_click_twice_is_one_hold(stage: Stage) -> None:
    browser = stage.browser()
    assert stage.held(browser) == stage.held(browser)
    assert len(seats(stage)) == 1


def test_two_browsers_want_the_same_time(stage: Stage) -> None:
    """One gets it; the other is told at once, with times that are really free."""
    stage.held(stage.browser())
    loser = stage.browser()
    answer = stage.hold(loser)
    assert answer.status_code == 409
    assert "This time has just been taken." in answer.text
    others = offered(answer.text.split('id="times"')[0])
    assert others == [(MONDAY + HOUR + n * 30 * MINUTE).isoformat() for n in range(5)]
    assert code_in(stage.hold(loser, others[0])), "and the button works"


def test_what_is_no_time_is_asked_again(stage: Stage) -> None:
    browser = stage.browser()
    for text in HOSTILE:
        answer = stage.hold(browser, text)
        assert answer.status_code == 422, text
        assert "Please choose one of the times." in answer.text or "can&#39;t be stored" in answer.text
        assert seats(stage) == []


NOT_OFFERED = [
    (NOW - DAY, "This time is over."),
    (NOW + HOUR, "too soon to be booked"),
    (NOW + 100 * DAY, "too far ahead to be booked"),
    (MONDAY + 7 * MINUTE, "This time is not offered."),
    (MONDAY.replace(hour=3), "This time is not offered."),
    (dt.datetime(2200, 12, 31, 23, tzinfo=dt.UTC), "too far ahead to be booked"),
]


def test_what_is_not_offered_is_refused_and_says_why(stage: Stage) -> None:
    browser = stage.browser()
    for starts_at, why in NOT_OFFERED:
        answer = stage.hold(browser, starts_at)
        assert answer.status_code == 422, why
        assert why in words_of(answer.text)
        assert seats(stage) == []


def test_a_time_by_any_offset_is_the_same_time(stage: Stage) -> None:
    code = stage.held(stage.browser(), MONDAY.astimezone(ZoneInfo("Asia/Kathmandu")))
    assert stage.seat(code).lesson.starts_at == MONDAY


def test_another_offering_s_variant_is_none_of_this_one(stage: Stage) -> None:
    browser = stage.browser()
    for variant in (str(stage.school.group_variant_id), "0", "", "9" * 40, "x"):
        assert stage.hold(browser, variant=variant).status_code == 404
    assert seats(stage) == []


def test_a_foreign_date_is_none_of_this_class(stage: Stage) -> None:
    """A date of another class, and a lesson that is no class at all."""
    other = stage.inside(lambda: stage.school.session(MONDAY + DAY))
    stage.booked(MONDAY)
    single = stage.read(lambda: queries.seats_of_people([stage.school.student_id])[0].lesson)
    path = f"/o/{stage.group.slug}"
    browser = stage.browser()
    assert stage.hold(browser, "", lesson=stage.lesson(other).code).status_code == 404
    for code in (single.code, "0000000000", "'"):
        answer = browser.post(f"{path}/hold", page=path, lesson=code)
        assert answer.status_code in {404, 422}, code


def test_three_reservations_are_enough(stage: Stage) -> None:
    browser = stage.browser()
    codes = [stage.held(browser, MONDAY + n * DAY) for n in range(3)]
    answer = stage.hold(browser, MONDAY + 3 * DAY)
    assert answer.status_code == 429
    assert "several reservations open already" in answer.text
    for code in codes:
        assert f"/checkout/{code}" in answer.text


def test_one_network_of_visitors_does_not_fill_a_tutors_week(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A visitor is a cookie; who throws it away is still behind the same address."""
    monkeypatch.setattr(offering, "VISITORS_HOLDS", Limit(2, dt.timedelta(minutes=10)))
    stage.held(stage.browser(), MONDAY)
    for _again in range(3):
        assert stage.hold(stage.browser(), MONDAY).status_code == 409, "who gets nothing spends nothing"
    stage.held(stage.browser(), MONDAY + DAY)
    answer = stage.hold(stage.browser(), MONDAY + 2 * DAY)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert stage.held(stage.browser("student"), MONDAY + 2 * DAY), (
        "nothing was kept, and who signs in is known"
    )


def test_somebody_who_changes_their_mind_is_not_in_their_own_way(stage: Stage) -> None:
    browser = stage.browser()
    first = stage.held(browser, MONDAY)
    second = stage.held(browser, MONDAY + 30 * MINUTE)
    assert first != second
    assert stage.seat(first).status == "released"


def test_a_hold_that_ran_out_is_free_again(stage: Stage) -> None:
    code = stage.held(stage.browser())
    with clock.frozen(NOW + 10 * MINUTE):
        other = stage.held(stage.browser())
    assert stage.seat(code).status == LAPSED
    assert stage.seat(other).status == HELD


def test_a_page_without_a_token_holds_nothing(stage: Stage) -> None:
    browser = stage.browser()
    data = {"variant": str(stage.school.variant_id), "starts_at": MONDAY.isoformat()}
    foreign = browser.post_raw(f"{stage.path}/hold", data, headers={"Origin": "https://evil.test"})
    assert foreign.status_code == 400
    own = browser.post_raw(f"{stage.path}/hold", data)
    assert own.status_code == 422
    assert "open for too long" in own.text
    assert seats(stage) == []


def test_nothing_is_sold_for_a_suspended_company(stage: Stage) -> None:
    browser = stage.browser()
    token = browser.csrf(stage.path)

    def suspend() -> None:
        with platform_scope("test"), transaction():
            db.session.get_one(Tenant, stage.school.tenant_id).status = SUSPENDED

    stage.inside(suspend)
    stage.world.app.extensions["places"].forget()
    data = {
        "csrf_token": token,
        "variant": str(stage.school.variant_id),
        "starts_at": MONDAY.isoformat(),
    }
    assert browser.post_raw(f"{stage.path}/hold", data).status_code == 503
    assert seats(stage) == []


def test_a_free_trial_says_that_it_is_free(stage: Stage) -> None:
    def work() -> str:
        with stage.school.inside():
            offering_id, _variant = add_offering(stage.school.tutor_id, kind=TRIAL, price=0, minutes=30)
            return db.session.get_one(Offering, offering_id).slug

    slug = stage.inside(work)
    assert " Free " in words_of(stage.browser().get(f"/o/{slug}").text)
