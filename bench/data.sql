-- == companies: what each has; the first, `bench`, is large, the others share the rest as a long tail
CREATE TEMP TABLE company ON COMMIT DROP AS
  WITH placed AS (
    SELECT t.id, t.currency, row_number() OVER (ORDER BY t.slug <> 'bench', t.id) AS place FROM tenant t),
  weighed AS (
    SELECT *, sum(CASE WHEN place > 1 THEN 1 / sqrt(place) END) OVER (ORDER BY place) AS upto,
           sum(CASE WHEN place > 1 THEN 1 / sqrt(place) END) OVER () AS whole
    FROM placed),
  shared AS (
    SELECT id, currency, place,
           CASE WHEN place = 1 THEN :large
                ELSE (floor((:lessons - :large) * upto / whole)
                      - floor((:lessons - :large) * (upto - 1 / sqrt(place)) / whole))::bigint END AS lessons
    FROM weighed)
  SELECT *, CASE WHEN place = 1 THEN :large_tutors ELSE 2 + lessons / 500 END AS tutors FROM shared;

-- == persons: tutors first, then ten students of each, numbered within the company
CREATE TEMP TABLE member ON COMMIT DROP AS
  SELECT c.id AS tenant_id, c.currency, c.place, n, n <= c.tutors AS teaches, c.tutors, c.lessons,
         :first_person + row_number() OVER (ORDER BY c.id, n) AS person_id
  FROM company c CROSS JOIN LATERAL generate_series(1, c.tutors * 11) n;

CREATE UNIQUE INDEX ON member (tenant_id, n);

INSERT INTO person (id, tenant_id, full_name, email, phone, created_at, changed_at)
  SELECT person_id, tenant_id, CASE WHEN teaches THEN 'Tutor ' ELSE 'Student ' END || n,
         'p' || person_id || '@people.test', '+49 30 ' || person_id, :now, :now FROM member;

-- In the large company everybody signs in, elsewhere every other student.
INSERT INTO ab_user (id, first_name, last_name, username, email, password, active, created_on)
  SELECT :first_user + person_id, 'Person', n::text, 'p' || person_id || '@people.test',
         'p' || person_id || '@people.test', '!', true,
         CAST(:now AS timestamptz) - (person_id % :days) * interval '1 day'
  FROM member WHERE teaches OR n % 2 = 0 OR place = 1;

INSERT INTO membership (tenant_id, user_id, person_id, role_key, status, created_at, changed_at)
  SELECT tenant_id, :first_user + person_id, person_id, CASE WHEN teaches THEN 'tutor' ELSE 'student' END,
         'active', :now, :now
  FROM member WHERE (teaches OR n % 2 = 0 OR place = 1) AND (place = 1 OR tenant_id % 50 <> 7);

INSERT INTO user_session (token_hash, user_id, tenant_id, kind, created_at, last_seen_at, expires_at)
  SELECT decode(lpad(to_hex(person_id), 64, '0'), 'hex'), :first_user + person_id, tenant_id, 'web', :now,
         CAST(:now AS timestamptz) - (person_id % 60) * interval '1 day', :now
  FROM member WHERE teaches AND tenant_id % 20 <> 3;

-- == what is sold: two offerings of each tutor, the first of which the lessons are about
INSERT INTO tutor_profile (tenant_id, person_id, slug, headline, bio, languages, created_at, changed_at)
  SELECT tenant_id, person_id, 'tutor-' || n, 'Patient, prepared and on time',
         'I have taught for many years, and every lesson has a plan that fits who comes.', 'de,en', :now, :now
  FROM member WHERE teaches;

INSERT INTO availability_schedule (id, tenant_id, tutor_id, timezone, buffer_before_minutes,
    buffer_after_minutes, notice_minutes, horizon_days, step_minutes, created_at, changed_at)
  SELECT person_id, tenant_id, person_id, 'Europe/Berlin', 0, 0, 120, 60, 30, :now, :now
  FROM member WHERE teaches;

INSERT INTO availability_rule (tenant_id, schedule_id, weekday, starts_minute, ends_minute)
  SELECT tenant_id, person_id, d, 540, 1080 FROM member CROSS JOIN generate_series(0, 4) d WHERE teaches;

INSERT INTO offering (id, tenant_id, tutor_id, kind, status, title, slug, summary, description, level,
    language, capacity, version, published_at, created_at, changed_at)
  SELECT person_id * 2 + k, tenant_id, person_id, 'one_to_one', 'published',
         CASE k WHEN 0 THEN 'Conversation with tutor ' ELSE 'Exam preparation with tutor ' END || n,
         CASE k WHEN 0 THEN 'lessons-' ELSE 'exams-' END || n,
         'Speak from the first minute, about what matters to you.',
         repeat('We begin with what you know and find out what is missing. ', 8) || E'\n\n'
           || repeat('After each lesson you get notes and a short exercise. ', 6),
         'all', 'en', 1, 1, :now, :now, :now
  FROM member CROSS JOIN generate_series(0, 1) k WHERE teaches;

