"""Where pictures are: kinds in the storage, and addresses on the pages.

The tenant is never part of an address: the host says it.
"""

from __future__ import annotations

OFFERINGS, TUTORS = "offerings", "tutors"
SMALL = "-small"
# What anybody may see. Of other kinds, such as receipts, nothing is served by these addresses.
PUBLIC = frozenset({OFFERINGS, TUTORS, OFFERINGS + SMALL, TUTORS + SMALL})


def small_key(key: str) -> str:
    """Where the thumbnail of a picture is kept."""
    tenant, kind, name = key.split("/")
    return f"{tenant}/{kind}{SMALL}/{name}"


def path_of(key: str | None) -> str | None:
    return f"/media/{key.split('/', 1)[1]}" if key else None


def small_path_of(key: str | None) -> str | None:
    return path_of(small_key(key)) if key else None
