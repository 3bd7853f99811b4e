"""The catalogue in the admin: what is sold, what waits for a review, and what holds for all of it."""

from app.domains.catalog.admin.offerings import OfferingEntry, PriceChangeEntry, VariantEntry
from app.domains.catalog.admin.proposals import RevisionEntry
from app.domains.catalog.admin.reviews import ParticipationEntry, ReviewEntry
from app.domains.catalog.admin.settings import PolicyEntry, SubjectEntry, TaxRateEntry, TutorProfileEntry

ADMIN = (
    RevisionEntry,
    OfferingEntry,
    VariantEntry,
    PriceChangeEntry,
    ReviewEntry,
    ParticipationEntry,
    SubjectEntry,
    TutorProfileEntry,
    PolicyEntry,
    TaxRateEntry,
)
