"""A school whose events are delivered."""

from tests.domains.notifications.support import here

__all__ = ["here"]
