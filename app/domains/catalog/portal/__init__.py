"""Pages of the catalogue: the storefront, the search, reviews, pictures, and where tutors write their
offerings."""

from app.domains.catalog.portal import media, profile, reviews, search, seo, storefront, teach

BLUEPRINTS = (storefront.bp, search.bp, reviews.bp, seo.bp, media.bp, teach.bp, profile.bp)