INSERT INTO variant (id, tenant_id, offering_id, name, duration_minutes, price_minor, currency, position,
    is_active, created_at, changed_at)
  SELECT person_id * 2 + k, tenant_id, person_id * 2 + k, '60 minutes', 60, 4000, currency, 0, true, :now, :now
  FROM member CROSS JOIN generate_series(0, 1) k WHERE teaches;

-- == lessons: a tutor's are spread evenly over the days, the hours take turns, so that none overlap; their
--    students learn with nobody else. The numbers rise with time, as in life, not by company.
CREATE TEMP TABLE sold ON COMMIT DROP AS
  WITH planned AS (
    SELECT t.tenant_id, t.currency, t.person_id AS tutor_id, k,
           t.person_id - t.n + t.tutors + (t.n - 1) * 10 + 1 + k % 10 AS student_id,
           ((CAST(:now AS timestamptz) AT TIME ZONE 'Europe/Berlin')::date
             + ((k * :days / greatest(1, t.lessons / t.tutors + 1))::int - (:days - :ahead))
             + (9 + k % 9) * interval '1 hour') AT TIME ZONE 'Europe/Berlin' AS starts_at
    FROM member t CROSS JOIN LATERAL generate_series(0, (t.lessons - t.n) / t.tutors) k
    WHERE t.teaches AND t.n <= t.lessons)
  SELECT row_number() OVER (ORDER BY starts_at, tutor_id) AS id, tenant_id, currency, tutor_id, student_id,
         starts_at, starts_at - interval '3 days' AS paid_at, starts_at + interval '1 hour' AS ends_at,
         starts_at + interval '1 hour' < :now AS is_over,
         starts_at + interval '1 hour' + interval '7 days' < :now AS has_cleared
  FROM planned;

ALTER TABLE sold ADD COLUMN price bigint, ADD COLUMN seat_status text;
UPDATE sold SET price = 2000 + (id % 40) * 100,
    seat_status = CASE WHEN NOT is_over THEN 'booked' WHEN id % 13 = 0 THEN 'cancelled'
                       WHEN id % 17 = 0 THEN 'missed' ELSE 'attended' END;
CREATE UNIQUE INDEX ON sold (id);
ANALYZE sold;

INSERT INTO lesson (id, tenant_id, code, offering_id, variant_id, tutor_id, status, starts_at, ends_at,
    timezone, capacity, taken, sequence, created_at, changed_at)
  SELECT id, tenant_id, 'L' || lpad(id::text, 9, '0'), tutor_id * 2, tutor_id * 2, tutor_id,
         CASE seat_status WHEN 'booked' THEN 'scheduled' WHEN 'cancelled' THEN 'cancelled' ELSE 'done' END,
         starts_at, ends_at, 'Europe/Berlin', 1, CASE seat_status WHEN 'cancelled' THEN 0 ELSE 1 END, 0,
         paid_at, :now
  FROM sold ORDER BY id;

INSERT INTO sales_order (id, tenant_id, code, payer_id, actor, status, currency, total_minor, locale,
    placed_at, expires_at, paid_at, created_at, changed_at)
  SELECT id, tenant_id, 'O' || lpad(id::text, 9, '0'), student_id, 'u:' || :first_user + student_id, 'paid',
         currency, price, 'en', paid_at, starts_at, paid_at, paid_at, :now
  FROM sold ORDER BY id;

INSERT INTO order_line (id, tenant_id, order_id, kind, description, quantity, unit_minor, gross_minor,
    net_minor, tax_minor, tax_rate_bp, tax_code, currency, refunded_minor, created_at, changed_at)
  SELECT id, tenant_id, id, 'seat', 'Lesson', 1, price, price, price, 0, 0, '', currency, 0, paid_at, :now
  FROM sold ORDER BY id;

INSERT INTO payment (id, tenant_id, order_id, provider, provider_ref, code, status, currency, amount_minor,
    captured_minor, refunded_minor, captured_at, created_at, changed_at)
  SELECT id, tenant_id, id, 'mock', 'pi_bench_' || id, 'P' || lpad(id::text, 9, '0'), 'captured', currency,
         price, price, 0, paid_at, paid_at, :now
  FROM sold ORDER BY id;

INSERT INTO allocation (id, tenant_id, line_id, payment_id, source, amount_minor, refunded_minor, currency)
  SELECT id, tenant_id, id, id, 'card', price, 0, currency FROM sold ORDER BY id;

-- Whoever cancelled did so late, and this company's terms give nothing back then.
INSERT INTO seat (id, tenant_id, code, lesson_id, student_id, payer_id, actor, status, renewals, line_id,
    price_minor, currency, policy, moves, booked_at, marked_at, cancelled_at, refund_minor, created_at,
    changed_at)
  SELECT id, tenant_id, 'S' || lpad(id::text, 39, '0'), id, student_id, student_id,
         'u:' || :first_user + student_id, seat_status, 0, id, price, currency,
         '{"free_until_minutes": 1440, "late_refund_bp": 0, "move_until_minutes": 720, "max_moves": 2}',
         0, paid_at, CASE WHEN seat_status IN ('attended', 'missed') THEN ends_at END,
         CASE WHEN seat_status = 'cancelled' THEN starts_at - interval '5 hours' END, 0, paid_at, :now
  FROM sold ORDER BY id;

