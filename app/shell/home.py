"""The admin's first page: figures with the rows behind them, and what to do next."""

from __future__ import annotations

from flask import Blueprint, render_template

from app.core.errors import NotAllowed
from app.core.web.site import site
from app.core.web.viewing import login_required, signed_in
from app.shell.home_manager import manager_page
from app.shell.home_operator import operator_page

bp = Blueprint("admin_home", __name__)


@bp.get("/admin/")
@login_required
def home() -> str:
    who = signed_in()
    if not who.rights:
        raise NotAllowed
    page = operator_page(who) if site().is_platform else manager_page(who)
    return render_template("admin/home.html", page=page)
