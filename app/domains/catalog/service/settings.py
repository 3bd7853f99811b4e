"""What a company decides for its whole catalogue: subjects and cancellation policies."""

from __future__ import annotations

from typing import Any

from app.core.db import db
from app.domains.catalog import policies, queries
from app.domains.catalog.models import CancellationPolicy, Subject


def add_subject(*, name: str, position: int | None = None) -> Subject:
    """At its place in the list; without one it comes last. Raises SubjectTaken."""
    if position is None:
        position = queries.last_place() + 1
    slug = policies.slug_of(name, fallback="subject")
    slug = policies.free_slug(slug, queries.taken_slugs(Subject, slug))
    subject = Subject(name=name.strip(), slug=slug, position=position)
    db.session.add(subject)
    db.session.flush()  # a name that is taken is refused here, at its field
    return subject


def add_policy(*, is_default: bool, **terms: Any) -> CancellationPolicy:
    """A new policy; the default takes the place of the former one. Raises AlreadyExists, Invalid."""
    if is_default:
        _no_default()
    policy = CancellationPolicy(**terms, is_default=is_default)
    db.session.add(policy)
    db.session.flush()
    return policy


def change_policy(policy: CancellationPolicy, *, is_default: bool, **terms: Any) -> None:
    """For what is booked from now on: a seat keeps the terms it was booked with. Raises AlreadyExists."""
    if is_default and not policy.is_default:
        _no_default()
    for name, value in terms.items():
        setattr(policy, name, value)
    policy.is_default = is_default
    db.session.flush()


def _no_default() -> None:
    """Its unique index is checked at once, so the former default goes first."""
    former = queries.default_policy()
    if former is not None:
        former.is_default = False
        db.session.flush()
