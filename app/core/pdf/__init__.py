"""PDF documents: A4, in many scripts, and for the same content the same to the byte."""

from __future__ import annotations

from app.core.pdf.document import ReceiptDocument, ReceiptLine
from app.core.pdf.fonts import FontsMissing
from app.core.pdf.receipt import render_receipt

__all__ = ["FontsMissing", "ReceiptDocument", "ReceiptLine", "render_receipt"]
