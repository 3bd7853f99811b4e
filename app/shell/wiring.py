"""Who reacts to what, on one screen. NOW runs in the announcing transaction, LATER after its commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.core import bulk
from app.core.events import Event, Later, Wiring
from app.domains.accounts import events as accounts
from app.domains.accounts import jobs as accounts_jobs
from app.domains.booking import events as booking
from app.domains.booking import reactions as booking_reactions
from app.domains.catalog import events as catalog
from app.domains.earnings import events as earnings
from app.domains.messaging import events as messaging
from app.domains.messaging import jobs as messaging_jobs
from app.domains.messaging import reactions as messaging_reactions
from app.domains.notifications import events as notifications
from app.domains.notifications import reactions as told
from app.domains.notifications.jobs import letters
from app.domains.payments import events as payments
from app.domains.payments import jobs as payments_jobs
from app.domains.tenancy import events as tenancy
from app.domains.tenancy import jobs as tenancy_jobs
from app.shell import bulk as run_of_many

NOW: dict[type[Event], tuple[Callable[[Any], None], ...]] = {
    payments.OrderPaid: (booking_reactions.on_order_paid,),
    payments.OrderExpired: (booking_reactions.on_order_expired,),
    payments.DisputeOpened: (booking_reactions.on_dispute_opened,),
    payments.DisputeClosed: (booking_reactions.on_dispute_closed,),
    payments.RefundRequested: (booking_reactions.on_refund_changed,),
    payments.RefundFailed: (booking_reactions.on_refund_changed,),
    booking.SeatMarked: (booking_reactions.on_seat_marked,),
    messaging.MessageSent: (messaging_reactions.push_message,),
    messaging.MarksMoved: (messaging_reactions.push_marks,),
    tenancy.TenantChanged: (tenancy_jobs.forget_hosts_at_once,),
}

LATER: dict[type[Event], tuple[Later, ...]] = {
    bulk.BulkRunContinues: (Later(run_of_many.go_on, queue="low"),),
    accounts.PersonInvited: (Later(accounts_jobs.send_invitation, queue="mail"),),
    accounts.PasswordResetRequested: (Later(accounts_jobs.send_reset, queue="mail"),),
    accounts.PasswordChanged: (Later(accounts_jobs.send_password_changed, queue="mail"),),
    accounts.EmailChangeRequested: (Later(accounts_jobs.send_email_confirmation, queue="mail"),),
    accounts.EmailChanged: (Later(accounts_jobs.send_email_changed, queue="mail"),),
    accounts.InvitationAccepted: (),
    accounts.RefreshTokenReused: (),
    accounts.RegistrationRequested: (Later(accounts_jobs.send_registration, queue="mail"),),
    accounts.PersonRegistered: (),
    accounts.ChildAdded: (),
    catalog.OfferingSubmitted: (Later(told.on_offering_submitted),),
    catalog.OfferingReturned: (Later(told.on_offering_returned),),
    catalog.OfferingPublished: (Later(told.on_offering_published),),
    catalog.OfferingChanged: (),
    catalog.ReviewWritten: (Later(told.on_review_written),),
    catalog.ReviewReplied: (Later(told.on_review_replied),),
    catalog.ReviewModerated: (),
    booking.SeatHeld: (),
    booking.SeatReleased: (),
    booking.SeatBooked: (Later(told.on_seat_booked), Later(messaging_reactions.open_for_seat)),
    booking.SeatMoved: (Later(told.on_seat_moved),),
    booking.SeatCancelled: (Later(told.on_seat_cancelled),),
    booking.SeatLost: (Later(told.on_seat_lost),),
    booking.SeatMarked: (),
    booking.LessonScheduled: (),
    booking.LessonCancelled: (Later(told.on_lesson_cancelled),),
    booking.AvailabilityChanged: (),
    earnings.EarningCleared: (Later(told.on_earning_cleared),),
    payments.OrderPaid: (),
    payments.OrderExpired: (Later(payments_jobs.call_off_payments, queue="critical"),),
    payments.OrderCancelled: (Later(payments_jobs.call_off_payments, queue="critical"),),
    payments.ProviderEventStored: (Later(payments_jobs.process_event, queue="critical"),),
    payments.RefundRequested: (Later(payments_jobs.submit_refund, queue="critical"),),
    payments.RefundSucceeded: (Later(told.on_refund_succeeded),),
    payments.RefundFailed: (Later(told.on_refund_failed),),
    payments.ReceiptIssued: (Later(told.on_receipt_issued),),
    payments.DisputeOpened: (),
    payments.DisputeClosed: (),
    messaging.MessageSent: (Later(messaging_reactions.tell_members),),
    messaging.UnreadReminded: (Later(messaging_jobs.mail_unread, queue="mail"),),
    notifications.MailDue: (Later(letters.send_mail, queue="mail"),),
    tenancy.TenantOpened: (Later(tenancy_jobs.forget_hosts, queue="critical"),),
    tenancy.TenantChanged: (Later(tenancy_jobs.forget_hosts, queue="critical"),),
    tenancy.TenantSuspended: (),
    tenancy.TenantResumed: (),
}


def make() -> Wiring:
    return Wiring(NOW, LATER)
