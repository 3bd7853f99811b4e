"""Receipts as PDF: drawn when first asked for and kept, drawn again where the file is gone. Most are never
opened, and drawing one costs as much as all else that a purchase sets off."""

from __future__ import annotations

import logging

from flask import current_app
from flask_babel import force_locale

from app.core import scope
from app.core.pdf import render_receipt
from app.core.transaction import transaction
from app.domains.payments.models import Receipt
from app.domains.payments.service import receipts
from app.providers.storage import FileMissing, StorageProvider, new_key

log = logging.getLogger(__name__)


def receipt_pdf(receipt: Receipt) -> bytes:
    """The document from the store; where it is missing it is drawn, and kept. Opens its own transactions."""
    storage: StorageProvider = current_app.extensions["storage"]
    key, receipt_id = receipt.storage_key, receipt.id
    scope.release()
    if key is not None:
        try:
            return storage.get(key).data
        except FileMissing:
            log.warning("the file of receipt %s is gone; drawing it again", receipt_id)
    data = drawn(receipt)
    mine = key or new_key(scope.tenant_id(), "receipt")
    storage.put(mine, data, "application/pdf")
    with transaction():
        kept = receipts.keep(receipt_id, mine)
    if kept != mine:
        storage.delete(mine)
    return data


def drawn(receipt: Receipt) -> bytes:
    """The document, drawn now; of the same receipt it is always the same."""
    with force_locale(receipt.document["locale"]):
        return render_receipt(receipts.document_of(receipt))
