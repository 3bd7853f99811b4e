"""What the words in the rules of the url_map stand for, where it is not an entry's row: ids, codes, slugs."""

from __future__ import annotations

# Whose ids stand in a path that is not an entry's: the argument's name, and the table.
IDS = {
    "child_id": "person",
    "conversation_id": "conversation",
    "earning_id": "earning",
    "notification_id": "notification",
    "offering_id": "offering",
    "review_id": "review",
    "run_id": "bulk_run",
    "session_id": "user_session",
    "student_id": "person",
    "tenant_id": "tenant",
    "tutor_id": "person",
    "view_id": "list_view",
}
# The beginnings of rules after which a row's public word comes, with its table and column.
_WORDS = {
    "/api/v1/catalog/offerings/": ("offering", "slug"),
    "/api/v1/holds/": ("seat", "code"),
    "/api/v1/lessons/": ("seat", "code"),
    "/api/v1/orders/": ("sales_order", "code"),
    "/api/v1/teaching/lessons/": ("lesson", "code"),
    "/checkout/": ("seat", "code"),
    "/learn/calendar/free/": ("seat", "code"),
    "/learn/lessons/": ("seat", "code"),
    "/o/": ("offering", "slug"),
    "/orders/": ("sales_order", "code"),
    "/pay/": ("sales_order", "code"),
    "/receipts/": ("receipt", "code"),
    "/teach/lessons/": ("lesson", "code"),
    "/tutors/": ("tutor_profile", "slug"),
}
# Words that are the same for everybody.
SAME = {"listed": "people", "kind": "offerings", "provider": "mock", "revision": 1}
# All that a request says of rows, what searches ask for among it.
WORD_COLUMNS = frozenset(_WORDS.values()) | {("subject", "slug")}


def source_of(rule: str) -> tuple[str, str] | None:
    """The table and column of the word in a rule: `<code>` or `<slug>`."""
    return next((source for start, source in _WORDS.items() if rule.startswith(f"{start}<")), None)
