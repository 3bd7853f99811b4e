"""What must never be false about money and time: the rules of `run.py check` on the main job's rows.

Each is a query over all tenants. What it finds breaks the rule, and `words` says so of each row.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import Connection, text

from app.core import clock
from app.domains.booking.policies import MARKED_AFTER

MOST = 100
# How long what is due may stay undone: the recurring work comes round much oftener.
PATIENCE = dt.timedelta(hours=1)
# A provider that was away comes back, and what it did not get is sent again.
DOUBT = dt.timedelta(days=1)


@dataclass(frozen=True)
class Search:
    """Called with a connection that sees all tenants, it returns what breaks the rule, as texts."""

    query: str
    words: str

    def __call__(self, connection: Connection) -> list[str]:
        now, machine_now = clock.now(), clock.machine_now()
        times = {
            "overdue": now - PATIENCE,
            "unmarked": now - MARKED_AFTER - PATIENCE,
            "machine_overdue": machine_now - PATIENCE,
            "in_doubt": machine_now - DOUBT,
        }
        # Materialized, so that the database plans for all rows: with the limit in sight it expects to find
        # some soon, and walks row by row through a table in which all is well.
        found = f"WITH broken AS MATERIALIZED ({self.query})"
        query = f"{found} SELECT * FROM broken LIMIT {MOST}"  # noqa: S608 - our own words
        rows = connection.execute(text(query), times)
        return [self.words.format_map(row) for row in rows.mappings()]


def _books(kind: str, table: str, wanted: str, words: str) -> Search:
    """The rows of a table against all that was ever posted because of them; `wanted` are (account, amount)
    as they must stand now. Postings without their row are found, too."""
    return Search(
        f"""
        WITH wanted AS (
            SELECT t.tenant_id, {"t.seat_id" if table == "earning" else "t.id"} AS id, w.code, w.minor
            FROM {table} t CROSS JOIN LATERAL (VALUES {wanted}) AS w (code, minor)),
        booked AS (
            SELECT e.tenant_id, e.source_id AS id, a.code, sum(p.amount_minor) AS minor
            FROM ledger_entry e
              JOIN posting p ON p.tenant_id = e.tenant_id AND p.entry_id = e.id
              JOIN ledger_account a ON a.tenant_id = p.tenant_id AND a.id = p.account_id
            WHERE e.source_kind = '{kind}' GROUP BY 1, 2, 3)
        SELECT id, code, coalesce(w.minor, 0) AS minor, coalesce(b.minor, 0) AS booked
        FROM wanted w FULL JOIN booked b USING (tenant_id, id, code)
        WHERE coalesce(w.minor, 0) <> coalesce(b.minor, 0)
        """,  # noqa: S608 - our own words
        words,
    )


def _refunded(table: str, most: str, join: str) -> str:
    """What was refunded of each row of a table, by itself and by the refunds `r` of the row `t`."""
    return f"""
        SELECT '{table}' AS name, t.id, t.refunded_minor, t.{most} AS most,
               coalesce(sum(r.amount_minor) FILTER (WHERE r.status <> 'failed'), 0) AS refunded
        FROM {table} t LEFT JOIN refund r ON r.tenant_id = t.tenant_id AND {join}
        GROUP BY t.id
    """  # noqa: S608 - our own words


_OF_ALLOCATION = "(r.line_id, r.payment_id) = (t.line_id, t.payment_id)"

BALANCED = Search(
    """
    SELECT e.id, e.key, coalesce(p.currency, '-') AS currency, coalesce(sum(p.amount_minor), 0) AS total
    FROM ledger_entry e LEFT JOIN posting p ON p.tenant_id = e.tenant_id AND p.entry_id = e.id
    GROUP BY e.id, e.key, p.currency HAVING count(p.id) = 0 OR sum(p.amount_minor) <> 0
    """,
    "entry {id} ({key}) sums to {total} {currency}",
)
NOT_NEGATIVE = Search(
    """
    SELECT a.tenant_id, a.code, a.currency, sum(p.amount_minor) AS balance
    FROM ledger_account a JOIN posting p ON p.tenant_id = a.tenant_id AND p.account_id = a.id
    WHERE NOT a.may_be_negative GROUP BY a.id
    HAVING sum(p.amount_minor) * CASE WHEN a.kind IN ('asset', 'expense') THEN 1 ELSE -1 END < 0
    """,
    "tenant {tenant_id}: {code} stands at {balance} {currency}",
)
ONE_CURRENCY = Search(
    """
    SELECT p.id, p.currency, a.currency AS accounts FROM posting p
      JOIN ledger_account a ON a.tenant_id = p.tenant_id AND a.id = p.account_id
    WHERE p.currency <> a.currency
    """,
    "posting {id} is in {currency}, its account in {accounts}",
)
ONE_PLACE = Search(
    """
    SELECT a.id, b.id AS other, a.resource_kind, a.resource_id FROM occupation a JOIN occupation b
      ON b.tenant_id = a.tenant_id AND b.resource_kind = a.resource_kind AND b.resource_id = a.resource_id
     AND b.during && a.during AND b.id > a.id
    """,
    "{resource_kind} {resource_id}: occupations {id} and {other} overlap",
)
LESSONS_APART = Search(
    """
    WITH there AS (
        SELECT tenant_id, id AS lesson_id, tutor_id AS person_id, starts_at, ends_at FROM lesson
        WHERE status IN ('scheduled', 'done')
        UNION ALL
        SELECT s.tenant_id, l.id, s.student_id, l.starts_at, l.ends_at FROM seat s
          JOIN lesson l ON l.tenant_id = s.tenant_id AND l.id = s.lesson_id
        WHERE s.status IN ('booked', 'attended', 'missed') AND s.student_id IS NOT NULL
    ), in_order AS (
        SELECT *, max(ends_at) OVER (PARTITION BY tenant_id, person_id ORDER BY starts_at, lesson_id
                                     ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS busy_until
        FROM there)
    SELECT lesson_id, person_id FROM in_order WHERE starts_at < busy_until
    """,
    "person {person_id} is in lesson {lesson_id} while another one of theirs goes on",
)
TIME_TAKEN = Search(
    """
    SELECT 'lesson' AS name, l.id, 'tutor' AS person FROM lesson l
    WHERE l.status = 'scheduled' AND NOT EXISTS (
        SELECT FROM occupation o WHERE o.tenant_id = l.tenant_id AND o.lesson_id = l.id
           AND o.resource_kind = 'tutor' AND o.resource_id = l.tutor_id
           AND o.during @> tstzrange(l.starts_at, l.ends_at) AND o.expires_at IS NULL)
    UNION ALL
    SELECT 'seat', s.id, 'student' FROM seat s
      JOIN lesson l ON l.tenant_id = s.tenant_id AND l.id = s.lesson_id
    WHERE s.status = 'booked' AND NOT EXISTS (
        SELECT FROM occupation o WHERE o.tenant_id = s.tenant_id AND o.seat_id = s.id
           AND o.resource_kind = 'student' AND o.resource_id = s.student_id AND o.lesson_id = l.id
           AND o.during @> tstzrange(l.starts_at, l.ends_at) AND o.expires_at IS NULL)
    """,
    "{name} {id} does not occupy its {person}",
)
TIME_FREE = Search(
    """
    SELECT o.id, o.resource_kind, o.resource_id, l.status FROM occupation o
      JOIN lesson l ON l.tenant_id = o.tenant_id AND l.id = o.lesson_id
      LEFT JOIN seat s ON s.tenant_id = o.tenant_id AND s.id = o.seat_id
    WHERE l.status IN ('cancelled', 'lapsed') OR s.status IN ('cancelled', 'released', 'lapsed')
       OR s.lesson_id <> o.lesson_id OR (o.expires_at IS NULL AND (l.status = 'held' OR s.status = 'held'))
    """,
    "occupation {id} keeps {resource_kind} {resource_id} from others for nothing",
)
SEATS_COUNTED = Search(
    """
    SELECT l.id, l.capacity, l.taken, count(s.id) AS seats
    FROM lesson l LEFT JOIN seat s ON s.tenant_id = l.tenant_id AND s.lesson_id = l.id
     AND s.status IN ('held', 'booked', 'attended', 'missed')
    GROUP BY l.id HAVING count(s.id) > l.capacity OR count(s.id) <> l.taken
    """,
    "lesson {id}: {seats} seats, counted {taken}, room for {capacity}",
)
SEATS_FIT = Search(
    """
    SELECT s.id, s.status, l.status AS lessons FROM seat s
      JOIN lesson l ON l.tenant_id = s.tenant_id AND l.id = s.lesson_id
    WHERE (s.status = 'booked' AND l.status <> 'scheduled')
       OR (s.status = 'held' AND l.status NOT IN ('held', 'scheduled'))
       OR (s.status IN ('attended', 'missed') AND l.status NOT IN ('scheduled', 'done'))
    """,
    "seat {id} is {status} in a lesson that is {lessons}",
)
SEATS_PAID = Search(
    """
    SELECT s.id FROM seat s
      LEFT JOIN order_line l ON l.tenant_id = s.tenant_id AND l.id = s.line_id
      LEFT JOIN sales_order o ON o.tenant_id = l.tenant_id AND o.id = l.order_id
    WHERE s.status IN ('booked', 'attended', 'missed')
      AND (o.status IS DISTINCT FROM 'paid' OR l.gross_minor <> s.price_minor OR l.currency <> s.currency)
    """,
    "seat {id} is confirmed and not paid",
)
LINES_SERVED = Search(
    """
    SELECT l.id FROM order_line l JOIN sales_order o ON o.tenant_id = l.tenant_id AND o.id = l.order_id
    WHERE o.status = 'paid' AND l.kind = 'seat'
      AND (l.refunded_minor < l.gross_minor OR l.gross_minor = 0)
      AND NOT EXISTS (
        SELECT FROM seat s WHERE s.tenant_id = l.tenant_id AND s.line_id = l.id
           AND s.status IN ('booked', 'attended', 'missed', 'cancelled'))
      AND NOT EXISTS (
        SELECT FROM allocation a JOIN dispute d ON d.tenant_id = a.tenant_id AND d.payment_id = a.payment_id
        WHERE a.tenant_id = l.tenant_id AND a.line_id = l.id AND d.status <> 'won')
    """,
    "line {id} was paid and has neither seat nor refund",
)
ORDERS_ADD_UP = Search(
    """
    SELECT o.id, o.total_minor, o.currency, coalesce(sum(l.gross_minor), 0) AS lines
    FROM sales_order o LEFT JOIN order_line l ON l.tenant_id = o.tenant_id AND l.order_id = o.id
    GROUP BY o.id
    HAVING coalesce(sum(l.gross_minor), 0) <> o.total_minor OR bool_or(l.currency <> o.currency)
    """,
    "order {id} is about {total_minor} {currency}, its lines about {lines}",
)
ORDERS_COVERED = Search(
    """
    SELECT l.id, l.gross_minor, coalesce(sum(a.amount_minor), 0) AS allocated
    FROM order_line l JOIN sales_order o ON o.tenant_id = l.tenant_id AND o.id = l.order_id
      LEFT JOIN allocation a ON a.tenant_id = l.tenant_id AND a.line_id = l.id
    GROUP BY l.id, o.status
    HAVING coalesce(sum(a.amount_minor), 0) <> CASE o.status WHEN 'paid' THEN l.gross_minor ELSE 0 END
    """,
    "line {id} of {gross_minor} is covered by {allocated}",
)
PAYMENTS_SPENT = Search(
    """
    SELECT p.id, p.status, p.captured_minor, coalesce(sum(a.amount_minor), 0) AS allocated
    FROM payment p LEFT JOIN allocation a ON a.tenant_id = p.tenant_id AND a.payment_id = p.id
    GROUP BY p.id
    HAVING coalesce(sum(a.amount_minor), 0) <> p.captured_minor
        OR p.captured_minor <> CASE p.status WHEN 'captured' THEN p.amount_minor ELSE 0 END
    """,
    "payment {id} ({status}) collected {captured_minor} and pays for {allocated}",
)
REFUNDS_WITHIN = Search(
    f"""
    SELECT * FROM (
        {_refunded("payment", "captured_minor", "r.payment_id = t.id")}
        UNION ALL {_refunded("order_line", "gross_minor", "r.line_id = t.id")}
        UNION ALL {_refunded("allocation", "amount_minor", _OF_ALLOCATION)}
    ) AS found WHERE refunded > most OR refunded <> refunded_minor
    """,  # noqa: S608 - our own words
    "{name} {id}: {refunded} refunded, noted {refunded_minor}, of {most}",
)
PRICES_KEPT = Search(
    """
    SELECT e.id, e.gross_minor, e.refunded_minor, l.gross_minor AS price, l.refunded_minor AS refunded
    FROM seat s JOIN earning e ON e.tenant_id = s.tenant_id AND e.seat_id = s.id
      JOIN order_line l ON l.tenant_id = s.tenant_id AND l.id = s.line_id
    WHERE e.gross_minor + e.refunded_minor <> l.gross_minor
       OR e.gross_minor + l.refunded_minor > l.gross_minor
    """,
    "earning {id} shares {gross_minor} and gave back {refunded_minor}; of {price} {refunded} went back",
)
KNOWN_ONCE = Search(
    """
    SELECT ref FROM (
        SELECT 'payment ' || provider || ' ' || provider_ref AS ref FROM payment
        UNION ALL SELECT 'refund ' || provider_ref FROM refund
        UNION ALL SELECT 'dispute ' || provider_ref FROM dispute) AS known
    WHERE ref IS NOT NULL GROUP BY ref HAVING count(*) > 1
    """,
    "{ref} is known twice",
)
PAYMENTS_BOOKED = _books(
    "payment",
    "payment",
    "('provider_balance', t.captured_minor - coalesce(t.fee_minor, 0)),"
    " ('customer_funds', -t.captured_minor), ('processing_fees', coalesce(t.fee_minor, 0))",
    "payment {id}: {code} is {booked} in the books, not {minor}",
)
REFUNDS_BOOKED = _books(
    "refund",
    "refund",
    "('customer_funds', CASE t.status WHEN 'failed' THEN 0 ELSE t.amount_minor END),"
    " ('refunds_pending', CASE WHEN t.status IN ('requested', 'submitted') THEN -t.amount_minor ELSE 0 END),"
    " ('provider_balance', CASE t.status WHEN 'succeeded' THEN -t.amount_minor ELSE 0 END)",
    "refund {id}: {code} is {booked} in the books, not {minor}",
)
DISPUTES_BOOKED = _books(
    "dispute",
    "dispute",
    "('disputes_held', CASE t.status WHEN 'open' THEN t.amount_minor ELSE 0 END),"
    " ('dispute_losses', CASE t.status WHEN 'lost' THEN t.amount_minor ELSE 0 END),"
    " ('processing_fees', t.fee_minor),"
    " ('provider_balance', CASE t.status WHEN 'won' THEN 0 ELSE -t.amount_minor END - t.fee_minor)",
    "dispute {id}: {code} is {booked} in the books, not {minor}",
)
SALES_BOOKED = _books(
    "seat",
    "earning",
    "('customer_funds', t.gross_minor), ('tax_payable', -t.tax_minor),"
    " ('platform_fee', -t.platform_minor), ('tenant_revenue', -t.tenant_minor),"
    " ('tutor_pending', CASE t.status WHEN 'pending' THEN -t.tutor_minor ELSE 0 END),"
    " ('tutor_cleared', CASE t.status WHEN 'cleared' THEN -t.tutor_minor ELSE 0 END)",
    "seat {id}: {code} is {booked} in the books, not {minor}",
)
TUTORS_BOOKED = Search(
    """
    WITH earned AS (
        SELECT tenant_id, tutor_id AS person_id, currency, sum(tutor_minor) AS minor
        FROM earning GROUP BY 1, 2, 3),
    booked AS (
        SELECT a.tenant_id, a.person_id, a.currency, -sum(p.amount_minor) AS minor
        FROM ledger_account a JOIN posting p ON p.tenant_id = a.tenant_id AND p.account_id = a.id
        WHERE a.code IN ('tutor_pending', 'tutor_cleared') GROUP BY 1, 2, 3)
    SELECT person_id, coalesce(e.minor, 0) AS earned, coalesce(b.minor, 0) AS booked
    FROM earned e FULL JOIN booked b USING (tenant_id, person_id, currency)
    WHERE coalesce(e.minor, 0) <> coalesce(b.minor, 0)
    """,
    "tutor {person_id}: earned {earned}, in the books {booked}",
)
SEATS_SHARED = Search(
    """
    SELECT s.id, s.status FROM seat s LEFT JOIN earning e ON e.tenant_id = s.tenant_id AND e.seat_id = s.id
      LEFT JOIN lesson l ON l.tenant_id = s.tenant_id AND l.id = s.lesson_id
    WHERE (s.booked_at IS NOT NULL) <> (e.id IS NOT NULL) OR e.tutor_id <> l.tutor_id
       OR (s.status IN ('attended', 'missed') AND e.earned_at IS NULL AND e.status = 'pending')
    """,
    "seat {id} ({status}) has not the earning that it should have",
)
HELD_IN_DISPUTE = Search(
    """
    SELECT e.id, e.is_held FROM earning e JOIN seat s ON s.tenant_id = e.tenant_id AND s.id = e.seat_id
    WHERE e.is_held <> EXISTS (
        SELECT FROM allocation a JOIN dispute d ON d.tenant_id = a.tenant_id AND d.payment_id = a.payment_id
        WHERE a.tenant_id = s.tenant_id AND a.line_id = s.line_id AND d.status = 'open')
    """,
    "earning {id}: held is {is_held}, its dispute says otherwise",
)
NUMBERED = Search(
    """
    SELECT tenant_id, kind, count(r.id) AS count, min(r.number) AS first, max(r.number) AS last, c.next_number
    FROM receipt r FULL JOIN receipt_counter c USING (tenant_id, kind)
    GROUP BY tenant_id, kind, c.next_number
    HAVING count(r.id) <> coalesce(max(r.number), 0) OR min(r.number) < 1
        OR c.next_number IS DISTINCT FROM coalesce(max(r.number), 0) + 1
    """,
    "tenant {tenant_id}: {count} of {kind}, numbered {first} to {last}, next {next_number}",
)
DOCUMENTED = Search(
    """
    SELECT 'order' AS name, o.id FROM sales_order o
    WHERE (o.status = 'paid' AND o.total_minor > 0) <> EXISTS (
        SELECT FROM receipt r WHERE r.tenant_id = o.tenant_id AND r.order_id = o.id AND r.kind = 'receipt')
    UNION ALL
    SELECT 'refund', f.id FROM refund f
    WHERE f.status = 'succeeded' AND NOT EXISTS (
        SELECT FROM receipt r WHERE r.tenant_id = f.tenant_id AND r.refund_id = f.id)
    """,
    "{name} {id} has not the document that it should have",
)
DONE_IN_TIME = Search(
    """
    SELECT * FROM (
        SELECT 'hold' AS name, id, expires_at AS since FROM seat
        WHERE status = 'held' AND expires_at < :overdue
        UNION ALL SELECT 'occupation', id, expires_at FROM occupation WHERE expires_at < :overdue
        UNION ALL SELECT 'order', id, expires_at FROM sales_order
        WHERE status = 'open' AND expires_at < :overdue
        UNION ALL SELECT 'lesson', id, ends_at FROM lesson WHERE status = 'scheduled' AND ends_at < :unmarked
        UNION ALL SELECT 'earning', id, clears_at FROM earning
        WHERE status = 'pending' AND NOT is_held AND clears_at < :overdue) AS due
    """,
    "{name} {id} was due at {since:%Y-%m-%d %H:%M}",
)
TOLD = Search(
    "SELECT id, type, received_at FROM provider_event"
    " WHERE status = 'received' AND received_at < :machine_overdue",
    "message {id} ({type}) waits since {received_at:%Y-%m-%d %H:%M}",
)
NOT_IN_DOUBT = Search(
    """
    SELECT 'payment' AS name, p.id, p.status FROM payment p
      JOIN sales_order o ON o.tenant_id = p.tenant_id AND o.id = p.order_id
    WHERE (p.status IN ('created', 'unknown') AND p.created_at < :in_doubt)
       OR (p.status IN ('pending', 'failed') AND o.status <> 'open' AND o.changed_at < :in_doubt)
    UNION ALL
    SELECT 'refund', r.id, r.status FROM refund r
      JOIN ledger_entry e ON e.tenant_id = r.tenant_id AND e.key = 'refund:' || r.code
    WHERE r.status = 'requested' AND e.recorded_at < :in_doubt
    """,
    "{name} {id} is {status} for more than a day",
)

RULES = (
    ("every ledger entry sums to zero per currency", BALANCED),
    ("no balance that may not be negative is negative", NOT_NEGATIVE),
    ("each posting is in its account's currency", ONE_CURRENCY),
    ("nobody is in two places at once", ONE_PLACE),
    ("nobody teaches or learns in two lessons at once", LESSONS_APART),
    ("each lesson to come occupies its people", TIME_TAKEN),
    ("no time is taken for nothing", TIME_FREE),
    ("no lesson holds more seats than it has", SEATS_COUNTED),
    ("seats and their lessons agree", SEATS_FIT),
    ("each confirmed seat was paid", SEATS_PAID),
    ("each paid line has its seat or its refund", LINES_SERVED),
    ("each order adds up to its lines", ORDERS_ADD_UP),
    ("each paid order is covered by what was collected", ORDERS_COVERED),
    ("each captured payment was spent on its order", PAYMENTS_SPENT),
    ("refunds never exceed what was captured", REFUNDS_WITHIN),
    ("no price is shared and given back twice", PRICES_KEPT),
    ("each object of a provider is known once", KNOWN_ONCE),
    ("each captured payment is in the books", PAYMENTS_BOOKED),
    ("each refund is in the books", REFUNDS_BOOKED),
    ("each dispute is in the books", DISPUTES_BOOKED),
    ("each sale is in the books as it was shared", SALES_BOOKED),
    ("tutors' earnings add up to the books", TUTORS_BOOKED),
    ("each sold seat has its earning", SEATS_SHARED),
    ("earnings are held while their payment is disputed", HELD_IN_DISPUTE),
    ("documents are numbered without a gap", NUMBERED),
    ("each paid order and each refund has its document", DOCUMENTED),
    ("what is due is done", DONE_IN_TIME),
    ("each message of a provider is worked off", TOLD),
    ("no payment and no refund stays in doubt", NOT_IN_DOUBT),
)
