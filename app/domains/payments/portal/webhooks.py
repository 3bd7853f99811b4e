"""`POST /webhooks/<provider>`: what the provider tells. It is stored and answered; the rest is a job's."""

from __future__ import annotations

import json
import logging
from typing import Any

from flask import Blueprint, jsonify, request

from app.core.crash import crash_point
from app.core.errors import NotFound
from app.core.transaction import transaction
from app.core.web.viewing import on_platform
from app.domains.payments import jobs
from app.domains.payments.errors import BadWebhook
from app.domains.payments.service import webhooks
from app.providers.payments import BadEvent

log = logging.getLogger(__name__)

bp = Blueprint("webhooks", __name__)

LARGEST = 1024 * 1024


@bp.post("/webhooks/<provider>")
def receive(provider: str) -> Any:
    """200 once it is stored, also for a repeat; 400 for a signature that is not right, 413 above 1 MiB."""
    on_platform()
    if provider != jobs.provider().name:
        raise NotFound
    request.max_content_length = LARGEST
    body = request.get_data(cache=False)
    try:
        event = jobs.provider().read_event(body, request.headers.get("Stripe-Signature", ""))
    except BadEvent as error:
        log.warning("a webhook was refused: %s, from %s", error.code, request.remote_addr)
        raise BadWebhook from None
    with transaction():
        is_new = webhooks.store(event, provider=provider, payload=json.loads(body))
    crash_point("webhook.stored")
    return jsonify({"received": True, "new": is_new})
