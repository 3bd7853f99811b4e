"""What follows an event while a world is lived: done at once, in this process, by the handlers of the house.

A quarter lies behind: its deeds would keep dispatcher and workers busy for long after the demo is ready, and
be done at today's date. So living is its own dispatcher: what touches the database follows in a transaction,
what calls a provider after that. Old mails are not sent, and papers are drawn when somebody asks for them.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from flask import current_app

from app.core import clock
from app.core.events import Delivery, Event, Later, Wiring
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.messaging import reactions as messaging

# Nobody has a page open that could be told.
UNHEARD = frozenset({messaging.push_message, messaging.push_marks})
DRAWN_WHEN_ASKED = "default"
MAIL = "mail"


class FollowUps:
    """`mails_from` is since when mails are worth sending (machine time)."""

    def __init__(self, real: Wiring, *, mails_from: dt.datetime) -> None:
        self._mails_from = mails_from
        self._waiting: deque[tuple[Later, Delivery]] = deque()
        classes = {*real.now, *real.later}
        self.wiring = Wiring({cls: tuple(self._handlers(real, cls)) for cls in classes}, {})

    def _handlers(self, real: Wiring, cls: type[Event]) -> Iterator[Callable[[Any], None]]:
        yield from (handler for handler in real.now.get(cls, ()) if handler not in UNHEARD)
        yield from (partial(self._note, item) for item in real.later.get(cls, ()))

    def _note(self, item: Later, event: Event) -> None:
        is_late = item.queue == MAIL and clock.machine_now() < self._mails_from
        if not is_late and item.queue != DRAWN_WHEN_ASKED:
            self._waiting.append((item, Delivery(event, key=f"{uuid.uuid4()}.{item.name}")))

    def forget(self) -> None:
        """What was announced was rolled back."""
        self._waiting.clear()

    def carry_out(self) -> None:
        """All that waits, and all that comes of it."""
        while self._waiting:
            if self._waiting[0][0].queue is None:
                self._carry_out_here()
            else:
                item, delivery = self._waiting.popleft()
                with _scope(delivery.event.tenant_id):
                    item.handler(delivery)

    def _carry_out_here(self) -> None:
        """Those that touch only the database, as far as they belong to one tenant, together."""
        tenant_id = self._waiting[0][1].event.tenant_id
        with _scope(tenant_id), transaction():
            while self._waiting:
                item, delivery = self._waiting[0]
                if item.queue is not None or delivery.event.tenant_id != tenant_id:
                    break
                self._waiting.popleft()
                item.handler(delivery)


@contextmanager
def followed_at_once(*, mails_from: dt.datetime) -> Iterator[FollowUps]:
    """Within the block events of this application are followed by `FollowUps` alone."""
    real: Wiring = current_app.extensions["wiring"]
    follow_ups = FollowUps(real, mails_from=mails_from)
    current_app.extensions["wiring"] = follow_ups.wiring
    try:
        yield follow_ups
    finally:
        current_app.extensions["wiring"] = real


def _scope(tenant_id: int | None) -> Any:
    return platform_scope("follow up what was lived") if tenant_id is None else tenant_scope(tenant_id)
