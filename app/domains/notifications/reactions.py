"""Who is told what, when something happened. These touch only the database: the mail is a delivery of its own
for each person, see events.MailDue."""

from __future__ import annotations

from typing import Any

from app.core import scope
from app.core.events import Delivery
from app.domains.accounts import queries as accounts
from app.domains.booking.models import BOOKED, CANCELLED, Lesson, Seat
from app.domains.catalog.models import GROUP, VISIBLE
from app.domains.notifications import queries
from app.domains.notifications.service import notify, tell
from app.domains.payments.models import RECEIPT
from app.domains.payments.service.receipts import number_of


def on_seat_booked(delivery: Delivery) -> None:
    seat = queries.seat(delivery.event.seat_id)
    if seat.status != BOOKED:
        return  # cancelled since: that is told, and nothing else
    _tell_learners(seat, kind="seat_booked", key=f"seat_booked:{seat.id}", letter="booked", about=seat.id)
    _tell_tutor(seat, kind="seat_booked", key=f"seat_booked:{seat.id}", letter="booked_tutor", about=seat.id)


def on_seat_moved(delivery: Delivery) -> None:
    move = queries.move(delivery.event.move_id)
    seat = queries.seat(move.seat_id)
    more = {"former": move.from_starts_at.isoformat(), "starts_at": move.to_starts_at.isoformat()}
    told: dict[str, Any] = {"kind": "seat_moved", "key": f"seat_moved:{move.id}", "about": move.id}
    _tell_learners(seat, letter="moved", more=more, **told)
    _tell_tutor(seat, letter="moved_tutor", more=more, **told)


def on_seat_cancelled(delivery: Delivery) -> None:
    seat = queries.seat(delivery.event.seat_id)
    by = "company" if delivery.event.by_company else "learner"
    more = {"by": by, "refund_minor": delivery.event.refund_minor, "currency": seat.currency}
    told: dict[str, Any] = {"kind": "seat_cancelled", "key": f"seat_cancelled:{seat.id}", "about": seat.id}
    _tell_learners(seat, letter="cancelled", more=more, **told)
    # A class that is called off as a whole is told once, by `on_lesson_cancelled`.
    if not (_is_class(seat.lesson) and seat.lesson.status == CANCELLED):
        _tell_tutor(seat, letter="cancelled_tutor", more={"by": by}, **told)


def on_lesson_cancelled(delivery: Delivery) -> None:
    lesson = queries.lesson(delivery.event.lesson_id)
    if not _is_class(lesson):
        return
    tell(
        lesson.tutor_id,
        kind="class_cancelled",
        key=f"class_cancelled:{lesson.id}",
        data=_of_lesson(lesson),
        url=f"/teach/lessons/{lesson.code}",
        letter="class_cancelled",
        subject_id=lesson.id,
    )


def on_seat_lost(delivery: Delivery) -> None:
    seat = queries.seat(delivery.event.seat_id)
    if seat.payer_id is None:
        return
    tell(
        seat.payer_id,
        kind="seat_lost",
        key=f"seat_lost:{seat.id}:{delivery.event.order_id}",
        data=_of_lesson(seat.lesson),
        url=f"/o/{seat.lesson.offering.slug}",
        letter="lost",
        subject_id=seat.id,
    )


def on_refund_succeeded(delivery: Delivery) -> None:
    refund = queries.refund(delivery.event.refund_id)
    order = refund.line.order
    if order.payer_id is None:
        return
    tell(
        order.payer_id,
        kind="refunded",
        key=f"refunded:{refund.id}",
        data={
            "title": refund.line.description,
            "amount_minor": refund.amount_minor,
            "currency": refund.currency,
        },
        url=f"/orders/{order.code}",
        letter="refunded",
        subject_id=refund.id,
    )


def on_refund_failed(delivery: Delivery) -> None:
    """A customer waits for money that does not come: whoever runs the company has to send it again."""
    refund = queries.refund(delivery.event.refund_id)
    told = {manager.person_id for manager in accounts.managers_of(scope.tenant_id())}
    for person_id in sorted(told):
        notify(
            person_id,
            kind="refund_failed",
            key=f"refund_failed:{refund.id}:{_stamp(refund.done_at)}",
            data={
                "title": refund.line.description,
                "amount_minor": refund.amount_minor,
                "currency": refund.currency,
            },
            url=f"/admin/refunds/{refund.id}",
        )


