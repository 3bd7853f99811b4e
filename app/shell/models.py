"""Every table there is: importing this module completes the metadata."""

from flask_appbuilder.security.sqla import models as _fab

from app.core import (
    audit,
    bulk,
    business_clock,
    idempotency,
    import_drafts,
    list_views,
    outbox,
    schedule,
    throttle,
)
from app.core.db import Model
from app.domains.accounts import models as accounts
from app.domains.booking import models as booking
from app.domains.catalog import models as catalog
from app.domains.earnings import models as earnings
from app.domains.ledger import models as ledger
from app.domains.messaging import models as messaging
from app.domains.notifications import models as notifications
from app.domains.payments import models as payments
from app.domains.tenancy import models as tenancy
from app.providers.mail import mock

metadata = Model.metadata

__all__ = [
    "_fab",
    "accounts",
    "audit",
    "bulk",
    "booking",
    "business_clock",
    "catalog",
    "earnings",
    "idempotency",
    "import_drafts",
    "ledger",
    "list_views",
    "messaging",
    "metadata",
    "mock",
    "notifications",
    "outbox",
    "payments",
    "schedule",
    "tenancy",
    "throttle",
]
