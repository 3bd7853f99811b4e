"""Who looks: the signed-in person of one request, with everything views ask about, loaded at once."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Protocol

from flask_babel import LazyString

from app.core.audit import Actor


class Entitled(Protocol):
    """Whoever, or whatever, holds rights."""

    def may(self, right: str) -> bool: ...


@dataclass(frozen=True)
class Viewer:
    """A signed-in user in one place (a tenant or the platform), `until` the sign-in ends. Also what
    Flask-Login calls a user. `role_keys` are the system roles of their memberships in this tenant."""

    user_id: int
    session_id: int
    email: str
    name: str
    rights: frozenset[str]
    tenant_id: int | None
    person_id: int | None = None
    roles: tuple[LazyString | str, ...] = ()
    role_keys: frozenset[str] = frozenset()
    locale: str | None = None
    timezone: str | None = None
    is_visiting: bool = False
    until: dt.datetime | None = None
    ip: str | None = field(default=None, compare=False)

    is_authenticated = True
    is_active = True
    is_anonymous = False

    @property
    def id(self) -> int:
        return self.user_id

    def get_id(self) -> str:
        return str(self.user_id)

    def may(self, right: str) -> bool:
        return right in self.rights

    @property
    def initials(self) -> str:
        words = self.name.split() or [self.email]
        return "".join(word[0] for word in (words[0], words[-1]) if word)[
            : 2 if len(words) > 1 else 1
        ].upper()

    @property
    def place(self) -> str:
        """The roles in words, as the top bar shows them."""
        return ", ".join(str(role) for role in self.roles)

    @property
    def actor(self) -> Actor:
        return Actor("user", self.user_id, f"{self.name} <{self.email}>", self.ip)
