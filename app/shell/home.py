"""The admin's first page: figures with the rows behind them, and what to do next."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from app.core.errors import NotAllowed
from app.core.web.site import site
from app.core.web.viewing import login_required, signed_in
from app.domains.reporting.admin import manager_page, operator_page, period_asked_for

bp = Blueprint("admin_home", __name__)


@bp.get("/admin/")
@login_required
def home() -> str:
    """`?days=` says about how long; the company's calendar says what a day is."""
    who = signed_in()
    if not who.rights:
        raise NotAllowed
    period = period_asked_for(request.args, zone=site().timezone)
    page = operator_page(who, period) if site().is_platform else manager_page(who, period)
    return render_template("admin/home.html", page=page)
