"""A platform of some age, made by SQL: companies with tutors, students, lessons, orders and books.

One company, the first, is large (a twentieth of all lessons); the others share the rest. What the rows say
fits together (a seat's price is in the books, an entry's postings add up to nothing), but keys and triggers
are not asked: a million postings would take minutes. Constraints of single rows hold.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, text

FIRST_USER, FIRST_PERSON = 1_000, 1_000


@dataclass(frozen=True)
class Size:
    """How much of each there is. Each lesson has one seat, and six postings."""

    tenants: int = 1_000
    lessons: int = 200_000
    days: int = 730

    @property
    def large(self) -> int:
        """The lessons of the large company."""
        return self.lessons // 20


# Each company has `tutors` tutors and ten times as many students; persons are numbered by company, tutors
# first.
STEPS = """
CREATE TEMP TABLE company ON COMMIT DROP AS
  SELECT t.id, t.currency, row_number() OVER (ORDER BY t.id) AS place,
         CASE WHEN t.slug = 'bench' THEN 20 ELSE 2 END AS tutors
  FROM tenant t;

CREATE TEMP TABLE member ON COMMIT DROP AS
  SELECT c.id AS tenant_id, c.currency, n, n <= c.tutors AS teaches, c.tutors,
         :first_person + row_number() OVER (ORDER BY c.id, n) AS person_id
  FROM company c CROSS JOIN LATERAL generate_series(1, c.tutors * 11) n;

INSERT INTO person (id, tenant_id, full_name, email, created_at, changed_at)
  SELECT person_id, tenant_id, CASE WHEN teaches THEN 'Tutor ' ELSE 'Student ' END || n,
         'p' || person_id || '@people.test', :now, :now FROM member;

INSERT INTO ab_user (id, first_name, last_name, username, email, password, active, created_on)
  SELECT :first_user + person_id, 'Person', n::text, 'p' || person_id || '@people.test',
         'p' || person_id || '@people.test', '!', true,
         CAST(:now AS timestamptz) - (person_id % :days) * interval '1 day'
  FROM member WHERE teaches OR n % 2 = 0;

INSERT INTO membership (tenant_id, user_id, person_id, role_key, status, created_at, changed_at)
  SELECT tenant_id, :first_user + person_id, person_id, CASE WHEN teaches THEN 'tutor' ELSE 'student' END,
         'active', :now, :now
  FROM member WHERE (teaches OR n % 2 = 0) AND tenant_id % 50 <> 7;

INSERT INTO user_session (token_hash, user_id, tenant_id, kind, created_at, last_seen_at, expires_at)
  SELECT decode(lpad(to_hex(person_id), 64, '0'), 'hex'), :first_user + person_id, tenant_id, 'web', :now,
         CAST(:now AS timestamptz) - (person_id % 60) * interval '1 day', :now
  FROM member WHERE teaches AND tenant_id % 20 <> 3;

INSERT INTO availability_schedule (id, tenant_id, tutor_id, timezone, buffer_before_minutes,
    buffer_after_minutes, notice_minutes, horizon_days, step_minutes, created_at, changed_at)
  SELECT person_id, tenant_id, person_id, 'Europe/Berlin', 0, 0, 120, 60, 30, :now, :now
  FROM member WHERE teaches;

INSERT INTO availability_rule (tenant_id, schedule_id, weekday, starts_minute, ends_minute)
  SELECT tenant_id, person_id, d, 540, 1080 FROM member CROSS JOIN generate_series(0, 4) d WHERE teaches;

INSERT INTO offering (id, tenant_id, tutor_id, kind, status, title, slug, summary, description, level,
    language, capacity, version, created_at, changed_at)
  SELECT person_id, tenant_id, person_id, 'one_to_one', 'published', 'Lessons of tutor ' || n,
         'lessons-' || n, '', '', 'all', 'en', 1, 1, :now, :now
  FROM member WHERE teaches;

INSERT INTO variant (id, tenant_id, offering_id, name, duration_minutes, price_minor, currency, position,
    is_active, created_at, changed_at)
  SELECT person_id, tenant_id, person_id, 'Hour', 60, 4000, currency, 0, true, :now, :now
  FROM member WHERE teaches;

CREATE TEMP TABLE sold ON COMMIT DROP AS
  SELECT g AS id, t.tenant_id, t.currency, t.person_id AS tutor_id,
         t.person_id - t.n + t.tutors + 1 + (g * 7) % (t.tutors * 10) AS student_id,
         date_trunc('hour', CAST(:now AS timestamptz)) - (g % :days - 20) * interval '1 day'
           + (g % 9) * interval '1 hour' AS starts_at,
         (2000 + (g % 40) * 100)::bigint AS price
  FROM generate_series(1, :lessons) g
    JOIN company c ON c.place = CASE WHEN g <= :large THEN 1 ELSE 2 + g % (:tenants - 1) END
    JOIN member t ON t.tenant_id = c.id AND t.teaches AND t.n = 1 + (g / 7) % c.tutors;

ALTER TABLE sold ADD COLUMN is_over boolean;
UPDATE sold SET is_over = starts_at + interval '1 hour' < :now;
CREATE INDEX ON sold (id);
ANALYZE sold;

INSERT INTO lesson (id, tenant_id, code, offering_id, variant_id, tutor_id, status, starts_at, ends_at,
    timezone, capacity, taken, sequence, created_at, changed_at)
  SELECT id, tenant_id, 'L' || id, tutor_id, tutor_id, tutor_id,
         CASE WHEN is_over THEN 'done' ELSE 'scheduled' END,
         starts_at, starts_at + interval '1 hour', 'Europe/Berlin', 1, 1, 0, :now, :now
  FROM sold;

