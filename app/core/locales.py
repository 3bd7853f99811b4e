"""In which language, and with whose figures, something is written."""

from __future__ import annotations

from babel import Locale
from flask_babel import get_locale


def reader_locale() -> Locale:
    """The reader's, of the request or of what `force_locale` names in a job; English outside of any
    application."""
    return get_locale() or Locale("en")
