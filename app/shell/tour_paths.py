"""What to try in the demo, for each kind of person: some steps, each with where it begins."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l


@dataclass(frozen=True)
class Step:
    """`path` is on the host of the step's path; empty where the step before leads there."""

    text: LazyString
    path: str = ""


@dataclass(frozen=True)
class Path:
    """`slug` is the company whose host it is on; None for the platform's."""

    key: str
    title: LazyString
    icon: str
    lead: LazyString
    slug: str | None
    steps: tuple[Step, ...]


PATHS = (
    Path(
        "visitor",
        _l("As a visitor"),
        "world",
        _l("Find a lesson, choose a time, and only then say who you are. No sign-in needed to begin."),
        "lingua",
        (
            Step(_l("Look round in the shop of Lingua Berlin: tutors, subjects, reviews, free times."), "/"),
            Step(_l("Search for “German”, and narrow it down by level or price."), "/search?q=German"),
            Step(
                _l("Open an offering and read what a cancellation costs, in plain words."),
                "/o/german-conversation-one-to-one",
            ),
            Step(_l("Choose a time. It is yours for ten minutes, and nobody else can take it.")),
            Step(
                _l("Register with any address ending in .test, and follow the link in the mail: see below.")
            ),
            Step(_l("Pay with the test card 4242 4242 4242 4242, any date to come and any three digits.")),
            Step(_l("Look at your receipt, and put the lesson into your calendar."), "/learn/"),
            Step(_l("Look at the same pages in another language, in the dark, and on a phone."), "/"),
        ),
    ),
    Path(
        "student",
        _l("As a student"),
        "book",
        _l("Mira learns German at Lingua Berlin and has done so for three months."),
        "lingua",
        (
            Step(_l("See your next lesson, what you have learned, and what is still to pay."), "/learn/"),
            Step(_l("Open the calendar, and subscribe to it with your own."), "/learn/calendar/"),
            Step(_l("Move a lesson to another time. The page says until when that goes.")),
            Step(_l("Cancel another one: before you agree it says what you get back, and why.")),
            Step(
                _l("Read your receipts, and the credit note of what you just cancelled."), "/account/orders/"
            ),
            Step(
                _l("Write to your tutor. Open a second browser as the tutor and watch it arrive."),
                "/messages/",
            ),
            Step(_l("Say how a lesson was: only who was there can."), "/learn/"),
            Step(_l("Book the same again with two clicks."), "/learn/"),
            Step(_l("Try a card that is declined, then one that is accepted: you pay once.")),
            Step(_l("Sign your other devices out, or change your language and time zone."), "/account/"),
        ),
    ),
    Path(
        "guardian",
        _l("As a guardian"),
        "users",
        _l("Martin books and pays for his children at MathLab New York. They need no login."),
        "mathlab",
        (
            Step(_l("See each child with its next lesson and its progress."), "/learn/"),
            Step(_l("Look at your family, and add a child."), "/family/"),
            Step(_l("Book a trial lesson for the new child."), "/search?kind=trial"),
            Step(_l("Try to put one child into two lessons at once: it is refused, with other times.")),
            Step(_l("Take a place in a group class; see how many are left."), "/search?kind=group"),
            Step(_l("Read what the tutor wrote about today's lesson."), "/messages/"),
            Step(_l("Review a lesson in your child's name."), "/learn/"),
        ),
    ),
    Path(
        "tutor",
        _l("As a tutor"),
        "school",
        _l("Jonas teaches at Lingua Berlin: his week, his offers, his money."),
        "lingua",
        (
            Step(_l("Start your day: the next lesson, what is to be marked, what has come in."), "/teach/"),
            Step(_l("Say who came to the last lessons. Then their money begins to clear."), "/teach/"),
            Step(_l("Change your working week, and take a day off."), "/teach/availability/"),
            Step(
                _l("Write a new offering, or change one: the old one stays in the shop meanwhile."),
                "/teach/offerings/",
            ),
            Step(_l("Send it to the manager to be looked at.")),
            Step(_l("Give your group class another date."), "/teach/"),
            Step(_l("Call a lesson off: everybody gets all of their money back by itself.")),
            Step(_l("See what you have earned, and how each amount comes about."), "/teach/earnings/"),
            Step(_l("Answer a message, and see when it was read."), "/messages/"),
            Step(_l("Answer a review."), "/teach/reviews/"),
        ),
    ),
    Path(
        "manager",
        _l("As a manager"),
        "dashboard",
        _l("Clara runs Lingua Berlin: everything on one page, each figure with the rows behind it."),
        "lingua",
        (
            Step(_l("Begin with what is to be fixed today."), "/admin/"),
            Step(
                _l("Look at a proposed offering beside what is live, publish it or send it back."),
                "/admin/proposals/",
            ),
            Step(_l("Press Ctrl K (or ⌘ K) and type a name, an order or an address."), "/admin/"),
            Step(_l("Filter the bookings, choose columns, keep the view, export it."), "/admin/seats/"),
            Step(
                _l("Open a person: lessons, orders and all that ever happened, in words."), "/admin/people/"
            ),
            Step(_l("Invite a tutor, and read the mail."), "/admin/invitations/"),
            Step(_l("Look at a refund that its bank sent back, and send it again."), "/admin/refunds/"),
            Step(
                _l("Look at the open dispute: the tutor's share waits until it is decided."),
                "/admin/disputes/",
            ),
            Step(_l("Balance the books: every cent has two sides."), "/admin/books/"),
            Step(_l("Change the colour of your brand and watch the contrast."), "/admin/brand/"),
            Step(_l("Make a role of your own, for somebody who may read and nothing else."), "/admin/roles/"),
        ),
    ),
    Path(
        "operator",
        _l("As the operator"),
        "server",
        _l("Olga runs the platform: all companies, and nobody's secrets."),
        None,
        (
            Step(_l("See all companies, their takings by currency, and who needs help."), "/admin/"),
            Step(_l("Visit a company. It is written into that company's own trail."), "/admin/tenants/"),
            Step(_l("Let a day or a week pass: see below."), "/admin/clock/"),
            Step(_l("Read the mails that went out, with their calendar invitations."), "/admin/sent-mails/"),
            Step(_l("See what is on its way, and try again what gave up."), "/admin/deliveries/"),
            Step(_l("See what recurs, and when it did last."), "/admin/schedules/"),
            Step(_l("Read what the payment service told us."), "/admin/provider-events/"),
            Step(_l("Who did what, when and from where: the trail."), "/admin/audit/"),
            Step(_l("Read what the programming interface offers."), "/api/v1/_openapi.json"),
            Step(
                _l("Suspend a company, look at its page as a visitor, and bring it back."), "/admin/tenants/"
            ),
        ),
    ),
)
