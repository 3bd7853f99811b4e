"""How much a request may carry: a form or a JSON body little, a view that takes files more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, current_app, flash, redirect, request
from flask_babel import gettext as _

F = TypeVar("F", bound=Callable[..., Any])

MAX_FORM = 2 * 1024 * 1024
MAX_FILE = 16 * 1024 * 1024


def takes_files(view: F) -> F:
    """Mark a view whose POST may be as large as an uploaded file."""
    view.takes_files = True  # type: ignore[attr-defined]
    return view


def init_app(app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = MAX_FORM
    app.config["MAX_FORM_MEMORY_SIZE"] = MAX_FORM

    @app.before_request
    def limit() -> None:
        view = current_app.view_functions.get(request.endpoint or "")
        if getattr(view, "takes_files", False):
            request.max_content_length = MAX_FILE


def back_to_page() -> Any:
    """For a file that is too large even to be read: its own page with the reason; None elsewhere."""
    view = current_app.view_functions.get(request.endpoint or "")
    if not getattr(view, "takes_files", False):
        return None
    most = MAX_FILE // 1024**2
    flash(_("This file is too large to be taken: %(most)s MB at most.", most=most), "danger")
    return redirect(request.path, 303)
