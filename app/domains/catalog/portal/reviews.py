"""Reviews: all of an offering's and of a tutor's, writing one, and answering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from app.core import clock
from app.core.again import insist
from app.core.errors import DomainError, NotFound
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web.csrf import keeps_text
from app.core.web.meta import describe
from app.core.web.pages import Cell, Empty
from app.core.web.viewing import login_required, on_tenant, signed_in
from app.domains.accounts import queries as accounts
from app.domains.accounts.models import GUARDIAN, Person
from app.domains.accounts.queries import family
from app.domains.catalog import queries, service
from app.domains.catalog.forms.reviews import ReplyForm, ReviewForm
from app.domains.catalog.forms.search import MOST_PAGE, number
from app.domains.catalog.models import HIDDEN, REVIEW_STATUS, VISIBLE, Offering, Review
from app.domains.catalog.policies.review_words import (
    RatingSeen,
    ReviewSeen,
    rating_of,
    rating_seen,
    review_seen,
    reviews_seen,
)
from app.domains.catalog.policies.reviews import editable_until
from app.domains.catalog.portal.teach import tutor
from app.domains.catalog.queries import reviews
from app.domains.catalog.queries.reviews import PAGE

bp = Blueprint("reviews", __name__, template_folder="../templates")


# -- For everybody -----------------------------------------------------------------------------------------


@bp.get("/o/<slug>/reviews")
def of_offering(slug: str) -> Any:
    on_tenant()
    offering = queries.published(slug)
    page = number(request.args, "page", 1, MOST_PAGE)
    rows = reviews.reviews_of(offering.id, page=page)
    return _list_page(
        title=offering.title,
        back_url=f"/o/{offering.slug}",
        path=f"/o/{offering.slug}/reviews",
        rating=rating_of(offering),
        rows=reviews_seen(rows, tutor=offering.tutor.full_name),
        page=page,
    )


@bp.get("/tutors/<slug>/reviews")
def of_tutor(slug: str) -> Any:
    on_tenant()
    profile = queries.profile(slug)
    if not queries.is_shown(profile.person_id):
        raise NotFound  # as their page
    page = number(request.args, "page", 1, MOST_PAGE)
    rating = rating_seen(reviews.rating_of_tutor(profile.person_id))
    rows = reviews.reviews_of_tutor(profile.person_id, page=page) if rating else ()
    return _list_page(
        title=profile.person.full_name,
        back_url=f"/tutors/{profile.slug}",
        path=f"/tutors/{profile.slug}/reviews",
        rating=rating,
        rows=reviews_seen(rows, tutor=profile.person.full_name),
        page=page,
        with_offering=True,
    )


def _list_page(
    *,
    title: str,
    back_url: str,
    path: str,
    rating: RatingSeen | None,
    rows: Sequence[ReviewSeen],
    page: int,
    with_offering: bool = False,
) -> Any:
    pages = max(1, -(-(rating.count if rating else 0) // PAGE))
    if page > pages:
        return redirect(path if pages == 1 else f"{path}?page={pages}")
    words = _("What those who learned it say about “%(title)s”.", title=title)
    return render_template(
        "catalog/reviews.html",
        meta=describe(path, words),
        title=title,
        back_url=back_url,
        rating=rating,
        reviews=rows,
        with_offering=with_offering,
        page=page,
        pages=pages,
        previous_url=_at(path, page - 1) if page > 1 else None,
        next_url=_at(path, page + 1) if page < pages else None,
        empty_state=Empty(_("No reviews yet"), _("Who came to a lesson can say how it was.")),
    )


def _at(path: str, page: int) -> str:
    return path if page == 1 else f"{path}?page={page}"


# -- For those who learned ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Open:
    """Something that can be reviewed."""

    title: str
    tutor: str
    student: str | None
    url: str


@dataclass(frozen=True)
class Written:
    """A review as its author sees it."""

    review: ReviewSeen
    student: str | None
    badge: Cell | None
    edit_url: str | None


@bp.get("/learn/reviews/")
@login_required
def index() -> Any:
    """What can still be said, and what was said, of one's own lessons and one's children's."""
    _who, learners = _learners()
    named = len(learners) > 1
    return render_template(
        "catalog/learn/reviews.html",
        open=[
            Open(
                found.offering.title,
                found.offering.tutor.full_name,
                found.student.full_name if named else None,
                _form_url(found.student.id, found.offering.id),
            )
            for found in reviews.to_review(list(learners))
        ],
        written=[_written(row, named=named) for row in reviews.reviews_by(list(learners))],
        empty_state=Empty(_("Nothing to review yet"), _("After a lesson you can say here how it was.")),
    )


def _written(row: Review, *, named: bool) -> Written:
    may_edit = row.status == VISIBLE and clock.now() <= editable_until(row.written_at)
    hidden = row.status != VISIBLE
    return Written(
        review=review_seen(row, tutor=row.offering.tutor.full_name),
        student=row.student.full_name if named else None,
        badge=Cell("badge", REVIEW_STATUS[row.status], tone="warning") if hidden else None,
        edit_url=_form_url(row.student_id, row.offering_id) if may_edit else None,
    )