def on_receipt_issued(delivery: Delivery) -> None:
    receipt = queries.receipt(delivery.event.receipt_id)
    if receipt.order.payer_id is None:
        return
    tell(
        receipt.order.payer_id,
        kind=receipt.kind,
        key=f"{receipt.kind}:{receipt.id}",
        data={"number": number_of(receipt)},
        url=f"/orders/{receipt.order.code}",
        # The mail about the refund is mail enough; its paper lies with the order.
        letter="receipt" if receipt.kind == RECEIPT else None,
        subject_id=receipt.id,
    )


def on_offering_submitted(delivery: Delivery) -> None:
    revision = queries.revision(delivery.event.revision_id)
    told = {manager.person_id for manager in accounts.managers_of(scope.tenant_id())}
    for person_id in sorted(told):
        tell(
            person_id,
            kind="offering_submitted",
            key=f"offering_submitted:{revision.id}:{_stamp(revision.submitted_at)}",
            data={"title": revision.content.get("title", "")},
            url=f"/admin/proposals/{revision.id}",
            letter="offering_submitted",
            subject_id=revision.id,
        )


def on_offering_returned(delivery: Delivery) -> None:
    _tell_author(delivery, kind="offering_returned")


def on_offering_published(delivery: Delivery) -> None:
    _tell_author(delivery, kind="offering_published")


def on_review_written(delivery: Delivery) -> None:
    review = queries.review(delivery.event.review_id)
    if review.status != VISIBLE:
        return
    notify(
        review.offering.tutor_id,
        kind="review_written",
        key=f"review_written:{review.id}",
        data={"title": review.offering.title, "rating": review.rating, "name": str(review.author)},
        url="/teach/reviews/",
    )


def on_review_replied(delivery: Delivery) -> None:
    review = queries.review(delivery.event.review_id)
    notify(
        review.author_id,
        kind="review_replied",
        key=f"review_replied:{review.id}",
        data={"title": review.offering.title, "name": str(review.offering.tutor)},
        url="/learn/reviews/",
    )


def _tell_author(delivery: Delivery, *, kind: str) -> None:
    revision = queries.revision(delivery.event.revision_id)
    tell(
        revision.offering.tutor_id,
        kind=kind,
        key=f"{kind}:{revision.id}:{_stamp(revision.reviewed_at)}",
        data={"title": revision.content.get("title", "")},
        url=f"/teach/offerings/{revision.offering_id}",
        letter=kind,
        subject_id=revision.id,
    )


def on_earning_cleared(delivery: Delivery) -> None:
    earning = queries.earning(delivery.event.earning_id)
    notify(
        earning.tutor_id,
        kind="earning_cleared",
        key=f"earning_cleared:{earning.id}",
        data={
            "title": earning.description,
            "amount_minor": earning.tutor_minor,
            "currency": earning.currency,
        },
        url=f"/teach/earnings/{earning.id}",
    )


def _tell_learners(
    seat: Seat, *, kind: str, key: str, letter: str, about: int, more: dict[str, Any] | None = None
) -> None:
    """Who learns and who pays; they may be one."""
    for person_id in dict.fromkeys([seat.payer_id, seat.student_id]):
        if person_id is not None:
            tell(
                person_id,
                kind=kind,
                key=key,
                data={**_of_lesson(seat.lesson), "student": str(seat.student or ""), **(more or {})},
                url=f"/learn/lessons/{seat.code}",
                letter=letter,
                subject_id=about,
            )


def _tell_tutor(
    seat: Seat, *, kind: str, key: str, letter: str, about: int, more: dict[str, Any] | None = None
) -> None:
    tell(
        seat.lesson.tutor_id,
        kind=f"{kind}_tutor",
        key=key,
        data={**_of_lesson(seat.lesson), "student": str(seat.student or ""), **(more or {})},
        url=f"/teach/lessons/{seat.lesson.code}",
        letter=letter,
        subject_id=about,
    )


def _is_class(lesson: Lesson) -> bool:
    return lesson.offering.kind == GROUP


def _of_lesson(lesson: Lesson) -> dict[str, Any]:
    return {
        "title": lesson.offering.title,
        "tutor": str(lesson.tutor),
        "starts_at": lesson.starts_at.isoformat(),
    }


def _stamp(at: Any) -> str:
    """What is sent in again after it was sent back is told again."""
    return at.isoformat() if at is not None else ""
