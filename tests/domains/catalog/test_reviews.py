"""Reviews: who may say how it was, what becomes of it, and what counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from app.core import clock
from app.core.audit import AuditEntry
from app.core.db import db
from app.core.errors import Invalid, NotFound
from app.core.scope import tenant_scope
from app.core.states import MoveNotAllowed
from app.core.transaction import transaction
from app.domains.accounts import queries as accounts
from app.domains.accounts.models import Guardianship, Person
from app.domains.booking.models import Seat
from app.domains.catalog import queries, service
from app.domains.catalog.errors import AlreadyReplied, NothingToReview, ReviewSettled
from app.domains.catalog.models import HIDDEN, LAPSED, VISIBLE, Offering, Participation, Review
from app.domains.catalog.policies.reviews import Rating, clean_text, short_name
from app.domains.catalog.queries import reviews
from app.domains.payments import queries as payments
from app.domains.payments import service as paying
from tests.domains.booking.racing import run_together
from tests.domains.booking.support import DAY, MONDAY, NOW
from tests.support import lived
from tests.support.world import World, drain

AFTER = MONDAY + DAY


@dataclass
class Taught:
    """A lesson that the student came to."""

    world: World
    offering: Offering
    seat: Seat

    def write(
        self, rating: int = 5, text: str = "Clear and kind.", *, at: dt.datetime = AFTER, **who: str
    ) -> Review:
        people = self.world.anna.people
        student, author = who.get("student", "student"), who.get("author", who.get("student", "student"))
        with clock.frozen(at), lived.inside(self.world):
            return service.write_review(
                queries.offering(self.offering.id),
                student=accounts.person(people[student]),
                author=accounts.person(people[author]),
                rating=rating,
                text=text,
            )

    def rating(self) -> tuple[int, int]:
        row = lived.read(self.world, lambda: queries.offering(self.offering.id))
        return row.rating_count, row.rating_sum

    def review(self) -> Review | None:
        student = self.world.anna.people["student"]
        return lived.read(self.world, lambda: reviews.review_of(student, self.offering.id))

    def status(self) -> str:
        found = self.review()
        assert found is not None
        return found.status

    def do(self, work: Any, *, at: dt.datetime = AFTER) -> Any:
        with clock.frozen(at), lived.inside(self.world):
            return work()

    def refund(self, minor: int | None = None) -> None:
        def work() -> None:
            line = payments.line(self.seat.line_id or 0)
            amount = line.gross if minor is None else type(line.gross)(minor, line.currency)
            paying.request_refund(line, amount=amount, reason="goodwill", by="Manager")

        self.do(work)


@pytest.fixture
def taught(world: World) -> Taught:
    with clock.frozen(NOW):
        offering = lived.publish(world)
        seat = lived.book(world, offering)
    return Taught(world, offering, lived.mark(world, seat, attended=True))


def participations(world: World) -> int:
    return lived.read(world, lambda: db.session.query(Participation).count())


# -- The right to ------------------------------------------------------------------------------------------


def test_who_came_may_say_how_it_was(taught: Taught) -> None:
    review = taught.write(4, "  Clear\r\nand kind. ")
    assert (review.rating, review.text, review.status) == (4, "Clear\nand kind.", VISIBLE)
    assert taught.rating() == (1, 4)


def test_who_did_not_may_not(world: World, taught: Taught) -> None:
    with pytest.raises(NothingToReview):
        taught.write(student="guardian")
    with clock.frozen(NOW):
        other = lived.book(world, taught.offering, "guardian", MONDAY + 3 * DAY)
    with pytest.raises(NothingToReview):
        taught.write(student="guardian")
    lived.mark(world, other, attended=False)
    with pytest.raises(NothingToReview):
        taught.write(student="guardian", at=MONDAY + 4 * DAY)
    lived.mark(world, other, attended=True)
    taught.write(2, student="guardian", at=MONDAY + 4 * DAY)
    assert taught.rating() == (1, 2)


def test_a_lesson_that_nobody_marked_counts_once_it_is_over(world: World, taught: Taught) -> None:
    with clock.frozen(NOW):
        lived.book(world, taught.offering, "guardian", MONDAY + 3 * DAY)
    lived.time_passes(world, MONDAY + 5 * DAY)
    taught.write(student="guardian", at=MONDAY + 5 * DAY)


def test_an_attendance_that_is_taken_back_takes_the_review_with_it(world: World, taught: Taught) -> None:
    taught.write(4)
    lived.mark(world, taught.seat, attended=False)
    assert (taught.status(), taught.rating(), participations(world)) == (LAPSED, (0, 0), 0)
    with pytest.raises(NothingToReview):
        taught.write(3)
    lived.mark(world, taught.seat, attended=True)
    assert (taught.status(), taught.rating(), participations(world)) == (VISIBLE, (1, 4), 1)


def test_it_stays_while_another_lesson_stands_behind_it(world: World, taught: Taught) -> None:
    with clock.frozen(NOW):
        second = lived.book(world, taught.offering, starts_at=MONDAY + 2 * DAY)
    lived.mark(world, second, attended=True)
    taught.write(4)
    lived.mark(world, taught.seat, attended=False)
    assert (taught.status(), participations(world)) == (VISIBLE, 1)
    lived.mark(world, second, attended=False)
    assert (taught.status(), taught.rating()) == (LAPSED, (0, 0))


def test_a_price_that_goes_back_takes_the_right_with_it(world: World, taught: Taught) -> None:
    taught.write(4)
    taught.refund(1000)
    assert taught.status() == VISIBLE, "a part of it is goodwill"
    taught.refund(3000)
    assert (taught.status(), taught.rating(), participations(world)) == (LAPSED, (0, 0), 0)
    lived.refunds_arrive(world, status="failed", at=AFTER)
    assert (taught.status(), taught.rating(), participations(world)) == (VISIBLE, (1, 4), 1)


def test_a_lesson_that_was_refunded_before_gives_no_right(world: World) -> None:
    with clock.frozen(NOW):
        offering = lived.publish(world)
        taught = Taught(world, offering, lived.book(world, offering))
    taught.refund()
    lived.mark(world, taught.seat, attended=True)
    assert participations(world) == 0
    with pytest.raises(NothingToReview):
        taught.write()


def test_a_free_trial_gives_the_right(world: World) -> None:
    with clock.frozen(NOW):
        trial = lived.publish(world, kind="trial", variants=lived.HALF_AN_HOUR_FREE)
        seat = lived.book(world, trial)
    taught = Taught(world, trial, lived.mark(world, seat, attended=True))
    taught.write(5)
    assert taught.rating() == (1, 5)


# -- Writing and changing ----------------------------------------------------------------------------------


def test_there_is_one_for_each_student_and_it_can_be_changed_for_two_weeks(taught: Taught) -> None:
    first = taught.write(2, "Late.")
    again = taught.write(4, "Late once, then good.", at=AFTER + 14 * DAY)
    assert (again.id, again.rating, again.edited_at) == (first.id, 4, AFTER + 14 * DAY)
    assert taught.rating() == (1, 4)
    with pytest.raises(ReviewSettled):
        taught.write(5, at=AFTER + 14 * DAY + dt.timedelta(seconds=1))
    same = taught.write(4, "Late once, then good.", at=AFTER + 30 * DAY)
    assert same.id == first.id, "the same again is no change"
    assert taught.rating() == (1, 4)


def test_whoever_answers_for_a_child_writes_for_them(world: World, taught: Taught) -> None:
    people = world.anna.people
    with lived.inside(world) as session:
        session.add(Guardianship(guardian_id=people["guardian"], child_id=people["student"]))
    review = taught.write(author="guardian")
    assert (review.student_id, review.author_id) == (people["student"], people["guardian"])


@pytest.mark.parametrize("rating", [0, 6, -1, 10**9])
def test_one_to_five_stars(taught: Taught, rating: int) -> None:
    with pytest.raises(Invalid):
        taught.write(rating)
    assert taught.review() is None


def test_a_text_has_its_limit_and_none_is_needed(taught: Taught) -> None:
    with pytest.raises(Invalid):
        taught.write(text="x" * 2001)
    assert taught.write(text="x" * 2000).text == "x" * 2000
    assert taught.write(text="").text == ""


# -- Answering, hiding -------------------------------------------------------------------------------------


def test_the_tutor_answers_once(world: World, taught: Taught) -> None:
    review = taught.write()
    people = world.anna.people

    def reply(who: str, text: str) -> Any:
        return taught.do(lambda: service.reply_to(review, tutor=accounts.person(people[who]), text=text))

    with pytest.raises(NotFound):
        reply("student", "Me too")
    with pytest.raises(Invalid):
        reply("tutor", " ")
    assert reply("tutor", "Thank you!").reply == "Thank you!"
    assert reply("tutor", "Thank you!").reply == "Thank you!", "a double click is one answer"
    with pytest.raises(AlreadyReplied):
        reply("tutor", "And more")


def test_what_the_company_hides_does_not_count(world: World, taught: Taught) -> None:
    review = taught.write(1, "Rude words.")
    taught.do(lambda: service.hide(review, reason="Insults", by="Manager"))
    hidden = taught.review()
    assert hidden is not None
    assert (hidden.status, hidden.hidden_reason, hidden.rating) == (HIDDEN, "Insults", 1)
    assert taught.rating() == (0, 0)
    with pytest.raises(MoveNotAllowed):
        taught.do(lambda: service.hide(review, reason="Again", by="Manager"))
    with pytest.raises(ReviewSettled):
        taught.write(5)
    tutor_id = world.anna.people["tutor"]
    with pytest.raises(NotFound):
        taught.do(lambda: service.reply_to(review, tutor=accounts.person(tutor_id), text="No"))
    taught.do(lambda: service.show(review))
    assert (taught.status(), taught.rating()) == (VISIBLE, (1, 1))
    with pytest.raises(Invalid):
        taught.do(lambda: service.hide(review, reason="  ", by="Manager"))


def test_what_has_lost_its_lesson_is_not_shown_again(world: World, taught: Taught) -> None:
    review = taught.write(1)
    taught.do(lambda: service.hide(review, reason="Insults", by="Manager"))
    lived.mark(world, taught.seat, attended=False)
    assert taught.status() == HIDDEN
    with pytest.raises(NothingToReview):
        taught.do(lambda: service.show(review))
    lived.mark(world, taught.seat, attended=True)
    assert taught.status() == HIDDEN, "the company's word holds"


# -- At the same time --------------------------------------------------------------------------------------


def test_a_double_click_is_one_review_and_nobody_is_lost(world: World, taught: Taught) -> None:
    """The same student three times at once, while their attendance is taken back and given again."""
    with lived.inside(world) as session:
        others = []
        for number in range(3):
            person = Person(full_name=f"Student {number}")
            session.add(person)
            session.flush()
            others.append(person.id)
            session.add(
                Participation(
                    offering_id=taught.offering.id,
                    student_id=person.id,
                    source_id=10_000 + number,
                    happened_at=MONDAY,
                )
            )
    student = world.anna.people["student"]

    def write(student_id: int, rating: int) -> Callable[[], Any]:
        def work() -> None:
            with tenant_scope(world.anna.id), transaction():
                person = accounts.person(student_id)
                offering = queries.offering(taught.offering.id)
                service.write_review(offering, student=person, author=person, rating=rating, text="")

        return work

    with clock.frozen(AFTER):
        works = [write(student, 4)] * 3 + [write(other, 5) for other in others]
        race = run_together(world.app, [works], allowed=set())
    assert race.errors == []
    assert race.winners == [6]
    assert taught.rating() == (4, 4 + 3 * 5)


def test_taking_back_and_writing_at_once_leave_no_review_without_a_lesson(
    world: World, taught: Taught
) -> None:
    student = world.anna.people["student"]

    def write() -> None:
        with tenant_scope(world.anna.id), transaction():
            person = accounts.person(student)
            offering = queries.offering(taught.offering.id)
            service.write_review(offering, student=person, author=person, rating=4, text="")

    def take_back() -> None:
        with tenant_scope(world.anna.id), transaction():
            service.take_back_participation(taught.seat.id)

    with clock.frozen(AFTER):
        race = run_together(world.app, [[write, take_back]], allowed={"NothingToReview"})
    assert race.errors == []
    found = taught.review()
    assert found is None or found.status == LAPSED
    assert taught.rating() == (0, 0)


# -- What it sums up to ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratings", "average", "halves"),
    [
        ([], 0.0, 0),
        ([5], 5.0, 10),
        ([4, 5], 4.5, 9),
        ([5, 5, 4], 4.7, 9),
        ([1, 2], 1.5, 3),
        ([4, 4, 5], 4.3, 9),
        ([5] * 19 + [4], 5.0, 10),
        ([4] * 19 + [5], 4.1, 8),
    ],
)
def test_a_rating_in_tenths_and_halves(ratings: list[int], average: float, halves: int) -> None:
    rating = Rating(len(ratings), sum(ratings))
    assert (rating.average, rating.halves) == (average, halves)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Maria da Silva", "Maria S."),
        ("Cher", "Cher"),
        ("  Jo  van Dyk ", "Jo D."),
        ("山田 太郎", "山田 太."),
    ],
)
def test_names_in_public(name: str, short: str) -> None:
    assert short_name(name) == short


def test_line_ends_are_one_kind() -> None:
    assert clean_text(" a\r\nb\rc\n") == "a\nb\nc"
    assert clean_text(None) == ""


def test_what_is_still_to_be_said(world: World, taught: Taught) -> None:
    student = world.anna.people["student"]
    [found] = lived.read(world, lambda: reviews.to_review([student]))
    assert (found.student.id, found.offering.id, found.last_at) == (student, taught.offering.id, MONDAY)
    taught.write()
    assert lived.read(world, lambda: reviews.to_review([student])) == []


def test_people_are_told(world: World, taught: Taught) -> None:
    review = taught.write(4, "Good.")
    tutor = world.anna.people["tutor"]
    taught.do(lambda: service.reply_to(review, tutor=accounts.person(tutor), text="Thanks."))
    drain(world.app)
    teacher = world.browser(world.anna.host, world.anna.email("tutor")).get("/notifications/").text
    assert "Student anna reviewed “Conversation”: 4 stars" in teacher
    student = world.browser(world.anna.host, world.anna.email("student")).get("/notifications/").text
    assert "Tutor anna answered your review of “Conversation”" in student


def test_the_trail_names_all_that_happened_to_it(world: World, taught: Taught) -> None:
    review = taught.write(4, "Good.")
    taught.write(5, "Better.")
    taught.write(5, "Better.")  # says the same
    lived.mark(world, taught.seat, attended=False)
    lived.mark(world, taught.seat, attended=True)
    tutor = accounts.person
    taught.do(lambda: service.reply_to(review, tutor=tutor(world.anna.people["tutor"]), text="Thanks."))
    taught.do(lambda: service.hide(review, reason="Rude.", by="Manager"))
    taught.do(lambda: service.show(review))

    def trail() -> list[tuple[str, str | None]]:
        found = db.session.query(AuditEntry).order_by(AuditEntry.id)
        return [(row.verb, row.reason) for row in found if row.thing_type == Review.__tablename__]

    assert lived.read(world, trail) == [
        ("reviewed", None),
        ("revised", None),
        ("lapsed", "not attended, or refunded"),
        ("came back", "attended"),
        ("answered", None),
        ("hidden", "Rude."),
        ("shown again", None),
    ]
