"""What is asked before an action is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import format_decimal
from flask_babel import gettext as _

from app.core.web import once
from app.core.web.entry import Action
from app.core.web.forms import Form
from app.core.web.pages import ConfirmPage, Text


def confirm_action(
    action: Action, rows: Sequence[Any], form: Form, back: str, errors: Sequence[Text], *, many: bool
) -> ConfirmPage:
    """For rows on which it is done at once."""
    names = [str(row) for row in rows]
    return ConfirmPage(
        title=_("%(action)s: %(name)s", action=action.label, name=names[0])
        if len(names) == 1
        else _titled(action, len(names)),
        text=action.text,
        labels=names if len(names) > 1 else [],
        hidden=[("id", str(row.id)) for row in rows] if many else [],
        submit_label=action.label,
        cancel_url=back,
        form=form,
        danger=action.danger,
        errors=errors,
    )


def confirm_run(
    action: Action,
    ids: Sequence[int],
    matching: str | None,
    first: Sequence[Any],
    form: Form,
    back: str,
    errors: Sequence[Text],
    notice: Text,
) -> ConfirmPage:
    """For many rows: their number is sent along, so that nobody says yes to another one."""
    count = len(ids)
    names = [str(row) for row in first]
    names.append(_("and %(count)s more", count=format_decimal(count - len(names))))
    chosen = [("id", str(pk)) for pk in ids] if matching is None else [("all", "1"), ("match", matching)]
    return ConfirmPage(
        title=_titled(action, count),
        text=action.text,
        labels=names,
        hidden=[*chosen, ("count", str(count)), *once.hidden()],
        submit_label=action.label,
        cancel_url=back,
        form=form,
        danger=action.danger,
        errors=[*errors, *([notice] if notice else [])],
        more=_(
            "They are worked off one after the other. You see how far it is, can stop it, and find each"
            " record on which it was refused, with the reason."
        ),
    )


def _titled(action: Action, count: int) -> str:
    return str(_("%(action)s: %(count)s records", action=action.label, count=format_decimal(count)))
