"""The catalogue for machines: what anybody can buy and what is said about it, without a token; with one,
saying it."""

from flask import Blueprint

from app.core.rights import TENANT
from app.domains.catalog.api import offerings, reviews

SURFACES = frozenset({TENANT})
PATHS = {**offerings.PATHS, **reviews.PATHS}
SCHEMAS = {**offerings.SCHEMAS, **reviews.SCHEMAS}

bp = Blueprint("catalog_api", __name__)
for part in (offerings, reviews):
    part.add_to(bp)

__all__ = ["PATHS", "SCHEMAS", "SURFACES", "bp"]
