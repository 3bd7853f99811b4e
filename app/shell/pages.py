"""Small pages of the house: preferences, health, and the API's description."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, jsonify, redirect, request, session
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.core.db import db
from app.core.web.viewing import safe_next
from app.shell import migrations
from app.shell.context import LANGUAGES, THEMES

health = Blueprint("health", __name__)
preferences = Blueprint("preferences", __name__)


@health.get("/healthz")
def healthz() -> Any:
    """The process is up."""
    return jsonify({"status": "up"})


@health.get("/readyz")
def readyz() -> Any:
    """Database, Redis and migrations: 200 when all is well, 503 and what is not."""
    trouble = {}
    try:
        with db.engine.connect() as connection:
            version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            if version != migrations.head():
                trouble["migrations"] = "not at head"
    except SQLAlchemyError:
        trouble["database"] = "away"
    try:
        current_app.extensions["redis"].ping()
    except RedisError:
        trouble["redis"] = "away"
    return jsonify({"status": "ready" if not trouble else "not ready", **trouble}), 503 if trouble else 200


@preferences.post("/preferences/")
def set_preferences() -> Any:
    """Language and theme of this browser on this host."""
    locale, theme = request.form.get("locale"), request.form.get("theme")
    if locale in LANGUAGES:
        session["locale"] = locale
    if theme in THEMES:
        session["theme"] = theme
    return redirect(safe_next(request.form.get("next"), "/"))
