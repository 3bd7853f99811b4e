"""Reviews on pages, in the admin and for machines: who may write where, and what visitors see of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from app.core import clock
from app.core.db import db
from app.domains.accounts.models import Guardianship, Person
from app.domains.booking.models import Seat
from app.domains.catalog import queries
from app.domains.catalog.api import SCHEMAS
from app.domains.catalog.models import HIDDEN, VISIBLE, Offering, Participation, Review
from app.domains.catalog.queries import reviews
from tests.domains.booking.support import DAY, MONDAY, NOW
from tests.support import lived
from tests.support.statements import count_statements
from tests.support.world import Browser, World

AFTER = MONDAY + DAY
SCRIPT = "<script>alert('x')</script>"


@pytest.fixture
def offering(world: World) -> Offering:
    """A lesson of it was attended by the student."""
    with clock.frozen(NOW):
        made = lived.publish(world)
        seat = lived.book(world, made)
    lived.mark(world, seat, attended=True)
    return made


def signed_in(world: World, role: str) -> Browser:
    return world.browser(world.anna.host, world.anna.email(role))


def path_of(world: World, offering: Offering, role: str = "student") -> str:
    return f"/learn/reviews/{world.anna.people[role]}/{offering.id}"


def only(world: World) -> Review:
    return lived.read(world, lambda: db.session.query(Review).one())


def fill(world: World, offering: Offering, count: int, *, since: int = 0) -> None:
    """So many reviews by as many students, past the services; some may be there already."""
    with lived.inside(world) as session:
        for number in range(since, count):
            person = Person(full_name=f"Student Nr{number:03d}")
            session.add(person)
            session.flush()
            common: dict[str, Any] = {"offering_id": offering.id, "student_id": person.id}
            session.add(Participation(**common, source_id=10_000 + number, happened_at=MONDAY))
            session.add(
                Review(
                    **common,
                    author_id=person.id,
                    rating=5,
                    text=f"Number {number}",
                    written_at=MONDAY + dt.timedelta(minutes=number),
                )
            )
        row = session.get_one(Offering, offering.id)
        row.rating_count, row.rating_sum = count, 5 * count


# -- Writing -----------------------------------------------------------------------------------------------


def test_a_student_says_how_it_was(world: World, offering: Offering) -> None:
    with clock.frozen(AFTER):
        student = signed_in(world, "student")
        assert "How was it?" in student.get("/learn/reviews/").text
        path = path_of(world, offering)
        form = student.get(path).text
        assert form.count('type="radio"') == 5
        assert "Excellent" in form
        done = student.post(path, rating="4", text=f"{SCRIPT}\nKind.")
        assert (done.status_code, done.location) == (302, "/learn/reviews/")
        mine = student.get("/learn/reviews/").text
        assert "Thank you!" in mine
        assert "How was it?" not in mine
        visitor = world.browser(world.anna.host)
        page = visitor.get(f"/o/{offering.slug}").text
        assert "4.0 out of 5 stars, 1 review" in page
        assert "Student A." in page
        assert "Student anna" not in page, "no more of the name than that"
        assert SCRIPT not in page
        assert "&lt;script&gt;" in page
        assert '"ratingValue":4.0' in page
        assert "4.0 out of 5 stars, 1 review" in student.get("/search").text
        assert "Kind." in student.get("/").text, "good words are quoted"
        assert "Kind." in student.get("/tutors/tutor-anna").text
        assert "Kind." in student.get("/tutors/tutor-anna/reviews").text
        assert 'value="4"' in student.get(path).text


def test_what_is_wrong_is_said_and_nothing_is_lost(world: World, offering: Offering) -> None:
    with clock.frozen(AFTER):
        student = signed_in(world, "student")
        path = path_of(world, offering)
        for rating in ("", "0", "6", "x", "1e309"):
            answer = student.post(path, rating=rating, text="I liked it")
            assert answer.status_code == 422, rating
            assert "I liked it" in answer.text
        assert student.post(path, rating="5", text="x" * 2001).status_code == 422
        assert student.post(path, rating="5", text="a\x00b").status_code == 422
    assert lived.read(world, lambda: db.session.query(Review).count()) == 0


def test_nobody_else_has_such_a_page(world: World, offering: Offering) -> None:
    path = path_of(world, offering)
    assert "/login/" in world.browser(world.anna.host).get(path).location
    for role in ("guardian", "tutor", "manager"):
        browser = signed_in(world, role)
        assert browser.get(path).status_code == 404, role
        assert browser.post(path, page="/account/", rating="5").status_code == 404, role
    student = signed_in(world, "student")
    assert student.get(f"/learn/reviews/{world.anna.people['student']}/{offering.id + 1}").status_code == 404
    assert student.get(path_of(world, offering, "guardian")).status_code == 404
    bert = world.browser(world.bert.host, world.bert.email("student"))
    assert bert.get(path).status_code == 404


def test_a_guardian_writes_for_a_child(world: World, offering: Offering) -> None:
    people = world.anna.people
    with lived.inside(world) as session:
        session.add(Guardianship(guardian_id=people["guardian"], child_id=people["student"]))
    with clock.frozen(AFTER):
        guardian = signed_in(world, "guardian")
        assert "Student anna" in guardian.get("/learn/reviews/").text
        assert guardian.post(path_of(world, offering), rating="5", text="Patient.").status_code == 302
        page = world.browser(world.anna.host).get(f"/o/{offering.slug}").text
    assert "Guardian A., for a child" in page
    assert "Student A." not in page, "children are not named"


def test_after_two_weeks_it_stands(world: World, offering: Offering) -> None:
    path = path_of(world, offering)
    with clock.frozen(AFTER):
        signed_in(world, "student").post(path, rating="4", text="Good")
    with clock.frozen(AFTER + 15 * DAY):
        student = signed_in(world, "student")
        assert "Change it" not in student.get("/learn/reviews/").text
        late = student.post(path, rating="1", text="Bad")
        assert late.status_code == 409
        assert "can&#39;t be changed any more" in late.text
    assert only(world).rating == 4


# -- Answering and hiding ----------------------------------------------------------------------------------


def test_a_tutor_answers_once(world: World, offering: Offering) -> None:
    lived.review(world, offering, 2, "Late.", at=AFTER)
    review = only(world)
    path = f"/teach/reviews/{review.id}/reply"
    tutor = signed_in(world, "tutor")
    assert "Late." in tutor.get("/teach/reviews/").text
    assert tutor.post(path, page="/teach/reviews/", reply=" ").status_code == 422
    done = tutor.post(path, page="/teach/reviews/", reply=f"Sorry! {SCRIPT}")
    assert done.status_code == 302
    again = tutor.post(path, page="/account/", reply="And more")
    assert again.status_code == 409
    page = world.browser(world.anna.host).get(f"/o/{offering.slug}").text
    assert "Tutor anna answers" in page
    assert "Sorry! &lt;script&gt;" in page
    for role in ("student", "guardian", "manager"):
        assert signed_in(world, role).post(path, page="/account/", reply="x").status_code == 404, role


def test_a_manager_hides_with_a_reason(world: World, offering: Offering) -> None:
    lived.review(world, offering, 1, "Rude words.", at=AFTER)
    review = only(world)
    manager, visitor = world.manager(), world.browser(world.anna.host)
    assert "Rude words." in visitor.get(f"/o/{offering.slug}/reviews").text
    path = f"/admin/reviews/{review.id}/do/hide"
    assert manager.post(path, reason="").status_code == 422
    assert manager.post(path, reason="Insults").status_code == 302
    assert only(world).status == HIDDEN
    for page in (f"/o/{offering.slug}", f"/o/{offering.slug}/reviews", "/tutors/tutor-anna", "/"):
        assert "Rude words." not in visitor.get(page).text, page
    tutor = signed_in(world, "tutor").get("/teach/reviews/").text
    assert "Hidden by the company: Insults" in tutor
    shown = manager.get(f"/admin/reviews/{review.id}").text
    assert "Insults" in shown
    assert manager.post(f"/admin/reviews/{review.id}/do/show").status_code == 302
    assert only(world).status == VISIBLE
    assert "Rude words." in visitor.get(f"/o/{offering.slug}").text
    assert manager.get("/admin/reviews/add").status_code in {403, 404}
    assert "★★★★★" in manager.get("/admin/reviews/?rating=1").text


# -- Many --------------------------------------------------------------------------------------------------


def test_a_list_has_pages(world: World, offering: Offering) -> None:
    fill(world, offering, 23)
    visitor = world.browser(world.anna.host)
    first = visitor.get(f"/o/{offering.slug}/reviews").text
    assert "Number 22<" in first
    assert "Number 12<" not in first
    assert "Page 1 of 3" in first
    last = visitor.get(f"/o/{offering.slug}/reviews?page=3").text
    assert "Number 0<" in last
    beyond = visitor.get(f"/o/{offering.slug}/reviews?page=4")
    assert (beyond.status_code, beyond.location) == (302, f"/o/{offering.slug}/reviews?page=3")
    for page in ("0", "x", "-1", "9" * 30):
        assert visitor.get(f"/o/{offering.slug}/reviews?page={page}").status_code == 400
    assert "23 reviews" in visitor.get(f"/o/{offering.slug}").text
    assert f'href="/o/{offering.slug}/reviews"' in visitor.get(f"/o/{offering.slug}").text


@pytest.mark.parametrize(
    ("path", "number"),
    [("/o/conversation/reviews", 2), ("/tutors/tutor-anna/reviews", 4), ("/o/conversation", 2)],
)
def test_what_they_cost(world: World, offering: Offering, path: str, number: int) -> None:
    """However many there are, and though nothing was kept of it."""
    visitor = world.browser(world.anna.host)
    seen = []
    for since, count in ((0, 1), (1, 8)):
        fill(world, offering, count, since=since)
        with clock.frozen(NOW), world.app.app_context():
            visitor.get(path)
            world.app.extensions["page_cache"].forget(world.anna.id)
            with count_statements(db.engine) as statements:
                assert visitor.get(path).status_code == 200
        seen.append(len(statements))
    assert seen == [number, number], statements


# -- For machines ------------------------------------------------------------------------------------------


def test_the_api_lists_and_takes_reviews(world: World, offering: Offering) -> None:
    base = f"http://{world.anna.host}"
    path = f"/api/v1/catalog/offerings/{offering.slug}/reviews"
    client = world.app.test_client()
    nothing = client.get(path, base_url=base).json
    assert (nothing["count"], nothing["result"], nothing["rating"]) == (0, [], None)
    assert client.post(path, json={"rating": 5}, base_url=base).status_code == 401
    with clock.frozen(AFTER):
        bearer = {"Authorization": f"Bearer {world.token(world.anna, 'student')}"}

        def say(**given: Any) -> Any:
            headers = {**bearer, "Idempotency-Key": given.pop("key")} if "key" in given else bearer
            return client.post(path, json=given, base_url=base, headers=headers)

        for wrong in (
            {},
            {"rating": 6},
            {"rating": "5"},
            {"rating": True},
            {"rating": 5, "text": "x" * 2001},
        ):
            assert say(**wrong).status_code == 422, wrong
        assert say(rating=5, stars=5).status_code == 422
        assert say(rating=5, student=world.anna.people["guardian"]).status_code == 404
        made = say(rating=5, text="Good.", key="one")
        assert (made.status_code, made.json["rating"]) == (201, 5)
        repeat = say(rating=5, text="Good.", key="one")
        assert (repeat.status_code, repeat.headers["Idempotent-Replayed"]) == (201, "true")
        changed = say(rating=4, text="Good.")
        assert (changed.status_code, changed.json["rating"]) == (200, 4)
        listed = client.get(f"{path}?size=1", base_url=base).json
        Draft202012Validator(SCHEMAS["catalog.reviews"]).validate(listed)
        assert listed["rating"] == {"average": 4.0, "count": 1}
        assert [(row["author"], row["text"]) for row in listed["result"]] == [("Student A.", "Good.")]
        assert client.get(f"{path}?x=1", base_url=base).status_code == 400

        reply = f"/api/v1/catalog/reviews/{made.json['id']}/reply"
        assert client.post(reply, json={"reply": "Hm"}, base_url=base, headers=bearer).status_code == 404
        tutor = {"Authorization": f"Bearer {world.token(world.anna, 'tutor')}"}
        assert client.post(reply, json={}, base_url=base, headers=tutor).status_code == 422
        done = client.post(reply, json={"reply": "Thanks."}, base_url=base, headers=tutor)
        assert (done.status_code, done.json["reply"]) == (200, "Thanks.")
        Draft202012Validator(SCHEMAS["catalog.review"]).validate(done.json)
        again = client.post(reply, json={"reply": "More"}, base_url=base, headers=tutor)
        assert (again.status_code, again.json["code"]) == (409, "already_replied")


def test_bert_hears_nothing_of_it(world: World, offering: Offering) -> None:
    lived.review(world, offering, 5, "Only anna's.", at=AFTER)
    bert = world.browser(world.bert.host)
    assert bert.get(f"/o/{offering.slug}/reviews").status_code == 404
    assert bert.get("/tutors/tutor-anna/reviews").status_code == 404
    assert lived.read(world, lambda: reviews.quotes(10), world.bert) == []
    assert lived.read(world, lambda: queries.tutors(10), world.bert) == []
    assert lived.read(world, lambda: db.session.query(Seat).count(), world.bert) == 0


# -- Where people are asked --------------------------------------------------------------------------------


def test_learners_are_asked_where_they_look_anyway(world: World, offering: Offering) -> None:
    path = path_of(world, offering)
    with clock.frozen(AFTER):
        student = signed_in(world, "student")
        home = student.get("/learn/").text
        assert f'href="{path}"' in home
        [seat] = lived.read(world, lambda: db.session.query(Seat).all())
        lesson = f"/learn/lessons/{seat.code}"
        assert f'href="{path}"' in student.get(lesson).text
        student.post(path, rating="5", text="")
        assert f'href="{path}"' not in student.get("/learn/").text
        lived.mark(world, seat, attended=False, at=AFTER)
        assert f'href="{path}"' not in student.get(lesson).text, "who did not come is not asked"
    assert 'href="/teach/reviews/"' in signed_in(world, "tutor").get("/teach/").text
