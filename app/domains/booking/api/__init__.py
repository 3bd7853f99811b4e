"""Booking for machines. Free times are open to everybody, since their page is; everything else asks for a
bearer token, and concerns the lessons of whoever it belongs to."""

from flask import Blueprint

from app.domains.booking.api import holds, lessons, slots, teaching
from app.domains.booking.api.described import PATHS, SCHEMAS, SURFACES

bp = Blueprint("booking_api", __name__)
for part in (slots, holds, lessons, teaching):
    part.add_to(bp)

__all__ = ["PATHS", "SCHEMAS", "SURFACES", "bp"]
