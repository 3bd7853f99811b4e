"""What follows a change of a tenant outside of the database."""

from __future__ import annotations

from flask import current_app

from app.core.events import Delivery


def forget_hosts(_delivery: Delivery) -> None:
    """Let every process read the tenants' hosts, names and brands anew."""
    current_app.extensions["places"].forget()