INSERT INTO sales_order (id, tenant_id, code, payer_id, actor, status, currency, total_minor, locale,
    placed_at, expires_at, paid_at, created_at, changed_at)
  SELECT id, tenant_id, 'O' || id, student_id, 'u:1', 'paid', currency, price, 'en',
         starts_at - interval '3 days', starts_at, starts_at - interval '3 days', :now, :now FROM sold;

INSERT INTO order_line (id, tenant_id, order_id, kind, description, quantity, unit_minor, gross_minor,
    net_minor, tax_minor, tax_rate_bp, tax_code, currency, refunded_minor, created_at, changed_at)
  SELECT id, tenant_id, id, 'seat', 'Lesson', 1, price, price, price, 0, 0, '', currency, 0, :now, :now
  FROM sold;

INSERT INTO payment (id, tenant_id, order_id, provider, code, status, currency, amount_minor, captured_minor,
    refunded_minor, captured_at, created_at, changed_at)
  SELECT id, tenant_id, id, 'mock', 'P' || id, CASE WHEN id % 997 = 0 THEN 'failed' ELSE 'captured' END,
         currency, price, CASE WHEN id % 997 = 0 THEN 0 ELSE price END, 0,
         starts_at - interval '3 days', starts_at - interval '3 days', :now FROM sold;

INSERT INTO seat (id, tenant_id, code, lesson_id, student_id, payer_id, actor, status, renewals, line_id,
    price_minor, currency, policy, moves, booked_at, marked_at, cancelled_at, refund_minor, created_at,
    changed_at)
  SELECT id, tenant_id, 'S' || id, id, student_id, student_id, 'u:1',
         CASE WHEN NOT is_over THEN 'booked' WHEN id % 13 = 0 THEN 'cancelled'
              WHEN id % 17 = 0 THEN 'missed' ELSE 'attended' END, 0, id, price, currency,
         '{"free_until_minutes": 1440, "late_refund_bp": 5000, "move_until_minutes": 720, "max_moves": 2}',
         0, starts_at - interval '3 days',
         CASE WHEN is_over AND id % 13 <> 0 THEN starts_at + interval '1 hour' END,
         CASE WHEN is_over AND id % 13 = 0 THEN starts_at - interval '5 hours' END, 0, :now, :now
  FROM sold;

INSERT INTO ledger_account (id, tenant_id, code, kind, currency, may_be_negative, created_at, changed_at)
  SELECT c.id * 10 + k.n, c.id, k.code, k.kind, c.currency, true, :now, :now
  FROM company c CROSS JOIN (VALUES (1, 'provider_balance', 'asset'), (2, 'customer_funds', 'liability'),
      (3, 'platform_fee', 'liability'), (4, 'tenant_revenue', 'income')) k (n, code, kind);

INSERT INTO ledger_account (id, tenant_id, code, kind, currency, person_id, may_be_negative, created_at,
    changed_at)
  SELECT 1000000 + person_id, tenant_id, 'tutor_pending', 'liability', currency, person_id, true, :now, :now
  FROM member WHERE teaches;

INSERT INTO ledger_entry (id, tenant_id, key, kind, memo, source_kind, source_id, occurred_at, recorded_at)
  SELECT s.id * 2 + k.n, s.tenant_id, k.kind || ':' || s.id, k.kind, '', k.source, s.id,
         s.starts_at - interval '3 days', :now
  FROM sold s CROSS JOIN (VALUES (0, 'capture', 'payment'), (1, 'sale', 'seat')) k (n, kind, source);

INSERT INTO posting (tenant_id, entry_id, account_id, amount_minor, currency)
  SELECT s.tenant_id, s.id * 2 + k.n, coalesce(s.tenant_id * 10 + k.account, 1000000 + s.tutor_id),
         s.price * k.percent / 100, s.currency
  FROM sold s CROSS JOIN (VALUES (0, 1, 100), (0, 2, -100), (1, 2, 100), (1, 3, -5), (1, 4, -25),
      (1, NULL, -70)) k (n, account, percent)
  ORDER BY s.id;
"""
AFTER = (
    "person ab_user membership user_session availability_schedule availability_rule offering variant lesson"
    " sales_order order_line payment seat ledger_account ledger_entry posting tenant"
)


def fill(engine: Engine, size: Size, now: object) -> None:
    """Everything but companies, which are there; as the superuser, whom neither keys nor triggers stop."""
    values = {
        "now": now,
        "days": size.days,
        "lessons": size.lessons,
        "large": size.large,
        "tenants": size.tenants,
        "first_user": FIRST_USER,
        "first_person": FIRST_PERSON,
    }
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for step in STEPS.split(";\n"):
            if step.strip():
                used = {name: value for name, value in values.items() if f":{name}" in step}
                connection.execute(text(step), used)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in AFTER.split():
            connection.execute(text(f"VACUUM ANALYZE {table}"))


def add_companies(engine: Engine, size: Size, now: object) -> None:
    """All but the large one, in four currencies, opened one after the other."""
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO tenant (slug, name, plan_id, currency, timezone, locale, status, is_test, brand,
                    settings, revision, created_at, changed_at)
                SELECT 'company-' || n, 'Company ' || n, (SELECT min(id) FROM plan),
                       (ARRAY['EUR', 'GBP', 'USD', 'NOK'])[1 + n % 4], 'Europe/Berlin', 'en',
                       CASE WHEN n % 100 = 0 THEN 'suspended' ELSE 'active' END, false,
                       '{"primary": "#0b5fa5"}', '{}', 1,
                       CAST(:now AS timestamptz) - (n % :days) * interval '1 day', :now
                FROM generate_series(1, :others) n
            """),
            {"now": now, "days": size.days, "others": size.tenants - 1},
        )
