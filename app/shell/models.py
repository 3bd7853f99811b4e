"""Every table there is: importing this module completes the metadata."""

from flask_appbuilder.security.sqla import models as _fab

from app.core import audit, idempotency, outbox, schedule, throttle
from app.core.db import Model
from app.domains.accounts import models as accounts
from app.domains.tenancy import models as tenancy
from app.providers.mail import mock

metadata = Model.metadata

__all__ = [
    "_fab",
    "accounts",
    "audit",
    "idempotency",
    "metadata",
    "mock",
    "outbox",
    "schedule",
    "tenancy",
    "throttle",
]
