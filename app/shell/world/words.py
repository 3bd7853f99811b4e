"""What people of a demo company write: messages to each other, and reviews of what they took."""

from __future__ import annotations

from uuid import NAMESPACE_OID, uuid5

from app.core.errors import NotFound
from app.domains.catalog import service as catalog
from app.domains.catalog.models import Review
from app.domains.catalog.queries import reviews as queries
from app.domains.messaging import service as messaging
from app.shell.world import deeds
from app.shell.world.deeds import SeatRef
from app.shell.world.house import House


def say(house: House, deed: deeds.Says) -> None:
    """The same message is sent once, also by a life that was cut off and goes on."""
    words = f"{house.seed} {house.company.slug} {deed.tutor} {deed.learner} {deed.number}"
    with house.inside(deed.author):
        conversation = messaging.open_conversation(house.person(deed.tutor), house.person(deed.learner))
        messaging.send(
            conversation.id,
            author_id=house.person_id(deed.author),
            client_id=uuid5(NAMESPACE_OID, words),
            body=deed.text,
        )


def read(house: House, deed: deeds.Reads) -> None:
    with house.inside(deed.reader):
        conversation = messaging.open_conversation(house.person(deed.tutor), house.person(deed.learner))
        reader_id = house.person_id(deed.reader)
        messaging.mark_read(conversation.id, person_id=reader_id, seq=conversation.last_seq)


def review(house: House, deed: deeds.Reviews) -> None:
    with house.inside(deed.seat.payer):
        if _review(house, deed.seat) is None:
            catalog.write_review(
                house.offering(deed.seat.offer),
                student=house.person(deed.seat.learner),
                author=house.person(deed.seat.payer),
                rating=deed.rating,
                text=deed.text,
            )


def reply(house: House, deed: deeds.Replies) -> None:
    with house.inside(deed.tutor):
        catalog.reply_to(_said(house, deed.seat), tutor=house.person(deed.tutor), text=deed.text)


def hide(house: House, deed: deeds.Hides) -> None:
    manager = house.company.manager
    with house.inside(manager):
        found = _said(house, deed.seat)
        if found.hidden_reason is None:
            catalog.hide(found, reason=deed.reason, by=manager)


def _said(house: House, ref: SeatRef) -> Review:
    """Raises NotFound for what was not said."""
    found = _review(house, ref)
    if found is None:
        raise NotFound
    return found


def _review(house: House, ref: SeatRef) -> Review | None:
    offering_id = house.offering_id(ref.offer)
    assert offering_id is not None, "what is reviewed was sold"
    return queries.review_of(house.person_id(ref.learner), offering_id)
