"""Pages of the catalogue: the storefront, pictures, and where tutors write their offerings."""

from app.domains.catalog.portal import media, profile, storefront, teach

BLUEPRINTS = (storefront.bp, media.bp, teach.bp, profile.bp)
