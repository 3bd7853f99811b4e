"""What follows a change of a tenant outside of the database."""

from __future__ import annotations

from flask import current_app

from app.core.events import Delivery
from app.core.transaction import after_commit
from app.domains.tenancy.events import TenantChanged


def forget_hosts_at_once(_event: TenantChanged) -> None:
    """With the commit already, so that a suspension or a new host name holds a tenth of a second later."""
    after_commit(current_app.extensions["places"].forget)


def forget_hosts(_delivery: Delivery) -> None:
    """Once more from the outbox: the hint after the commit is lost with its process, or without Redis."""
    current_app.extensions["places"].forget()
