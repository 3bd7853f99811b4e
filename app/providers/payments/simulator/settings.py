"""Where a simulator keeps its log, where it listens, and whom it tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.providers.payments.base import EVENTS
from app.providers.payments.keys import SimulatorKeys

LOOPBACK = "127.0.0.1"


class InstallationSettings(Protocol):
    """What the simulator needs to know of an installation."""

    @property
    def SECRET_KEY(self) -> str: ...
    @property
    def VAR_DIR(self) -> Path: ...
    @property
    def BASE_DOMAIN(self) -> str: ...
    @property
    def PORT(self) -> int: ...
    @property
    def SIMULATOR_PORT(self) -> int: ...
    @property
    def DEFAULT_LOCALE(self) -> str: ...


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """`webhook_url` is where events go (nowhere, if empty), under the Host header `webhook_host`: those of
    the types `webhook_events`, or all. Payers are sent back to `base_domain` and the hosts below it only.
    Port 0 is any free one."""

    folder: Path
    keys: SimulatorKeys
    base_domain: str
    port: int
    hosts: tuple[str, ...] = (LOOPBACK,)
    webhook_url: str = ""
    webhook_host: str = ""
    webhook_events: frozenset[str] | None = None
    locale: str = "en"

    @classmethod
    def of(cls, settings: InstallationSettings, *, hosts: tuple[str, ...] = ()) -> SimulatorSettings:
        """For an installation whose web process listens on `hosts`; the provider needs loopback, too."""
        everywhere = {"0.0.0.0", "::"} & set(hosts)  # noqa: S104 - compared, not bound
        local = hosts[0] if hosts and not everywhere else LOOPBACK
        literal = f"[{local}]" if ":" in local else local
        return cls(
            folder=settings.VAR_DIR / "simulator",
            keys=SimulatorKeys.of(settings.SECRET_KEY),
            base_domain=settings.BASE_DOMAIN,
            port=settings.SIMULATOR_PORT,
            hosts=hosts if "0.0.0.0" in everywhere else tuple(dict.fromkeys([LOOPBACK, *hosts])),  # noqa: S104 - as above
            webhook_url=f"http://{literal}:{settings.PORT}/webhooks/mock",
            webhook_host=settings.BASE_DOMAIN,
            webhook_events=EVENTS,
            locale=settings.DEFAULT_LOCALE,
        )
