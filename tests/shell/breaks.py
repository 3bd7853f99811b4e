"""How each rule of `run.py check` is broken by hand on a lived world: (rule, statements, words of the report)."""

from __future__ import annotations

DELIVERY = (
    "INSERT INTO outbox (event_id, handler, name, tenant_id, payload, request_id, status, attempts,"
    " announced_at, due_at) VALUES (gen_random_uuid(), 'h', 'E', NULL, '{{}}', '', '{status}', {attempts},"
    " clock_timestamp() - interval '{age}', clock_timestamp() - interval '{due}') RETURNING id"
)
TRAIL = (
    "INSERT INTO audit_entry (tenant_id, occurred_at, actor_kind, actor_label, request_id, verb, thing_type,"
    " thing_id, thing_label, changes) SELECT tenant_id, clock_timestamp(), 'system', 'x', '', 'changed',"
    " '{table}', id, 'x', '{{\"status\": [{before}, \"{after}\"]}}' FROM {table}"
)
OTHERS_PERSON = (
    "UPDATE membership SET person_id = (SELECT id FROM person WHERE tenant_id <> membership.tenant_id LIMIT 1)"
    " WHERE id = (SELECT min(id) FROM membership)"
)
INVITATION = (
    "WITH person AS (INSERT INTO person (tenant_id, full_name, created_at, changed_at) SELECT id, 'X',"
    " clock_timestamp(), clock_timestamp() FROM tenant LIMIT 1 RETURNING tenant_id, id)"
    " INSERT INTO invitation (tenant_id, person_id, email, role_key, status, issue, expires_at, invited_by,"
    " created_at, changed_at) SELECT tenant_id, id, 'x@x.test', 'tutor', 'accepted', 1, clock_timestamp(), 'x',"
    " clock_timestamp(), clock_timestamp() FROM person"
)

PROVIDER_EVENT = (
    "INSERT INTO provider_event (provider, event_ref, type, object_ref, payload, status, received_at)"
    " VALUES ('mock', 'evt_1', 'charge.refunded', 'ch_1', '{}', 'received', clock_timestamp() - interval '2 h')"
)
TWICE = (
    "UPDATE {0} SET tenant_id = (SELECT id FROM tenant WHERE slug = 'bert'),"
    " provider_ref = (SELECT min(provider_ref) FROM {0})"
    " WHERE provider_ref = (SELECT max(provider_ref) FROM {0})"
)
A_SECOND_OCCUPATION = (
    "ALTER TABLE occupation DROP CONSTRAINT ex_occupation_one_place;"
    " INSERT INTO occupation (tenant_id, resource_kind, resource_id, during, lesson_id)"
    " SELECT tenant_id, resource_kind, resource_id, during, lesson_id FROM occupation LIMIT 1"
)

