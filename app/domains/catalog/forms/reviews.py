"""Forms of reviews."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import RadioField, TextAreaField
from wtforms.validators import InputRequired, Optional

from app.core.web.forms import Form, strip
from app.domains.catalog.forms import too_long
from app.domains.catalog.models import MOST_REVIEW_TEXT
from app.domains.catalog.policies.reviews import STARS, WORDS


class ReviewForm(Form):
    rating = RadioField(
        _l("How was it?"),
        choices=lambda: [(str(stars), WORDS[stars]) for stars in STARS],
        validators=[InputRequired(_l("Please choose one to five stars."))],
    )
    text = TextAreaField(
        _l("In your words"),
        [Optional(), too_long(MOST_REVIEW_TEXT)],
        filters=[strip],
        description=_l("What did you learn, and how was it taught? Everybody can read this."),
        render_kw={"rows": 5, "maxlength": MOST_REVIEW_TEXT},
    )


class ReplyForm(Form):
    reply = TextAreaField(
        _l("Your answer"),
        [InputRequired(_l("Please write something.")), too_long(MOST_REVIEW_TEXT)],
        filters=[strip],
        description=_l("Everybody can read it. You can answer once, so take your time."),
        render_kw={"rows": 4, "maxlength": MOST_REVIEW_TEXT},
    )


class HideForm(Form):
    reason = TextAreaField(
        _l("Why is it hidden?"),
        [InputRequired(_l("Please say why.")), too_long(MOST_REVIEW_TEXT)],
        filters=[strip],
        description=_l("It stays in the records; visitors don't see it."),
    )
