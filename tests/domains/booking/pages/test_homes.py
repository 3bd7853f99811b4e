"""The first pages of those who learn and those who teach: what comes next and how soon, what was learned, what
was earned, and the first steps."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

from app.core import clock
from app.core.money import Money
from app.domains.booking import queries, service
from app.domains.booking.portal.homes import sizes
from app.domains.booking.queries import homes
from app.domains.catalog.models import DRAFT, PAUSED, Offering, Subject, TutorProfile
from app.domains.catalog.service import settings
from app.domains.earnings import queries as earnings
from tests.domains.booking.pages.support import Stage, words_of
from tests.domains.booking.support import DAY, HOUR, MINUTE, MONDAY, NOW, School, add_hours
from tests.support.world import World

BERLIN = "Europe/Berlin"


def learn(stage: Stage, role: str = "student") -> str:
    return stage.browser(role).get("/learn/").text


def attended(stage: Stage, starts_at: dt.datetime, *, came: bool = True, **more: int) -> str:
    code = stage.booked(starts_at, **more)

    def mark() -> None:
        with stage.school.inside():
            service.mark_attendance(queries.seat_by_code(code), attended=came)

    with clock.frozen(starts_at + HOUR):
        stage.inside(mark)
    return code


# -- What comes next ---------------------------------------------------------------------------------------


def test_how_soon_it_is_in_words(stage: Stage) -> None:
    code = stage.booked(MONDAY)
    for moment, words in (
        (MONDAY - 7 * DAY, "in 7 days"),
        (MONDAY - 3 * HOUR, "in 3 hours"),
        (MONDAY - 20 * MINUTE, "in 20 minutes"),
        (MONDAY - 5 * MINUTE / 60, "in 1 minute"),
        (MONDAY + MINUTE, "Now"),
    ):
        with clock.frozen(moment):
            page = learn(stage)
            section = page[page.index('class="card wm-next"') :]
            section = section[: section.index("</section>")]
            assert words in words_of(section), moment
            assert f"/learn/lessons/{code}/calendar.ics" in section
            assert f"/messages/with/{stage.school.tutor_id}/{stage.school.student_id}" in section
            taught = words_of(stage.browser("tutor").get("/teach/").text)
            assert words in taught


def test_a_tutor_writes_to_who_comes_next(stage: Stage) -> None:
    stage.booked(MONDAY)
    page = stage.browser("tutor").get("/teach/").text
    section = page[page.index('class="card wm-next"') :]
    assert f"/messages/with/{stage.school.tutor_id}/{stage.school.student_id}" in section
    assert "Message Student anna" in words_of(section)


# -- What was learned --------------------------------------------------------------------------------------


def name_subject(stage: Stage, name: str) -> None:
    def work() -> None:
        with stage.school.inside() as session:
            subject: Subject = settings.add_subject(name=name)
            session.flush()
            stage.school.offering.subject_id = subject.id

    stage.inside(work)


def test_progress_counts_lessons_that_one_came_to(stage: Stage) -> None:
    name_subject(stage, "German")
    attended(stage, MONDAY)
    attended(stage, MONDAY + DAY)
    attended(stage, MONDAY + 2 * DAY, came=False)
    stage.booked(MONDAY + 3 * DAY)
    student = stage.school.student_id
    [row] = stage.read(lambda: homes.progress_of([student]))
    assert row == homes.Progress(student, "German", 2, 120)
    with clock.frozen(MONDAY + 2 * DAY + 2 * HOUR):
        words = words_of(learn(stage))
    assert "2 lessons so far, 2 h in all." in words
    assert "German 2 h" in words


def test_a_guardian_sees_how_far_each_child_is(stage: Stage) -> None:
    mia, ben = stage.child("Mia"), stage.child("Ben")
    attended(stage, MONDAY, student_id=mia)
    with clock.frozen(MONDAY + 2 * HOUR):
        words = words_of(learn(stage, "guardian"))
    assert "1 lesson so far, 1 h in all." in words
    assert words.count("so far") == 1, "Ben has not begun"
    assert "Ben Nothing more is booked." in words
    assert stage.read(lambda: homes.progress_of([ben])) == []


def test_nobody_s_progress_is_somebody_else_s(stage: Stage) -> None:
    attended(stage, MONDAY)
    with clock.frozen(MONDAY + 2 * HOUR):
        assert "so far" not in words_of(learn(stage, "guardian"))
        assert "so far" not in words_of(stage.foreigner("student").get("/learn/").text)


# -- Once more ---------------------------------------------------------------------------------------------


def test_what_is_still_sold_can_be_booked_again(stage: Stage) -> None:
    attended(stage, MONDAY)
    again = f'href="{stage.path}"'
    with clock.frozen(MONDAY + 2 * HOUR):
        assert again in learn(stage)

        def pause() -> None:
            with stage.school.inside():
                stage.school.offering.status = PAUSED

        path = stage.path
        stage.inside(pause)
        page = learn(stage)
    assert path not in page
    assert "Book again" not in page


# -- What was earned ---------------------------------------------------------------------------------------


def test_what_a_month_brought_is_a_sum_of_the_ledger(stage: Stage) -> None:
    tutor = stage.school.tutor_id
    stage.booked(MONDAY)
    with clock.frozen(NOW + 40 * DAY):
        code = stage.booked(NOW + 42 * DAY + 3 * HOUR)
    with clock.frozen(NOW + 41 * DAY):
        stage.inside(lambda: stage.school.cancel(stage.seat(code).id))
        found = stage.read(lambda: earnings.earned_by_month(tutor, "EUR", since=NOW - 30 * DAY, zone=BERLIN))
        totals = stage.read(lambda: earnings.totals_of(tutor, "EUR"))
        words = words_of(stage.browser("tutor").get("/teach/").text)
    assert set(found) == {dt.date(2027, 1, 1), dt.date(2027, 2, 1)}
    assert found[dt.date(2027, 2, 1)] == Money(0, "EUR"), "sold and given back"
    assert Money.total(found.values(), "EUR") == totals.pending
    assert "Earned in February 2027" in words
    assert f"Pending {totals.pending.format('en')}" in words


def test_before_the_first_sale_there_is_no_money_to_show(stage: Stage) -> None:
    page = words_of(stage.browser("tutor").get("/teach/").text)
    assert "Earned in" not in page
    assert "Taught this week nothing" in page


def test_the_week_is_what_was_taught_and_what_comes(stage: Stage) -> None:
    for hours in (0, 3, 50):
        stage.booked(MONDAY + hours * HOUR)
    stage.booked(MONDAY + 8 * DAY)
    with clock.frozen(MONDAY + 5 * HOUR):
        words = words_of(stage.browser("tutor").get("/teach/").text)
    assert "Taught this week 2 lessons, 2 h" in words
    assert "Still to come this week 1 lesson, 1 h" in words


# -- The first steps ---------------------------------------------------------------------------------------


def test_the_steps_of_a_new_tutor_are_ticked_off(world: World) -> None:
    """Each as soon as it is done; once all are, the list is gone."""
    new = make_new(world)
    seen = [steps_of(new)]
    tutor_id = new.school.tutor_id

    def do(work: Callable[[Any], object]) -> None:
        def inside() -> None:
            with new.school.inside() as session:
                work(session)

        new.inside(inside)
        seen.append(steps_of(new))

    do(lambda session: session.add(TutorProfile(person_id=tutor_id, slug="tina", headline="Patient")))
    do(lambda _session: add_hours(tutor_id))
    do(lambda session: session.add(draft(tutor_id)))
    assert seen == [0, 1, 2, 3]
    assert "Your way to the first booking" in new.browser("tutor").get("/teach/").text


def test_whoever_sells_needs_no_steps(stage: Stage) -> None:
    found = stage.read(lambda: homes.set_up_of(stage.school.tutor_id))
    assert (found.has_hours, found.has_offering, found.has_submitted, found.is_sold) == (True,) * 4
    assert not found.is_done, "the profile says nothing yet"

    def introduce() -> None:
        with stage.school.inside() as session:
            session.add(TutorProfile(person_id=stage.school.tutor_id, slug="anna", bio="Hello."))

    stage.inside(introduce)
    assert "Your way to the first booking" not in stage.browser("tutor").get("/teach/").text


def make_new(world: World) -> Stage:
    """A company whose tutor has done nothing yet."""
    anna = world.anna
    people = anna.people
    return Stage(world, School(anna.id, people["tutor"], people["student"], 0, people["guardian"]))


def steps_of(stage: Stage) -> int:
    """How many are done."""
    found = re.search(r"(\d) of 4 done", words_of(stage.browser("tutor").get("/teach/").text))
    assert found
    return int(found[1])


def draft(tutor_id: int) -> Offering:
    return Offering(tutor_id=tutor_id, kind="one_to_one", status=DRAFT, title="Maths", slug="maths-new")


# -- Drawings ----------------------------------------------------------------------------------------------


def test_lengths_are_in_proportion_and_to_be_seen() -> None:
    assert sizes([50, 100, 1, 0, -20]) == [50, 100, 2, 0, 0]
    assert sizes([]) == []
