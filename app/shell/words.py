"""The words of the language in force: found once for a language, not once for each word.

A page has a hundred of them. Flask-Babel looks for the language at each, and Jinja goes through three
functions to ask it; that was a tenth of a list page's time.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import flask_babel
from babel.support import NullTranslations
from flask import Flask
from flask.globals import _cv_app
from flask_babel import Domain
from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup

# A template's words are constants and far fewer; what is looked up by a value may not grow for good.
MOST_KEPT = 5000


def init_app(app: Flask) -> None:
    """Words for Python as Flask-Babel gives them, and for templates as Jinja's newstyle gettext does."""
    flask_babel._get_current_context = _context
    app.extensions["babel"].instance.domain_instance = words = Words()
    app.jinja_env.globals.update(_=words.written, gettext=words.written, ngettext=words.written_number)


def _context() -> SimpleNamespace | None:
    """What Flask-Babel remembers of a request; its own way there leads through a proxy four times, a hundred
    times for a page."""
    context = _cv_app.get(None)
    if context is None:
        return None
    known = context.g.__dict__
    found: SimpleNamespace | None = known.get("_flask_babel")
    if found is None:
        found = known["_flask_babel"] = SimpleNamespace(babel_translations=None)
    return found


class Words(Domain):
    """The house's translations. What is found for a request lies where Flask-Babel forgets it by itself when
    another language is forced."""

    def get_translations(self) -> Any:
        here = _context()
        if here is None:
            return NullTranslations()
        found = getattr(here, "babel_translations", None)
        if found is None:
            found = here.babel_translations = super().get_translations()
        return found

    @pass_eval_context
    def written(self, how: EvalContext, message: str, **values: object) -> str:
        """A text as a template prints it: always a format string, its values escaped where the template
        escapes."""
        words = self.get_translations()
        if not how.autoescape:
            return str(words.ugettext(message) % values)
        if values:
            return Markup(words.ugettext(message)) % values  # noqa: S704 - of our catalogues
        kept: dict[str, Markup] = words.__dict__.setdefault("written", {})
        text = kept.get(message)
        if text is None:
            text = Markup(words.ugettext(message)) % values  # noqa: S704 - of our catalogues
            if len(kept) < MOST_KEPT:
                kept[message] = text
        return text

    @pass_eval_context
    def written_number(
        self, how: EvalContext, singular: str, plural: str, number: int, **values: object
    ) -> str:
        """The same of a number of things, which the text may call `num`."""
        text = self.get_translations().ungettext(singular, plural, number)
        values.setdefault("num", number)
        return Markup(text) % values if how.autoescape else str(text % values)  # noqa: S704 - of our catalogues
