"""Reviews: who was there says how it was, the tutor answers, the company hides. An offering keeps the sum of
what is visible, in the same transaction."""

from __future__ import annotations

import datetime as dt

from flask_babel import lazy_gettext as _l
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, scope
from app.core.audit import note
from app.core.db import db
from app.core.errors import Invalid, NotFound
from app.core.events import announce
from app.core.states import move_to
from app.domains.accounts.models import Person
from app.domains.catalog import events
from app.domains.catalog.errors import AlreadyReplied, NothingToReview, ReviewSettled
from app.domains.catalog.models import HIDDEN, LAPSED, VISIBLE, Offering, Participation, Review
from app.domains.catalog.policies import reviews as policies
from app.domains.catalog.queries import reviews as queries


def note_participation(
    *, source_id: int, offering_id: int, student_id: int, happened_at: dt.datetime
) -> None:
    """A student came to a lesson of this offering, and it stayed paid: from now on they may say how it was.
    What they said before their attendance was taken back counts again. Done twice it is done once."""
    row = {
        "tenant_id": scope.tenant_id(),
        "source_id": source_id,
        "offering_id": offering_id,
        "student_id": student_id,
        "happened_at": happened_at,
    }
    table = Participation.__table__
    db.session.execute(insert(table).values(row).on_conflict_do_nothing())
    review = queries.review_of(student_id, offering_id, lock=True)
    if review is not None and review.status == LAPSED:
        _move(review, VISIBLE, "came back", reason="attended")


def take_back_participation(source_id: int) -> None:
    """They did not come after all, or all of the price went back. If no other lesson stands behind what they
    said, it is not shown any more and does not count; it is kept, and comes back with the attendance."""
    found = queries.participation_of(source_id)
    if found is None:
        return
    student_id, offering_id = found.student_id, found.offering_id
    db.session.delete(found)
    db.session.flush()  # whoever writes a review just now has locked it: their review is seen below
    review = queries.review_of(student_id, offering_id, lock=True)
    if review is None or review.status != VISIBLE or queries.took_part(student_id, offering_id):
        return
    _move(review, LAPSED, "lapsed", reason="not attended, or refunded")


def write_review(
    offering: Offering, *, student: Person, author: Person, rating: int, text: str | None
) -> Review:
    """Say how it was, or say it anew within two weeks. Raises NothingToReview for who never came,
    ReviewSettled after two weeks or once it was hidden, Invalid at `rating` or `text`."""
    policies.check_rating(rating)
    text = policies.clean_text(text)
    if not queries.took_part(student.id, offering.id, lock=True):
        raise NothingToReview
    review = queries.review_of(student.id, offering.id, lock=True)
    if review is not None:
        return _change(review, author=author, rating=rating, text=text)
    review = Review(
        offering_id=offering.id,
        student_id=student.id,
        author_id=author.id,
        rating=rating,
        text=text,
        status=VISIBLE,
        written_at=clock.now(),
    )
    db.session.add(review)
    note(review, "reviewed")
    db.session.flush()  # its id is announced, and two at once are refused here
    _count(offering.id, 1, rating)
    announce(events.ReviewWritten(tenant_id=review.tenant_id, review_id=review.id))
    return review


def _change(review: Review, *, author: Person, rating: int, text: str) -> Review:
    if (review.rating, review.text) == (rating, text):
        return review
    if review.status != VISIBLE or clock.now() > policies.editable_until(review.written_at):
        raise ReviewSettled
    _count(review.offering_id, 0, rating - review.rating)
    review.rating, review.text, review.author_id = rating, text, author.id
    review.edited_at = clock.now()
    note(review, "revised")
    return review


def reply_to(review: Review, *, tutor: Person, text: str | None) -> Review:
    """The tutor's answer, once. Raises NotFound for somebody else's or one that is not shown,
    AlreadyReplied, Invalid at `reply`."""
    text = policies.clean_text(text, field="reply")
    if not text:
        raise Invalid(_l("Please write something."), field="reply")
    review = queries.review(review.id, lock=True)
    if review.offering.tutor_id != tutor.id or review.status != VISIBLE:
        raise NotFound
    if review.reply is not None:
        if review.reply == text:
            return review  # sent twice
        raise AlreadyReplied
    review.reply, review.replied_at = text, clock.now()
    note(review, "answered")
    announce(events.ReviewReplied(tenant_id=review.tenant_id, review_id=review.id))
    return review


def hide(review: Review, *, reason: str, by: str) -> Review:
    """The company takes it off its pages, for a reason that stays with it. Raises MoveNotAllowed, Invalid."""
    reason = policies.clean_text(reason, field="reason")
    if not reason:
        raise Invalid(field="reason")
    review = queries.review(review.id, lock=True)
    review.hidden_reason, review.hidden_by = reason, by
    _move(review, HIDDEN, "hidden", reason=reason)
    announce(events.ReviewModerated(tenant_id=review.tenant_id, review_id=review.id))
    return review


def show(review: Review) -> Review:
    """On the pages again. Raises MoveNotAllowed, NothingToReview where no lesson stands behind it now."""
    if not queries.took_part(review.student_id, review.offering_id, lock=True):
        raise NothingToReview(_l("No lesson that was attended and paid stands behind it any more."))
    review = queries.review(review.id, lock=True)
    _move(review, VISIBLE, "shown again")
    announce(events.ReviewModerated(tenant_id=review.tenant_id, review_id=review.id))
    return review


def _move(review: Review, state: str, verb: str, *, reason: str | None = None) -> None:
    """Into another state; the offering's rating goes with it."""
    was_visible = review.status == VISIBLE
    move_to(review, state)
    note(review, verb, reason=reason)  # before the rating is written, and this with it
    is_visible = review.status == VISIBLE
    if is_visible != was_visible:
        sign = 1 if is_visible else -1
        _count(review.offering_id, sign, sign * review.rating)


def _count(offering_id: int, count: int, total: int) -> None:
    """Added in one statement, so that of several at once none is lost. It is no change of the offering."""
    db.session.flush()
    db.session.execute(
        update(Offering)
        .where(Offering.id == offering_id)
        .values(
            rating_count=Offering.rating_count + count,
            rating_sum=Offering.rating_sum + total,
            changed_at=Offering.changed_at,
        )
        .execution_options(synchronize_session=False)
    )
