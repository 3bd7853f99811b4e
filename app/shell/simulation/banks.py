"""Banks that take money back, managers who look after it, and what people write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import select

from app.core import clock
from app.core.db import db
from app.core.scope import tenant_scope
from app.domains.accounts import queries as accounts
from app.domains.catalog import queries as catalog
from app.domains.catalog import service as catalog_service
from app.domains.earnings import service as earnings
from app.domains.messaging import service as messaging
from app.domains.payments import jobs as payment_jobs
from app.domains.payments import queries as payment_queries
from app.domains.payments import service as payments
from app.domains.payments.models import Receipt, Refund
from app.shell.simulation.hands import Deed, Hands
from app.shell.simulation.market import Firm
from app.shell.simulation.rules import Terms


@dataclass
class Banking(Hands):
    """What banks, managers and those who came do."""

    def disputes(self, firm: Firm) -> Deed:
        """Whoever paid has their bank take it back. We hear of it when the post comes."""
        seat = self._some_seat(firm, ("booked", "attended", "missed"), lambda seat: bool(seat.price))
        payment = self._payment(firm, seat.line) if seat is not None and seat.line is not None else None
        if payment is None or payment.provider_ref is None or payment.status != "captured":
            return
        try:
            self.open_disputes.append(self.provider.dispute(payment.provider_ref))
            self.say(f"payment {payment.id} is disputed")
        except ValueError:
            return  # it is already, or nothing is left of it
        yield from ()

    def decides(self, _firm: Firm) -> Deed:
        if self.open_disputes:
            ref = self.open_disputes.pop(self.rng.randrange(len(self.open_disputes)))
            outcome = self.rng.choice(["won", "lost"])
            self.provider.decide(ref, outcome)
            self.say(f"a dispute is {outcome}")
        yield from ()

    def bounces(self, firm: Firm) -> Deed:
        """A bank sends a refund back that had arrived."""
        with tenant_scope(firm.tenant_id):
            found = select(Refund).where(Refund.status == "succeeded").order_by(Refund.id)
            refunds = db.session.scalars(found).all()
        refund = self.rng.choice(refunds) if refunds else None
        if refund is not None and refund.provider_ref is not None:
            try:
                self.provider.bounce(refund.provider_ref)
            except ValueError:
                return  # it has come back once already, and the post is late
            self.say(f"refund {refund.id} is sent back")
        yield from ()

    def tries_again(self, firm: Firm) -> Deed:
        """The manager sends a refund once more that failed."""
        with tenant_scope(firm.tenant_id):
            refunds = db.session.scalars(
                select(Refund).where(Refund.status == "failed").order_by(Refund.id)
            ).all()
        if not refunds:
            return
        refund = self.rng.choice(refunds)

        def work() -> None:
            with self.inside(firm, firm.manager):
                payments.try_again(payment_queries.refund(refund.id))

        text = f"refund {refund.id} is tried again"
        self.expect(text, self.click(text, work), "ok", "disputed_payment", "nothing_to_refund")
        yield from ()

    def opens_receipt(self, firm: Firm) -> Deed:
        """Somebody looks at a receipt, which is drawn for the first one who does."""
        with tenant_scope(firm.tenant_id):
            receipts = db.session.scalars(select(Receipt).order_by(Receipt.id)).all()
        if not receipts:
            return
        receipt_id = self.rng.choice(receipts).id

        def work() -> None:
            with tenant_scope(firm.tenant_id):
                payment_jobs.receipt_pdf(payment_queries.receipt(receipt_id))

        text = f"receipt {receipt_id} is opened"
        self.expect(text, self.click(text, work), "ok", "storage_full")
        yield from ()

    def agrees(self, firm: Firm) -> Deed:
        """Other terms for a tutor, or for all, from now on."""
        tutor = self.rng.choice([None, *firm.tutors])
        share, days = self.rng.choice([5000, 6667, 7525, 9000, 10_000]), self.rng.choice([0, 3, 7, 14])

        def work() -> None:
            with self.inside(firm, firm.manager):
                person = accounts.person(tutor.person_id) if tutor else None
                earnings.plan_commission(name="Agreed", person=person, tutor_share_bp=share, hold_days=days)

        text = f"{firm.place.slug}: {tutor.name if tutor else 'everybody'} gets {share} after {days} days"
        with self.weather_apart():
            self.expect(text, self.click(text, work), "ok")
        whose = tutor.person_id if tutor else None
        firm.company.terms.append(Terms(clock.now(), whose, share, days))
        yield from ()

    @contextmanager
    def weather_apart(self) -> Iterator[None]:
        """For what the witness can't see in the rows: nothing dies of it."""
        before, self.weather.is_bad = self.weather.is_bad, False
        try:
            yield
        finally:
            self.weather.is_bad = before

    def writes(self, firm: Firm) -> Deed:
        """A message to the tutor, and perhaps a review by somebody who came."""
        seat = self._some_seat(firm, "attended", lambda seat: seat.student is not None)
        if seat is None or seat.student is None:
            return
        who, student, offer = self._owner(firm, seat), seat.student, seat.lesson.offer
        body, client_id = f"Thank you, {self.rng.randrange(10**6)}", self._uuid()

        def send() -> None:
            with self.inside(firm, who):
                conversation = messaging.open_conversation(
                    accounts.person(offer.tutor), accounts.person(student)
                )
                messaging.send(conversation.id, author_id=who.person_id, client_id=client_id, body=body)

        def review() -> None:
            with self.inside(firm, who):
                catalog_service.write_review(
                    catalog.offering(offer.id),
                    student=accounts.person(student),
                    author=accounts.person(who.person_id),
                    rating=5,
                    text="Clear and kind.",
                )

        self.expect("a message", (yield from self.insist(f"{who.name} writes", send)), "ok")
        if self.rng.random() < 0.5:
            self.click(f"{who.name} reviews offer {offer.id}", review)
