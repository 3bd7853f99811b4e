"""`/api/v1/catalog/offerings/<slug>/reviews`: what is said about an offering, and saying it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request

from app.core import idempotency
from app.core.errors import Invalid, NotFound
from app.core.viewer import Viewer
from app.core.web.api_body import body
from app.core.web.api_once import done_once
from app.core.web.describing import (
    KEY_HEADER,
    MOMENT,
    TEXT,
    WHOLE,
    Json,
    content,
    in_path,
    list_of,
    ok,
    operation,
    or_null,
    query,
    record,
    ref,
)
from app.core.web.describing import body as described
from app.core.web.viewing import on_tenant, signed_in
from app.domains.accounts import queries as accounts
from app.domains.accounts.queries import family
from app.domains.catalog import queries, service
from app.domains.catalog.api.offerings import BASE, rating
from app.domains.catalog.forms.search import MOST_PAGE, MOST_SIZE, BadSearch, number
from app.domains.catalog.models import MOST_REVIEW_TEXT, Offering, Review
from app.domains.catalog.policies.review_words import author_words
from app.domains.catalog.queries import reviews as reads

OF_OFFERING = f"{BASE}/<slug>/reviews"
REPLY = "/api/v1/catalog/reviews/<id:review_id>/reply"


def of_offering(slug: str) -> Any:
    """The visible ones, the newest first: `page`, `size`."""
    on_tenant()
    if unknown := set(request.args) - {"page", "size"}:
        raise BadSearch(field=min(unknown))
    page = number(request.args, "page", 1, MOST_PAGE)
    size = number(request.args, "size", reads.PAGE, MOST_SIZE)
    offering = queries.published(slug)
    return jsonify(
        {
            "count": offering.rating_count,
            "page": page,
            "size": size,
            "rating": rating(offering),
            "result": [_shown(row) for row in reads.reviews_of(offering.id, page=page, size=size)],
        }
    )


def write(slug: str) -> Any:
    """Say how it was: `rating` (1 to 5), `text`, and for a child of the caller's `student`. 201, or 200 where
    it changes what was said before; 409 for who never came, or once it can't be changed any more."""
    who, person_id = _member()
    given = body({"rating": int, "text": str, "student": int})
    offering = queries.offering_by_slug(slug)
    student_id = given.get("student") or person_id
    if student_id != person_id:
        family.child_of(person_id, student_id)
    if given.get("rating") is None:
        raise Invalid(field="rating")
    return done_once(who, lambda: _written(offering, person_id, student_id, given))


def _written(offering: Offering, person_id: int, student_id: int, given: Json) -> idempotency.Answer:
    is_new = reads.review_of(student_id, offering.id) is None
    review = service.write_review(
        offering,
        student=accounts.person(student_id),
        author=accounts.person(person_id),
        rating=given["rating"],
        text=given.get("text"),
    )
    return 201 if is_new else 200, _own(review)


def reply(review_id: int) -> Any:
    """The tutor's answer (`reply`), once; 409 where there is one."""
    who, person_id = _member()
    given = body({"reply": str})
    review = reads.review(review_id)
    if review.offering.tutor_id != person_id:
        raise NotFound

    def work() -> idempotency.Answer:
        done = service.reply_to(review, tutor=accounts.person(person_id), text=given.get("reply"))
        return 200, _own(done)

    return done_once(who, work)


def _member() -> tuple[Viewer, int]:
    """Raises SignInNeeded, NotFound."""
    on_tenant()
    who = signed_in()
    if who.person_id is None:
        raise NotFound
    return who, who.person_id


def _own(row: Review) -> Json:
    """To its author, or to who answers it: without looking anybody up."""
    return {
        "id": row.id,
        "rating": row.rating,
        "text": row.text,
        "written_at": row.written_at.isoformat(),
        "edited_at": row.edited_at.isoformat() if row.edited_at else None,
        "reply": row.reply,
        "replied_at": row.replied_at.isoformat() if row.replied_at else None,
    }


def _shown(row: Review) -> Json:
    return {**_own(row), "author": author_words(row)}


def add_to(bp: Blueprint) -> None:
    bp.add_url_rule(OF_OFFERING, endpoint="reviews", view_func=of_offering)
    bp.add_url_rule(OF_OFFERING, endpoint="write_review", view_func=write, methods=["POST"])
    bp.add_url_rule(REPLY, endpoint="reply", view_func=reply, methods=["POST"])


# -- As OpenAPI describes it -------------------------------------------------------------------------------

_OWN: Json = {
    "id": WHOLE,
    "rating": {**WHOLE, "minimum": 1, "maximum": 5},
    "text": TEXT,
    "written_at": MOMENT,
    "edited_at": or_null(MOMENT),
    "reply": or_null(TEXT),
    "replied_at": or_null(MOMENT),
}
_SAID: Json = {**TEXT, "maxLength": MOST_REVIEW_TEXT}

SCHEMAS: Json = {
    "catalog.review": record(_OWN),
    "catalog.reviews": record(
        {
            "count": WHOLE,
            "page": WHOLE,
            "size": WHOLE,
            "rating": or_null(record({"average": {"type": "number"}, "count": WHOLE})),
            "result": list_of(record({**_OWN, "author": TEXT})),
        }
    ),
}

PATHS: Json = {
    f"{BASE}/{{slug}}/reviews": {
        "get": operation(
            "Catalogue",
            "What is said about an offering",
            ok(ref("catalog.reviews")),
            parameters=[
                in_path("slug"),
                query("page", {**WHOLE, "minimum": 1, "maximum": MOST_PAGE}, "Counts from 1."),
                query(
                    "size",
                    {**WHOLE, "minimum": 1, "maximum": MOST_SIZE, "default": reads.PAGE},
                    "Reviews on a page.",
                ),
            ],
            for_all=True,
        ),
        "post": operation(
            "Catalogue",
            "Say how it was",
            {
                **ok(ref("catalog.review")),
                "201": content(ref("catalog.review"), "It is new."),
            },
            parameters=[in_path("slug"), KEY_HEADER],
            body=described(
                {
                    "rating": {**WHOLE, "minimum": 1, "maximum": 5},
                    "text": or_null(_SAID),
                    "student": or_null(WHOLE),
                },
                optional=frozenset({"text", "student"}),
            ),
        ),
    },
    "/api/v1/catalog/reviews/{review_id}/reply": {
        "post": operation(
            "Catalogue",
            "Answer a review, once",
            ok(ref("catalog.review")),
            parameters=[in_path("review_id", WHOLE), KEY_HEADER],
            body=described({"reply": {**_SAID, "minLength": 1}}),
        ),
    },
}
