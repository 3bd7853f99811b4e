"""Rights: read, write or act on a resource. The list is derived from what the admin registers.

A right is the text `person.read`. A system role is data (`shell/security.py`), a tenant's own role a
row; both are sets of rights, and a viewer holds their union for the length of one request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flask import current_app
from flask_babel import LazyString

READ, WRITE, ACT = "read", "write", "act"
VERBS = (READ, WRITE, ACT)
PLATFORM, TENANT = "platform", "tenant"


def right(resource: str, verb: str) -> str:
    return f"{resource}.{verb}"


@dataclass(frozen=True)
class Resource:
    """Something rights are about: which verbs it knows and on which surface it is administered."""

    name: str
    label: LazyString | str
    verbs: tuple[str, ...]
    surfaces: frozenset[str]

    @property
    def rights(self) -> tuple[str, ...]:
        return tuple(right(self.name, verb) for verb in self.verbs)


@dataclass(frozen=True)
class SystemRole:
    """A role of ours: on which surface it signs in, and what it may do on each surface."""

    key: str
    label: LazyString | str
    surface: str
    grants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    without: frozenset[str] = frozenset()


class Catalogue:
    """All resources and system roles of this installation."""

    def __init__(self, resources: Iterable[Resource], roles: Iterable[SystemRole]) -> None:
        self.resources = {resource.name: resource for resource in resources}
        self.roles = {role.key: role for role in roles}
        self._of_role = {role.key: self._expand(role) for role in self.roles.values()}

    def of_role(self, key: str) -> frozenset[str]:
        """The rights of a system role; an unknown key has none."""
        return self._of_role.get(key, frozenset())

    def of_own(self, rights: Iterable[str]) -> frozenset[str]:
        """What a tenant's own role still gives: rights that exist no more are gone."""
        return frozenset(rights) & self.on(TENANT)

    def on(self, surface: str) -> frozenset[str]:
        """All rights there are on a surface."""
        return frozenset(
            r for resource in self.resources.values() if surface in resource.surfaces for r in resource.rights
        )

    def _expand(self, role: SystemRole) -> frozenset[str]:
        return frozenset(
            right(resource.name, verb)
            for surface, verbs in role.grants.items()
            for resource in self.resources.values()
            if surface in resource.surfaces
            for verb in resource.verbs
            if verb in verbs and resource.name not in role.without
        )


def catalogue() -> Catalogue:
    found: Catalogue = current_app.extensions["rights"]
    return found
