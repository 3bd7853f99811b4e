"""The form to write with."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import HiddenField, TextAreaField, ValidationError
from wtforms.validators import InputRequired, Length

from app.core.web.forms import Form
from app.domains.messaging.models import MOST_CHARACTERS


class MessageForm(Form):
    """`client_id` comes with the page: the same page sent twice writes once."""

    client_id = HiddenField(validators=[InputRequired()])
    body = TextAreaField(
        _l("Your message"),
        [
            InputRequired(_l("Please write something first.")),
            Length(max=MOST_CHARACTERS, message=_l("This message is too long: 4,000 characters at most.")),
        ],
    )

    def validate_client_id(self, field: Any) -> None:
        try:
            field.data = str(UUID(field.data))
        except ValueError:
            raise ValidationError(_("Please reload the page, and send it again.")) from None
