"""What tenancy announces."""

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True)
class TenantChanged(Event):
    """Its name, brand, hosts or status are not what caches remember."""


@dataclass(frozen=True)
class TenantOpened(Event):
    """A new company was created."""


@dataclass(frozen=True)
class TenantSuspended(Event):
    pass


@dataclass(frozen=True)
class TenantResumed(Event):
    pass
