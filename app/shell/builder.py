"""FAB's AppBuilder, with only the parts of it that we mount."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, current_app
from flask_appbuilder import AppBuilder

from app.core.db import db
from app.core.web.admin_view import AdminView, view_of
from app.core.web.api_view import ApiView, api_of
from app.core.web.entry import Registry
from app.shell.security import SecurityManager


class HouseBuilder(AppBuilder):
    """Takes AdminView and ApiView only: a stock FAB view would bring back what they cure."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app, db.session, security_manager_class=SecurityManager, update_perms=False)

    def _add_global_static(self) -> None:
        """FAB's Bootstrap 3 files stay at home; its template folder is needed by nothing of ours."""
        current_app.register_blueprint(Blueprint("appbuilder", "flask_appbuilder"))

    def _add_admin_views(self) -> None:
        """No index, no `/back`, no `/lang/<locale>`, no menu API: ours are in `shell` and `domains`."""

    def _view_exists(self, view: Any) -> bool:
        if not isinstance(view, AdminView | ApiView):
            raise TypeError(f"{type(view).__name__} is neither an AdminView nor an ApiView")
        return bool(super()._view_exists(view))


def register(builder: HouseBuilder, registry: Registry) -> None:
    """Screens, menu entries and API of every admin entry."""
    for entry in registry.entries:
        view = view_of(entry)
        if entry.in_menu:
            builder.add_view(
                view,
                entry.resource,
                href=f"{entry.url}/",
                icon=entry.icon,
                label=entry.plural,
                category=entry.category.name,
                category_icon=entry.category.icon,
                category_label=entry.category.label,
            )
        else:
            builder.add_view_no_menu(view)
        if entry.has_api:
            builder.add_api(api_of(entry))
