"""PDF documents: A4, in many scripts, and for the same content the same to the byte."""

from __future__ import annotations

from app.core.pdf.document import ReceiptDocument, ReceiptLine
from app.core.pdf.fonts import FontsMissing


def render_receipt(document: ReceiptDocument) -> bytes:
    """As `receipt.render_receipt`: what draws takes half a second to load, so only who draws waits for it."""
    from app.core.pdf import receipt

    return receipt.render_receipt(document)


__all__ = ["FontsMissing", "ReceiptDocument", "ReceiptLine", "render_receipt"]