@bp.route("/learn/reviews/<id:student_id>/<id:offering_id>", methods=["GET", "POST"])
@login_required
@keeps_text
def write(student_id: int, offering_id: int) -> Any:
    """Say how it was, or say it anew. Sent twice it is said once: there is one for each student."""
    who, learners = _learners()
    if student_id not in learners or not reviews.took_part(student_id, offering_id):
        raise NotFound
    known = reviews.review_of(student_id, offering_id)
    form = ReviewForm(data={"rating": str(known.rating), "text": known.text} if known else None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.validate():
            try:
                insist(lambda: _save(form, who, student_id, offering_id))
                flash(_("Thank you! Your review is on the page."), "success")
                return redirect(url_for("reviews.index"))
            except DomainError as error:
                form.show_refusal(error)
                status = error.status
    offering = queries.offering(offering_id)
    return _form_page(form, offering, learners[student_id] if len(learners) > 1 else None, known), status


def _save(form: ReviewForm, who: Viewer, student_id: int, offering_id: int) -> None:
    with transaction():
        service.write_review(
            queries.offering(offering_id),
            student=accounts.person(student_id),
            author=accounts.person(who.person_id or 0),
            rating=int(form.rating.data),
            text=form.text.data,
        )


def _form_page(form: ReviewForm, offering: Offering, student: Person | None, known: Review | None) -> Any:
    return render_template(
        "catalog/learn/review.html",
        form=form,
        title=offering.title,
        student=student.full_name if student else None,
        is_new=known is None,
    )


def _form_url(student_id: int, offering_id: int) -> str:
    return url_for("reviews.write", student_id=student_id, offering_id=offering_id)


def _learners() -> tuple[Viewer, dict[int, Person | None]]:
    """The viewer, and for whom they may speak: themselves and their children. Raises NotFound."""
    on_tenant()
    who = signed_in()
    if who.person_id is None:
        raise NotFound
    children = family.children_of(who.person_id) if GUARDIAN in who.role_keys else ()
    return who, {who.person_id: None, **{child.id: child for child in children}}


# -- For those who taught ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Received:
    """A review as its tutor sees it; `form` where it can be answered."""

    review: ReviewSeen
    badge: Cell | None
    reason: str
    reply_url: str | None
    form: ReplyForm | None


@bp.get("/teach/reviews/")
@login_required
def received() -> Any:
    """What is said about a tutor's lessons, each with its answer."""
    who, person_id = tutor()
    return _received_page(who, person_id)


@bp.post("/teach/reviews/<id:review_id>/reply")
@login_required
@keeps_text
def reply(review_id: int) -> Any:
    """Answer, once."""
    who, person_id = tutor()
    review = reviews.review(review_id)
    if review.offering.tutor_id != person_id:
        raise NotFound
    form = ReplyForm()
    status = 422
    if form.validate():
        try:
            with transaction():
                service.reply_to(
                    reviews.review(review_id), tutor=accounts.person(person_id), text=form.reply.data
                )
            flash(_("Your answer stands below the review."), "success")
            return redirect(url_for("reviews.received"))
        except DomainError as error:
            form.show_refusal(error)
            status = error.status
    return _received_page(who, person_id, refused=(review_id, form)), status


def _received_page(who: Viewer, person_id: int, refused: tuple[int, ReplyForm] | None = None) -> Any:
    page = number(request.args, "page", 1, MOST_PAGE)
    count, rows = reviews.reviews_for_tutor(person_id, page=page)
    path = url_for("reviews.received")
    return render_template(
        "catalog/teach/reviews.html",
        rating=rating_seen(reviews.rating_of_tutor(person_id)),
        rows=[_received(row, who, refused) for row in rows],
        previous_url=_at(path, page - 1) if page > 1 else None,
        next_url=_at(path, page + 1) if page * PAGE < count else None,
        empty_state=Empty(
            _("No reviews yet"),
            _("Students are asked how it was after each lesson that they came to."),
        ),
    )


def _received(row: Review, who: Viewer, refused: tuple[int, ReplyForm] | None) -> Received:
    can_reply = row.reply is None and row.status == VISIBLE
    form = None
    if can_reply:
        form = refused[1] if refused and refused[0] == row.id else ReplyForm(formdata=None)
        form.reply.id = f"reply-{row.id}"  # a page has one of these for each review
    return Received(
        review=review_seen(row, tutor=who.name),
        badge=Cell("badge", REVIEW_STATUS[row.status], tone="warning") if row.status == HIDDEN else None,
        reason=row.hidden_reason or "" if row.status == HIDDEN else "",
        reply_url=url_for("reviews.reply", review_id=row.id) if can_reply else None,
        form=form,
    )
