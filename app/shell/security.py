"""Security as FAB sees it: our roles, our rights, our sign-in; FAB's own screens and tables stay unused."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_appbuilder.security.manager import BaseSecurityManager
from flask_babel import lazy_gettext as _l
from flask_login import LoginManager

from app.core.rights import ACT, PLATFORM, READ, TENANT, WRITE, SystemRole
from app.core.web.viewing import viewer
from app.domains.accounts.models import Account

ALL = (READ, WRITE, ACT)

ROLES = (
    SystemRole("operator", _l("Operator"), PLATFORM, {PLATFORM: ALL, TENANT: ALL}),
    # Mails hold the links that let people in: whoever reads them could become anybody.
    SystemRole(
        "support",
        _l("Support"),
        PLATFORM,
        {PLATFORM: (READ,), TENANT: (READ,)},
        without=frozenset({"sent_mail"}),
    ),
    SystemRole("manager", _l("Manager"), TENANT, {TENANT: ALL}),
    SystemRole("tutor", _l("Tutor"), TENANT),
    SystemRole("student", _l("Student"), TENANT),
    SystemRole("guardian", _l("Guardian"), TENANT),
)


class SecurityManager(BaseSecurityManager):
    """Answers FAB's questions from the viewer's one set of rights; no permission rows, no permission SQL."""

    user_model = Account

    def register_views(self) -> None:
        """None of FAB's user, role, permission, registration or reset screens."""

    def create_db(self) -> None:
        """Migrations make the tables; FAB's roles and permissions stay empty."""

    def create_login_manager(self, app: Flask) -> LoginManager:
        """Flask-Login's `current_user`, loaded by `shell.identity` from our own sessions."""
        return app.extensions["login"]

    def create_jwt_manager(self, app: Flask) -> Any:
        """Access tokens are ours (`accounts.service.tokens`)."""
        return None

    def create_limiter(self, app: Flask) -> Any:
        """Limits are ours (`core.throttle`): FAB's would skip the API."""
        return None

    def add_limit_view(self, baseview: Any) -> None:
        """See create_limiter."""

    def has_access(self, permission_name: str, view_name: str) -> bool:
        """`can_read` on `person` is the right `person.read`."""
        who = viewer()
        return who is not None and who.may(f"{view_name}.{permission_name.removeprefix('can_')}")

    def _has_view_access(self, user: object, permission_name: str, view_name: str) -> bool:
        return self.has_access(permission_name, view_name)

    def is_item_public(self, permission_name: str, view_name: str) -> bool:
        return False

    def get_user_roles(self, user: object) -> list[object]:
        return []

    def get_user_menu_access(self, menu_names: list[str] | None = None) -> set[str]:
        """The menu is worked out from the registry (`shell.context`), never from menu permissions."""
        return set()

    @staticmethod
    def before_request() -> None:
        """FAB would put the user on `g` here; `shell.identity` does it when somebody asks."""
