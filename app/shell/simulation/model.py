"""The model is told what became of each row of the house, and keeps books of its own about it.

Told in the order of the methods below, once after each thing that happened, it raises `Difference` for what
may not be: a place given twice, a refund of another amount, an earning that cleared too early. Nothing of the
house is imported here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.shell.simulation.rules import (
    HOLD_LIFE,
    Books,
    Calendars,
    Company,
    Difference,
    Lesson,
    Line,
    Offer,
    Seat,
    goes_back,
    is_late,
    may_move,
    sale,
    shared,
)

Row = Mapping[str, Any]
CUSTOMER = "customer"  # who cancels, in the words of the simulation's people
MOVES = {
    "held": {"booked", "released", "lapsed"},
    "lapsed": {"booked"},
    "released": {"booked"},
    "booked": {"attended", "missed", "cancelled"},
    "attended": {"missed"},
    "missed": {"attended"},
    "cancelled": set(),
}


@dataclass
class Dispute:
    line: int
    amount: int
    status: str
    fee: int = 0


@dataclass
class Model(Calendars):
    """Companies and offers are known from the start; all else is told. `now` is set before telling."""

    companies: dict[int, Company] = field(default_factory=dict)
    offers: dict[int, Offer] = field(default_factory=dict)
    lessons: dict[int, Lesson] = field(default_factory=dict)
    seats: dict[int, Seat] = field(default_factory=dict)
    lines: dict[int, Line] = field(default_factory=dict)
    disputes: dict[int, Dispute] = field(default_factory=dict)
    fees: dict[int, int] = field(default_factory=dict)
    books: Books = field(default_factory=Books)
    now: dt.datetime = dt.datetime.min.replace(tzinfo=dt.UTC)
    changed: list[Seat] = field(default_factory=list)
    paid: list[Line] = field(default_factory=list)

    def says(self, *, holds: bool, text: str) -> None:
        if not holds:
            raise Difference(text)

    # -- Lessons and seats ---------------------------------------------------------------------------------

    def told_lesson(self, row: Row) -> None:
        lesson = self.lessons.get(row["id"])
        offer = self.offers[row["offering_id"]]
        if lesson is None:
            lesson = Lesson(row["id"], offer, row["starts_at"], row["ends_at"], row["status"])
            self.lessons[lesson.id] = lesson
            self.says(
                holds=lesson.ends_at - lesson.starts_at == dt.timedelta(minutes=offer.minutes)
                and row["capacity"] == offer.capacity,
                text=f"lesson {lesson.id} has another length or room than its offer",
            )
            return
        if row["starts_at"] != lesson.starts_at:
            for seat in self.taken(lesson, self.now):
                self._moved(seat, row["starts_at"])
        lesson.starts_at, lesson.ends_at, lesson.status = row["starts_at"], row["ends_at"], row["status"]

    def told_seat(self, row: Row) -> None:
        seat = self.seats.get(row["id"])
        if seat is None:
            seat = self._new_seat(row)
        if row["lesson_id"] != seat.lesson.id:
            target = self.lessons[row["lesson_id"]]
            self._moved(seat, target.starts_at)
            seat.lesson.seats.remove(seat)
            target.seats.append(seat)
            seat.lesson = target
        seat.student, seat.line = row["student_id"], row["line_id"]
        self._held_for(seat, row["expires_at"])
        if row["status"] != seat.status:
            self._seat_moves(seat, row)
        elif row["refund_minor"] != seat.refunded:
            self._given_back_after_dispute(seat, row["refund_minor"])
        self.changed.append(seat)

    def _new_seat(self, row: Row) -> Seat:
        lesson = self.lessons[row["lesson_id"]]
        seat = Seat(row["id"], lesson, "held", row["expires_at"])
        self.says(
            holds=(row["price_minor"], row["currency"]) == (lesson.offer.price, lesson.offer.company.currency)
            and row["expires_at"] == self.now + HOLD_LIFE
            and row["status"] == "held"
            and lesson.starts_at > self.now,
            text=f"seat {seat.id} was held at another price, for another time, or too late",
        )
        self.seats[seat.id] = seat
        lesson.seats.append(seat)
        return seat

    def _held_for(self, seat: Seat, expires_at: dt.datetime | None) -> None:
        if expires_at is not None and expires_at != seat.expires_at:
            self.says(
                holds=seat.takes(self.now) and expires_at == self.now + HOLD_LIFE,
                text=f"seat {seat.id} was held anew until {expires_at}",
            )
            seat.expires_at = expires_at

    def _moved(self, seat: Seat, to: dt.datetime) -> None:
        self.says(holds=may_move(seat, self.now), text=f"seat {seat.id} may not be moved at {self.now}")
        before = seat.lesson.starts_at
        counted = min(before, seat.counts_from or before)
        seat.counts_from = min(counted, to) if is_late(seat, self.now) else None
        seat.moves += 1
        self.changed.append(seat)

    def _seat_moves(self, seat: Seat, row: Row) -> None:
        before, after = seat.status, row["status"]
        self.says(holds=after in MOVES[before], text=f"seat {seat.id} went from {before} to {after}")
        if before == "held" and after == "lapsed":
            self.says(
                holds=seat.expires_at is not None and seat.expires_at <= self.now,
                text=f"seat {seat.id} lapsed before its time",
            )
        if after in {"attended", "missed"}:
            self.says(
                holds=self.now >= seat.lesson.starts_at, text=f"seat {seat.id} was marked before its lesson"
            )
            self._earned(seat)
        if after == "cancelled":
            self._cancelled(seat, row)
        seat.status = after
        if after == "booked":
            self._sold(seat)

    def _sold(self, seat: Seat) -> None:
        offer = seat.lesson.offer
        seat.earning = sale(offer, self.now)
        tax, platform, company, tutor = seat.earning.shares
        self.books.move(
            offer.company,
            ("customer_funds", None, offer.price),
            ("tax_payable", None, -tax),
            ("platform_fee", None, -platform),
            ("tenant_revenue", None, -company),
            ("tutor_pending", offer.tutor, -tutor),
        )

    def _earned(self, seat: Seat) -> None:
        earning = seat.earning
        if earning is not None and earning.status == "pending" and earning.clears_at is None:
            earning.clears_at = seat.lesson.ends_at + dt.timedelta(days=earning.hold_days)

    def _cancelled(self, seat: Seat, row: Row) -> None:
        by_customer = row["cancelled_by"] == CUSTOMER
        if by_customer:
            self.says(
                holds=self.now < seat.lesson.starts_at, text=f"seat {seat.id} was cancelled after it began"
            )
        wanted = goes_back(seat, self.now, by_customer=by_customer)
        if self.stands_disputed(seat.line):
            self.says(holds=not by_customer, text=f"seat {seat.id} was cancelled in a dispute")
            wanted = 0
            self.says(
                holds=row["refund_minor"] == 0, text=f"seat {seat.id} gave back what its bank has taken"
            )
        else:
            self._given_back(seat, row["refund_minor"], wanted)
        if by_customer and wanted < seat.price:
            self._earned(seat)

    def _given_back(self, seat: Seat, refunded: int, wanted: int) -> None:
        """Each gives in proportion to what they have of the price."""
        self.says(
            holds=refunded - seat.refunded == wanted,
            text=f"seat {seat.id} gives {refunded - seat.refunded} back, not {wanted}",
        )
        earning, offer = seat.earning, seat.lesson.offer
        assert earning is not None, "it was sold"
        parts = shared(wanted, earning.shares)
        if wanted:
            account = "tutor_cleared" if earning.status == "cleared" else "tutor_pending"
            self.books.move(
                offer.company,
                ("tax_payable", None, parts[0]),
                ("platform_fee", None, parts[1]),
                ("tenant_revenue", None, parts[2]),
                (account, offer.tutor, parts[3]),
                ("customer_funds", None, -wanted),
            )
        earning.shares = [has - part for has, part in zip(earning.shares, parts, strict=True)]
        earning.given_back += wanted
        seat.refunded = refunded
        if not any(earning.shares) and (wanted or not seat.price):
            earning.status, earning.clears_at = "reversed", None

    def _given_back_after_dispute(self, seat: Seat, refunded: int) -> None:
        self.says(
            holds=seat.status == "cancelled" and seat.refunded == 0,
            text=f"seat {seat.id} gave something back once more",
        )
        self._given_back(seat, refunded, goes_back(seat, self.now, by_customer=False))

    # -- Money ---------------------------------------------------------------------------------------------

    def told_line(self, row: Row) -> None:
        """A line of an order, with the order's status. Free ones move nothing."""
        line = self.lines.get(row["id"])
        if line is None:
            seat = self.seats[row["seat_id"]]
            line = self.lines[row["id"]] = Line(row["id"], seat.id, row["gross_minor"])
            self.says(holds=line.gross == seat.price, text=f"line {line.id} has another price than its seat")
        if row["status"] == "paid" and not line.is_paid:
            line.is_paid = True
            self.paid.append(line)
            self.books.move(
                self.company_of(line),
                ("provider_balance", None, line.gross),
                ("customer_funds", None, -line.gross),
            )
        self.says(
            holds=line.is_paid == (row["status"] == "paid"), text=f"line {line.id} is not paid any more"
        )

    def told_payment(self, row: Row) -> None:
        fee = row["fee_minor"]
        if fee is not None and row["id"] not in self.fees:
            self.fees[row["id"]] = fee
            company = self.companies[row["tenant_id"]]
            self.books.move(company, ("processing_fees", None, fee), ("provider_balance", None, -fee))

    def told_refund(self, row: Row) -> None:
        line = self.lines[row["line_id"]]
        company, key, minor = self.company_of(line), (row["id"], row["code"]), row["amount_minor"]
        if key not in line.refunds:
            line.refunds[key] = "requested", minor
            self.books.move(company, ("customer_funds", None, minor), ("refunds_pending", None, -minor))
            self.says(
                holds=line.going_back <= self.owed(line),
                text=f"line {line.id}: {line.going_back} goes back, owed is {self.owed(line)}",
            )
        before, after = line.refunds[key][0], row["status"]
        line.refunds[key] = after, minor
        if after == before:
            return
        if after == "succeeded":
            self.books.move(company, ("refunds_pending", None, minor), ("provider_balance", None, -minor))
        elif after == "failed":
            held_in = "provider_balance" if before == "succeeded" else "refunds_pending"
            self.books.move(company, (held_in, None, minor), ("customer_funds", None, -minor))

    def told_dispute(self, row: Row) -> None:
        dispute, line = self.disputes.get(row["id"]), self.lines[row["line_id"]]
        company, minor = self.company_of(line), row["amount_minor"]
        if dispute is None:
            dispute = self.disputes[row["id"]] = Dispute(line.id, minor, "open")
            self.books.move(company, ("disputes_held", None, minor), ("provider_balance", None, -minor))
        if row["status"] != dispute.status:
            self.says(holds=dispute.status == "open", text=f"dispute {row['id']} was decided twice")
            dispute.status = row["status"]
            goes_to = "provider_balance" if dispute.status == "won" else "dispute_losses"
            self.books.move(company, (goes_to, None, minor), ("disputes_held", None, -minor))
        fee = row["fee_minor"] - dispute.fee
        if fee:
            dispute.fee = row["fee_minor"]
            self.books.move(company, ("processing_fees", None, fee), ("provider_balance", None, -fee))
        earning = self.seats[line.seat].earning
        if earning is not None:
            earning.is_held = any(d.line == line.id and d.status == "open" for d in self.disputes.values())

    def told_earning(self, row: Row) -> None:
        seat = self.seats[row["seat_id"]]
        earning = seat.earning
        if earning is None:
            raise Difference(f"seat {seat.id} earned something and was not sold")
        if row["status"] == "cleared" and earning.status == "pending":
            self.says(
                holds=earning.clears_at is not None and earning.clears_at <= self.now and not earning.is_held,
                text=f"the earning of seat {seat.id} cleared before its time",
            )
            own, tutor = earning.shares[3], seat.lesson.offer.tutor
            self.books.move(seat.company, ("tutor_pending", tutor, own), ("tutor_cleared", tutor, -own))
            earning.status = "cleared"
        shares = [row[f"{whose}_minor"] for whose in ("tax", "platform", "tenant", "tutor")]
        real = (shares, row["refunded_minor"], row["status"], row["clears_at"], row["is_held"])
        ours = (earning.shares, earning.given_back, earning.status, earning.clears_at, earning.is_held)
        self.says(holds=real == ours, text=f"the earning of seat {seat.id} is {real}, and should be {ours}")

    # -- Afterwards ----------------------------------------------------------------------------------------

    def judge(self) -> None:
        """Everything of this moment was told: places are held once, and money has its place or goes back."""
        for seat in self.changed:
            if seat.takes(self.now):
                self._judge_place(seat)
        for line in self.paid:
            seat = self.seats[line.seat]
            if seat.line == line.id and seat.status in {"booked", "attended", "missed", "cancelled"}:
                continue
            line.is_lost = True
            self.says(
                holds=seat.line != line.id or not self.is_obtainable(seat, self.now),
                text=f"seat {seat.id} was paid and could still be had, but was lost",
            )
            self.says(
                holds=line.going_back == line.gross or self.has_failed(line),
                text=f"line {line.id} was paid for nothing, and {line.going_back} of {line.gross} goes back",
            )
        self.changed, self.paid = [], []

    def _judge_place(self, seat: Seat) -> None:
        lesson = seat.lesson
        self.says(
            holds=len(self.taken(lesson, self.now)) <= lesson.offer.capacity,
            text=f"lesson {lesson.id} holds more seats than it has",
        )
        self.says(
            holds=self.tutor_is_free(lesson.offer, lesson.starts_at, self.now, but=lesson),
            text=f"the tutor of seat {seat.id} is in two places at once",
        )
        if seat.student is not None:
            self.says(
                holds=self.student_is_free(
                    seat.student, lesson.starts_at, lesson.ends_at, self.now, but=seat
                ),
                text=f"the student of seat {seat.id} is in two places at once",
            )

    def company_of(self, line: Line) -> Company:
        return self.seats[line.seat].company

    def owed(self, line: Line) -> int:
        """What of a line was given back to its customer, as far as seats say."""
        seat = self.seats[line.seat]
        is_its_seat = seat.line == line.id and seat.status in {"booked", "attended", "missed", "cancelled"}
        return seat.refunded if is_its_seat else line.gross

    def has_failed(self, line: Line) -> bool:
        return any(status == "failed" for status, _amount in line.refunds.values())

    def stands_disputed(self, line: int | None) -> bool:
        return any(d.line == line and d.status != "won" for d in self.disputes.values())

    def overdue(self) -> list[str]:
        """What should have come to its end by now and has not."""
        found = []
        for seat in self.seats.values():
            earning = seat.earning
            if seat.status == "held" and seat.expires_at is not None and seat.expires_at <= self.now:
                found.append(f"seat {seat.id} is still held")
            if seat.status == "booked" and seat.lesson.ends_at + dt.timedelta(hours=25) < self.now:
                found.append(f"seat {seat.id} was never marked")
            if (
                earning is not None
                and earning.status == "pending"
                and not earning.is_held
                and earning.clears_at is not None
                and earning.clears_at < self.now - dt.timedelta(hours=1)
            ):
                found.append(f"the earning of seat {seat.id} should have cleared")
        for line in self.lines.values():
            if line.going_back != self.owed(line) * line.is_paid and not self.has_failed(line):
                found.append(f"line {line.id}: {line.going_back} goes back, owed is {self.owed(line)}")
        return found
