"""`python run.py operator`: the first operator has no screen to be invited from."""

from __future__ import annotations

import warnings
from getpass import GetPassWarning, getpass

import click
from flask import Flask

from app.core.audit import Actor, acting
from app.core.errors import AlreadyExists, DomainError
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.accounts import queries
from app.domains.accounts.models import OPERATOR
from app.domains.accounts.service import people

COMMAND_LINE = Actor(label="Command line")


def make_operator(app: Flask, *, email: str, name: str, password: str) -> str:
    """Make an operator's account and return its address in its normal form.

    Raises ClickException for a weak password, for what is no address, and for an address that has an account.
    """
    with app.app_context():
        try:
            with acting(COMMAND_LINE), platform_scope("make an operator"), transaction():
                address = people.clean_email(email)
                if queries.user_by_email(address) is not None:
                    raise AlreadyExists(f"{address} has an account already.")
                people.make_platform_user(email=address, full_name=name, password=password, role=OPERATOR)
        except DomainError as refusal:
            raise click.ClickException(str(refusal)) from None
    return address


def ask_password() -> str:
    """Asked for twice on the terminal, never shown. Raises ClickException without a terminal."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", GetPassWarning)  # it would go on, and show what is typed
            first, second = getpass("Password: "), getpass("The same again: ")
    except (GetPassWarning, EOFError):
        raise click.ClickException("No terminal to ask for a password: use --password-stdin.") from None
    if first != second:
        raise click.ClickException("The two passwords are not the same.")
    return first
