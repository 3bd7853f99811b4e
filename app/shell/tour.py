"""The demo's guided tour, on the platform's host: who one can be, and what there is to try. Absent in
production, where nobody's password is published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, current_app, render_template
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from app.core.db import db
from app.core.errors import NotFound
from app.core.web.viewing import on_platform
from app.domains.accounts.models import GUARDIAN, MANAGER, OPERATOR, STUDENT, TUTOR
from app.domains.tenancy.models import Tenant
from app.providers.payments.simulator.cards import CARDS
from app.shell.tour_paths import PATHS, Path
from app.shell.world import COMPANIES
from app.shell.world.model import Company
from app.shell.world.people import OPERATOR_EMAIL, OPERATOR_NAME, password_of
from config import Settings

bp = Blueprint("tour", __name__)

ROLES: dict[str, LazyString] = {
    MANAGER: _l("Manager"),
    TUTOR: _l("Tutor"),
    STUDENT: _l("Student"),
    GUARDIAN: _l("Guardian"),
    OPERATOR: _l("Operator"),
}
ICONS = {MANAGER: "dashboard", TUTOR: "school", STUDENT: "book", GUARDIAN: "users", OPERATOR: "server"}
WORDS: dict[str, LazyString] = {
    "lingua": _l("Languages in Berlin: adults, euros, German and English."),
    "mathlab": _l("School maths in New York: children and their parents, dollars."),
    "tokyo-arts": _l("Drawing, crafts and music in Tokyo: yen, without cents."),
}


@dataclass(frozen=True)
class Face:
    """Somebody to be: `url` is the sign-in with the address filled in."""

    role: LazyString
    icon: str
    name: str
    email: str
    password: str
    url: str


@dataclass(frozen=True)
class Place:
    """A company of the demo, and who can be in it."""

    name: str
    words: LazyString
    url: str
    mark: str
    faces: Sequence[Face]


def is_on() -> bool:
    """Whether this installation shows the demo's logins to everybody."""
    return str(current_app.config["ENVIRONMENT"]) != "production"


@bp.get("/tour/")
def show() -> Any:
    on_platform()
    if not is_on():
        raise NotFound
    settings: Settings = current_app.extensions["settings"]
    there = set(db.session.scalars(select(Tenant.slug).where(Tenant.is_test)))
    shown = [company for company in COMPANIES if company.slug in there]
    return render_template(
        "tour/tour.html",
        operator=_face(OPERATOR, OPERATOR_NAME, OPERATOR_EMAIL, settings.url_of(settings.BASE_DOMAIN)),
        companies=[_place(company, settings) for company in shown],
        paths=[_path(path, settings) for path in PATHS] if shown else [],
        cards=[(card.spaced, card.label) for card in CARDS],
        pays_here=settings.PAYMENT_PROVIDER == "mock",
        keeps_mails=settings.MAIL_PROVIDER == "mock",
        platform=settings.url_of(settings.BASE_DOMAIN),
        seed=settings.SEED,
    )


def _place(company: Company, settings: Settings) -> Place:
    url = _url_of(settings, company.slug)
    faces = [_face(role, name, f"{role}@{company.slug}.test", url) for role, name in company.faces.items()]
    return Place(company.name, WORDS[company.slug], url, company.name[:1], faces)


def _face(role: str, name: str, email: str, url: str) -> Face:
    sign_in = f"{url.rstrip('/')}/login/?{urlencode({'email': email})}"
    return Face(ROLES[role], ICONS[role], name, email, password_of(role), sign_in)


def _path(path: Path, settings: Settings) -> dict[str, Any]:
    """A path with the addresses of this installation."""
    root = _url_of(settings, path.slug).rstrip("/")
    steps = [(step.text, f"{root}{step.path}" if step.path else "") for step in path.steps]
    return {"key": path.key, "title": path.title, "icon": path.icon, "lead": path.lead, "steps": steps}


def _url_of(settings: Settings, slug: str | None) -> str:
    host = settings.BASE_DOMAIN if slug is None else f"{slug}.{settings.BASE_DOMAIN}"
    return settings.url_of(host)