HOUSE = [
    ("no row refers to another tenant's row", OTHERS_PERSON, "person_id is another tenant's"),
    (
        "no row refers to another tenant's row",
        "UPDATE lesson SET tenant_id = (SELECT id FROM tenant WHERE slug = 'bert')",
        "is another tenant's",
    ),
    (
        "every tenant-owned table has its policies on",
        "ALTER TABLE person NO FORCE ROW LEVEL SECURITY",
        "person: ",
    ),
    ("every tenant-owned table has its policies on", "DROP POLICY seat_tenant ON seat", "seat: "),
    (
        "every tenant-owned table has its policies on",
        "CREATE POLICY hole ON person TO wm_app USING (true)",
        "person: ",
    ),
    ("every tenant-owned table has its policies on", "ALTER TABLE person RENAME TO people", "person: "),
    (
        "each delivery was made or is due",
        DELIVERY.format(status="due", attempts=3, age="2 h", due="2 h"),
        "to h",
    ),
    (
        "each delivery was made or is due",
        DELIVERY.format(status="due", attempts=0, age="2 h", due="-30 s"),
        "to h",
    ),
    ("no delivery gave up", DELIVERY.format(status="dead", attempts=16, age="2 h", due="2 h"), "gave up"),
    (
        "each company that had a manager has one",
        "UPDATE membership SET status = 'ended' WHERE role_key = 'manager'",
        "has no manager",
    ),
    ("each accepted invitation has its member", INVITATION, "was accepted by nobody"),
    (
        "states moved as allowed only",
        TRAIL.format(table="membership", before='"ended"', after="ended"),
        "from ended to ended",
    ),
    (
        "states moved as allowed only",
        TRAIL.format(table="membership", before="null", after="lost"),
        "to lost",
    ),
    (
        "states moved as allowed only",
        TRAIL.format(table="seat", before='"cancelled"', after="booked"),
        "from cancelled to booked",
    ),
    (
        "each state is the one that the audit trail ends with",
        "UPDATE tenant SET status = 'suspended' WHERE slug = 'anna'",
        "is suspended, but was last made active",
    ),
    (
        "each state is the one that the audit trail ends with",
        "UPDATE sales_order SET status = 'paid' WHERE status = 'expired'",
        "is paid, but was last made expired",
    ),
]
BOOKS = [
    (
        "every ledger entry sums to zero per currency",
        "UPDATE posting SET amount_minor = amount_minor + 1 WHERE id = (SELECT min(id) FROM posting)",
        "sums to 1 EUR",
    ),
    (
        "every ledger entry sums to zero per currency",
        "DELETE FROM posting WHERE entry_id = (SELECT min(entry_id) FROM posting)",
        "sums to 0 -",
    ),
    (
        "no balance that may not be negative is negative",
        "UPDATE posting SET amount_minor = -amount_minor",
        "stands at ",
    ),
    (
        "each posting is in its account's currency",
        "UPDATE posting SET currency = 'JPY' WHERE id = (SELECT min(id) FROM posting)",
        "is in JPY, its account in EUR",
    ),
    (
        "each captured payment is in the books",
        "UPDATE ledger_entry SET source_id = -1 WHERE kind = 'capture'",
        "in the books, not ",
    ),
    ("each captured payment is in the books", "UPDATE payment SET fee_minor = 5", "in the books, not "),
    (
        "each refund is in the books",
        "UPDATE refund SET status = 'succeeded' WHERE status = 'requested'",
        "in the books, not ",
    ),
    (
        "each refund is in the books",
        "UPDATE refund SET status = 'requested' WHERE status = 'failed'",
        "in the books, not ",
    ),
    (
        "each dispute is in the books",
        "UPDATE dispute SET status = 'won' WHERE status = 'open'",
        "in the books, not 0",
    ),
    (
        "each dispute is in the books",
        "UPDATE dispute SET status = 'open' WHERE status = 'lost'",
        "in the books, not ",
    ),
    (
        "each sale is in the books as it was shared",
        "UPDATE earning SET tax_minor = tax_minor + 1, platform_minor = platform_minor - 1"
        " WHERE id = (SELECT min(id) FROM earning WHERE platform_minor > 0)",
        "in the books, not ",
    ),
    (
        "each sale is in the books as it was shared",
        "UPDATE earning SET status = 'cleared' WHERE status = 'pending'",
        "in the books, not ",
    ),
    (
        "tutors' earnings add up to the books",
        "UPDATE earning SET tutor_minor = tutor_minor + 1, tenant_minor = tenant_minor - 1"
        " WHERE id = (SELECT min(id) FROM earning WHERE tenant_minor > 0)",
        "in the books ",
    ),
    ("documents are numbered without a gap", "DELETE FROM receipt WHERE number = 2", "numbered 1 to "),
    ("documents are numbered without a gap", "DELETE FROM receipt_counter", "next None"),
    (
        "documents are numbered without a gap",
        "UPDATE receipt_counter SET next_number = next_number + 1",
        "numbered 1 to ",
    ),
    (
        "each paid order and each refund has its document",
        "DELETE FROM receipt WHERE kind = 'receipt'",
        "order ",
    ),
    (
        "each paid order and each refund has its document",
        "DELETE FROM receipt WHERE kind = 'credit_note'",
        "refund ",
    ),
    (
        "each paid order and each refund has its document",
        "UPDATE sales_order SET status = 'cancelled' WHERE id = (SELECT min(order_id) FROM receipt)",
        "order ",
    ),
]
SEATS = [
    ("nobody is in two places at once", A_SECOND_OCCUPATION, "overlap"),
    (
        "nobody teaches or learns in two lessons at once",
        "UPDATE lesson SET tutor_id = (SELECT min(tutor_id) FROM lesson), starts_at = '2027-01-18 09:00+00',"
        " ends_at = '2027-01-18 10:00+00'",
        "while another one",
    ),
    (
        "each lesson to come occupies its people",
        "DELETE FROM occupation WHERE resource_kind = 'tutor'",
        "does not occupy its tutor",
    ),
    (
        "each lesson to come occupies its people",
        "UPDATE occupation SET expires_at = upper(during) WHERE resource_kind = 'student'",
        "does not occupy its student",
    ),
    (
        "no time is taken for nothing",
        "UPDATE lesson SET status = 'cancelled' WHERE status = 'scheduled'",
        "for nothing",
    ),
    (
        "no time is taken for nothing",
        "UPDATE seat SET status = 'released' WHERE status = 'booked'",
        "for nothing",
    ),
    (
        "no time is taken for nothing",
        "UPDATE occupation SET expires_at = NULL WHERE expires_at IS NOT NULL",
        "for nothing",
    ),
    ("no lesson holds more seats than it has", "UPDATE lesson SET taken = 0", "counted 0"),
    (
        "no lesson holds more seats than it has",
        "UPDATE seat SET lesson_id = (SELECT lesson_id FROM seat WHERE status = 'booked')"
        " WHERE status = 'held'",
        "seats, counted 1",
    ),
    (
        "seats and their lessons agree",
        "UPDATE lesson SET status = 'done' WHERE status = 'scheduled'",
        "is booked in a lesson that is done",
    ),
    (
        "seats and their lessons agree",
        "UPDATE lesson SET status = 'lapsed' WHERE status = 'held'",
        "is held in a lesson that is lapsed",
    ),
    (
        "seats and their lessons agree",
        "UPDATE lesson SET status = 'cancelled' WHERE status = 'done'",
        "in a lesson that is cancelled",
    ),
    (
        "each confirmed seat was paid",
        "UPDATE sales_order SET status = 'cancelled' WHERE status = 'paid'",
        "is confirmed and not paid",
    ),
    (
        "each confirmed seat was paid",
        "UPDATE seat SET price_minor = price_minor + 1",
        "is confirmed and not paid",
    ),
    (
        "each paid line has its seat or its refund",
        "UPDATE seat SET status = 'released' WHERE status = 'booked'",
        "neither seat nor refund",
    ),
    (
        "each paid line has its seat or its refund",
        "UPDATE seat SET line_id = NULL, status = 'lapsed' WHERE price_minor = 0",
        "neither seat nor refund",
    ),
]
MONEY = [
    ("each order adds up to its lines", "UPDATE sales_order SET total_minor = total_minor + 1", "its lines "),
    ("each order adds up to its lines", "UPDATE order_line SET currency = 'USD'", "its lines "),
    ("each paid order is covered by what was collected", "DELETE FROM allocation", "is covered by 0"),
    (
        "each paid order is covered by what was collected",
        "UPDATE sales_order SET status = 'open' WHERE status = 'paid'",
        "is covered by ",
    ),
    (
        "each captured payment was spent on its order",
        "UPDATE payment SET status = 'voided' WHERE status = 'captured'",
        "(voided) collected ",
    ),
    (
        "each captured payment was spent on its order",
        "UPDATE allocation SET amount_minor = amount_minor + 1 WHERE source = 'card'",
        "pays for ",
    ),
    ("refunds never exceed what was captured", "UPDATE payment SET refunded_minor = 0", "payment "),
    ("refunds never exceed what was captured", "UPDATE order_line SET refunded_minor = 0", "order_line "),
    ("refunds never exceed what was captured", "UPDATE allocation SET refunded_minor = 0", "allocation "),
    (
        "refunds never exceed what was captured",
        "UPDATE refund SET amount_minor = 100 * amount_minor",
        "refunded, noted ",
    ),
    (
        "no price is shared and given back twice",
        "UPDATE earning SET refunded_minor = refunded_minor + 1",
        "went back",
    ),
    (
        "no price is shared and given back twice",
        "UPDATE order_line SET refunded_minor = gross_minor WHERE kind = 'seat'",
        "went back",
    ),
    ("each object of a provider is known once", TWICE.format("payment"), "payment mock pi_"),
    ("each object of a provider is known once", TWICE.format("refund"), "refund re_"),
    ("each object of a provider is known once", TWICE.format("dispute"), "dispute dp_"),
    ("each sold seat has its earning", "DELETE FROM earning", "has not the earning"),
    (
        "each sold seat has its earning",
        "UPDATE earning SET status = 'pending', earned_at = NULL",
        "has not the earning",
    ),
    (
        "earnings are held while their payment is disputed",
        "UPDATE earning SET is_held = false",
        "held is False",
    ),
    (
        "earnings are held while their payment is disputed",
        "UPDATE dispute SET status = 'lost'",
        "held is True",
    ),
]
LATE = [
    ("what is due is done", f"UPDATE {table} SET {change} = '2026-01-01' WHERE {which}", f"{name} ")
    for name, table, change, which in (
        ("hold", "seat", "expires_at", "status = 'held'"),
        ("occupation", "occupation", "expires_at", "expires_at IS NOT NULL"),
        ("order", "sales_order", "expires_at", "status = 'open'"),
        ("lesson", "lesson", "starts_at = '2025-01-01', ends_at", "status = 'scheduled'"),
        ("earning", "earning", "clears_at", "status = 'pending' AND NOT is_held"),
    )
]
WAITING = [
    ("each message of a provider is worked off", PROVIDER_EVENT, "charge.refunded) waits since "),
    (
        "no payment and no refund stays in doubt",
        "UPDATE payment SET status = 'unknown', created_at = created_at - interval '2 days'",
        "is unknown for more than a day",
    ),
    (
        "no payment and no refund stays in doubt",
        "UPDATE payment SET status = 'pending';"
        " UPDATE sales_order SET changed_at = changed_at - interval '2 days'",
        "is pending for more than a day",
    ),
    (
        "no payment and no refund stays in doubt",
        "UPDATE ledger_entry SET recorded_at = recorded_at - interval '2 days' WHERE kind = 'refund'",
        "is requested for more than a day",
    ),
]
REVIEWS = [
    ("each visible review has its lesson", "DELETE FROM participation", "no lesson stands behind it"),
    (
        "each visible review has its lesson",
        "UPDATE participation SET student_id = (SELECT max(id) FROM person)",
        "no lesson stands behind it",
    ),
    (
        "who came and paid may review, and nobody else",
        "UPDATE seat SET status = 'missed' WHERE status = 'attended'",
        "disagree",
    ),
    (
        "who came and paid may review, and nobody else",
        "UPDATE order_line SET refunded_minor = gross_minor",
        "disagree",
    ),
    (
        "who came and paid may review, and nobody else",
        "UPDATE seat SET status = 'attended' WHERE status = 'missed'",
        "disagree",
    ),
    (
        "ratings add up to their reviews",
        "UPDATE offering SET rating_sum = rating_sum + 1 WHERE rating_count > 0",
        "counts 1 reviews and 5 stars, it has 1 and 4",
    ),
    ("ratings add up to their reviews", "UPDATE review SET status = 'lapsed'", "it has 0 and 0"),
]

BREAKS = [*HOUSE, *BOOKS, *SEATS, *MONEY, *LATE, *WAITING, *REVIEWS]
