"""What must never be false about reviews: rules of `run.py check`, as in `business_checks`."""

from __future__ import annotations

from app.shell.business_checks import Search

TOOK_PART = Search(
    """
    SELECT r.id, r.offering_id FROM review r
    WHERE r.status = 'visible' AND NOT EXISTS (
        SELECT FROM participation p WHERE p.tenant_id = r.tenant_id
           AND p.student_id = r.student_id AND p.offering_id = r.offering_id)
    """,
    "review {id} of offering {offering_id} is shown and no lesson stands behind it",
)
ATTENDED_AND_PAID = Search(
    """
    WITH came AS (
        SELECT s.tenant_id, s.id, s.student_id, l.offering_id
        FROM seat s JOIN lesson l ON l.tenant_id = s.tenant_id AND l.id = s.lesson_id
          JOIN order_line o ON o.tenant_id = s.tenant_id AND o.id = s.line_id
        WHERE s.status = 'attended' AND (o.gross_minor = 0 OR o.refunded_minor < o.gross_minor))
    SELECT coalesce(c.id, p.source_id) AS seat, p.id AS participation
    FROM came c FULL JOIN participation p ON p.tenant_id = c.tenant_id AND p.source_id = c.id
     AND p.student_id = c.student_id AND p.offering_id = c.offering_id
    WHERE c.id IS NULL OR p.id IS NULL
    """,
    "seat {seat} and participation {participation} disagree",
)
RATINGS_ADD_UP = Search(
    """
    SELECT o.id, o.rating_count, o.rating_sum, count(r.id) AS reviews, coalesce(sum(r.rating), 0) AS stars
    FROM offering o LEFT JOIN review r ON r.tenant_id = o.tenant_id AND r.offering_id = o.id
     AND r.status = 'visible'
    GROUP BY o.id HAVING o.rating_count <> count(r.id) OR o.rating_sum <> coalesce(sum(r.rating), 0)
    """,
    "offering {id} counts {rating_count} reviews and {rating_sum} stars, it has {reviews} and {stars}",
)

RULES = (
    ("each visible review has its lesson", TOOK_PART),
    ("who came and paid may review, and nobody else", ATTENDED_AND_PAID),
    ("ratings add up to their reviews", RATINGS_ADD_UP),
)