INSERT INTO occupation (tenant_id, resource_kind, resource_id, during, lesson_id, seat_id)
  SELECT tenant_id, kind, CASE kind WHEN 'tutor' THEN tutor_id ELSE student_id END,
         tstzrange(starts_at, ends_at), id, CASE kind WHEN 'student' THEN id END
  FROM sold CROSS JOIN (VALUES ('tutor'), ('student')) k (kind)
  WHERE seat_status = 'booked';  -- what took place takes nobody's time any more

INSERT INTO participation (tenant_id, student_id, offering_id, source_id, happened_at)
  SELECT tenant_id, student_id, tutor_id * 2, id, ends_at FROM sold WHERE seat_status = 'attended' ORDER BY id;

INSERT INTO receipt (id, tenant_id, kind, number, code, order_id, document, issued_at)
  SELECT id, tenant_id, 'receipt', row_number() OVER (PARTITION BY tenant_id ORDER BY id),
         'R' || lpad(id::text, 39, '0'), id, jsonb_build_object('total_minor', price, 'currency', currency),
         paid_at
  FROM sold ORDER BY id;

INSERT INTO receipt_counter (tenant_id, kind, next_number)
  SELECT tenant_id, 'receipt', count(*) + 1 FROM sold GROUP BY tenant_id;

-- == the books: a twentieth to the platform, a quarter to the company, the rest to the tutor
INSERT INTO earning (id, tenant_id, seat_id, tutor_id, description, status, currency, gross_minor, tax_minor,
    platform_minor, tenant_minor, tutor_minor, refunded_minor, tutor_share_bp, platform_fee_bp, tax_rate_bp,
    hold_days, earned_at, clears_at, cleared_at, is_held, created_at, changed_at)
  SELECT id, tenant_id, id, tutor_id, 'Lesson', CASE WHEN has_cleared THEN 'cleared' ELSE 'pending' END,
         currency, price, 0, price / 20, price / 4, price - price / 20 - price / 4, 0, 7000, 500, 0, 7,
         CASE WHEN is_over THEN ends_at END, CASE WHEN is_over THEN ends_at + interval '7 days' END,
         CASE WHEN has_cleared THEN ends_at + interval '7 days' END, false, paid_at, :now
  FROM sold ORDER BY id;

INSERT INTO ledger_account (id, tenant_id, code, kind, currency, may_be_negative, created_at, changed_at)
  SELECT c.id * 10 + k.n, c.id, k.code, k.kind, c.currency, k.below, :now, :now
  FROM company c CROSS JOIN (VALUES (1, 'provider_balance', 'asset', true),
      (2, 'customer_funds', 'liability', false), (3, 'platform_fee', 'liability', true),
      (4, 'tenant_revenue', 'income', true)) k (n, code, kind, below);

INSERT INTO ledger_account (id, tenant_id, code, kind, currency, person_id, may_be_negative, created_at,
    changed_at)
  SELECT 1000000 + person_id * 2 + k.n, tenant_id, k.code, 'liability', currency, person_id, k.below, :now, :now
  FROM member CROSS JOIN (VALUES (0, 'tutor_pending', false), (1, 'tutor_cleared', true)) k (n, code, below)
  WHERE teaches;

INSERT INTO ledger_entry (id, tenant_id, key, kind, memo, source_kind, source_id, occurred_at, recorded_at)
  SELECT s.id * 3 + k.n, s.tenant_id, k.kind || ':' || s.id, k.kind, '', k.source, s.id,
         CASE k.n WHEN 2 THEN s.ends_at + interval '7 days' ELSE s.paid_at END, :now
  FROM sold s CROSS JOIN (VALUES (0, 'capture', 'payment'), (1, 'sale', 'seat'), (2, 'clear', 'seat'))
      k (n, kind, source)
  WHERE k.n < 2 OR s.has_cleared ORDER BY s.id;

-- Accounts 1 to 4 are the company's, 5 and 6 its tutor's pending and cleared earnings.
INSERT INTO posting (tenant_id, entry_id, account_id, amount_minor, currency)
  SELECT s.tenant_id, s.id * 3 + k.n,
         CASE WHEN k.account < 5 THEN s.tenant_id * 10 + k.account
              ELSE 1000000 + s.tutor_id * 2 + k.account - 5 END,
         CASE k.part WHEN 'all' THEN s.price WHEN 'fee' THEN s.price / 20 WHEN 'own' THEN s.price / 4
              ELSE s.price - s.price / 20 - s.price / 4 END * k.sign, s.currency
  FROM sold s CROSS JOIN (VALUES (0, 1, 'all', 1), (0, 2, 'all', -1), (1, 2, 'all', 1), (1, 3, 'fee', -1),
      (1, 4, 'own', -1), (1, 5, 'rest', -1), (2, 5, 'rest', 1), (2, 6, 'rest', -1)) k (n, account, part, sign)
  WHERE k.n < 2 OR s.has_cleared ORDER BY s.id;
