"""Parts of pages that depend on the language and a few plain values alone: drawn once for each, and kept in
this process. `{{ part("theme_menu", theme) }}` is the macro of that name in `templates/macros/kept.html`.

A macro there is drawn without a page's context, so it can't see whose page it is: whatever it depends on is
one of its values, or else it would be the same for everybody.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from flask import Flask, current_app
from markupsafe import Markup

from app.core.locales import reader_locale

TEMPLATE = "macros/kept.html"
MOST_KEPT = 10_000  # and as many of before


def init_app(app: Flask) -> None:
    app.extensions["kept_parts"] = app.jinja_env.globals["part"] = KeptParts(app)


def part(name: str, *values: Hashable) -> Markup:
    """A part of the pages of this app, as a template has it."""
    parts: KeptParts = current_app.extensions["kept_parts"]
    return parts(name, *values)


class KeptParts:
    """One per app. Where there are many, those that were not asked for lately are forgotten."""

    def __init__(self, app: Flask) -> None:
        self._environment = app.jinja_env
        self._drawn: dict[Hashable, Markup] = {}
        self._before: dict[Hashable, Markup] = {}

    def __call__(self, name: str, *values: Hashable) -> Markup:
        """The markup of a part. What is equal must look alike: no `1` where there is a `True`."""
        key = (name, reader_locale(), values)
        found = self._drawn.get(key)
        if found is None:
            found = self._before.get(key)
            if found is None:
                found = Markup(self._macros(name)(*values))  # noqa: S704 - a template made it
            if not self._environment.auto_reload:  # else somebody is working on it
                if len(self._drawn) >= MOST_KEPT:
                    self._drawn, self._before = {}, self._drawn
                self._drawn[key] = found
        return found

    def _macros(self, name: str) -> Any:
        return getattr(self._environment.get_template(TEMPLATE).module, name)
