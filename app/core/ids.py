"""Names in public: short random codes, tenant slugs, and the fingerprints under which tokens are stored."""

from __future__ import annotations

import hashlib
import re
import secrets

# Crockford's base 32: no I, L, O or U, so nothing reads as 1 or 0 and no word appears by accident.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTERS = (ALPHABET * 8).encode()  # of each byte: all are as likely as each other

# A DNS label of 3 to 40 characters; a double hyphen is kept out, since "xn--" means punycode.
SLUG = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,38}[a-z0-9]", re.ASCII)

# Host names that belong to the installation, or that somebody could take for it.
_RESERVED = """
abuse account accounts admin administrator api app apps assets auth autoconfig autodiscover billing
blog cdn console dashboard demo dev docs download email files ftp health help host hostmaster imap
img info internal invitation jwks legal local localhost login logout mail media metrics mx news
noreply no-reply ns ns1 ns2 operator pay payment payments platform pop pop3 portal postmaster
preview privacy public register reset root security shop signup smtp socket ssl staging static
status store support system tenant tenants terms test verify webhook webhooks webmail webmaster
wemaster wpad www www1 www2
"""
RESERVED = frozenset(_RESERVED.split())

ID_DIGITS = 18  # any number of so many digits fits a bigint
MAX_ID = 10**ID_DIGITS - 1


def code(n: int) -> str:
    """A random public code of `n` characters (5 bits each) that can be read aloud."""
    return secrets.token_bytes(n).translate(_LETTERS).decode()


def row_id(text: str) -> int | None:
    """The key of a row as text from outside says it; None for what can be none. Never reads a long number:
    Python refuses to convert one of over 4,300 digits."""
    return int(text) if len(text) <= ID_DIGITS and text.isascii() and text.isdigit() else None


def slug_ok(text: str) -> bool:
    """Whether a tenant may live under this name: well formed and not reserved."""
    return SLUG.fullmatch(text) is not None and text not in RESERVED


def fingerprint(text: str) -> str:
    """SHA-256 in hex: what is stored of a random token, so that a copied database opens nothing."""
    return hashlib.sha256(text.encode()).hexdigest()
