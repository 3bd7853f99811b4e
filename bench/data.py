"""A platform of some age, made by SQL: companies with tutors, students, lessons, orders and books.

The first company is large (a twentieth of all lessons), the others share the rest as a long tail. Triggers
and foreign keys are not asked, a million postings would take minutes. That what the rows say fits together is
shown by the rules of `run.py check`, all of which hold here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

FIRST_USER, FIRST_PERSON = 100_000, 1_000
DAYS_AHEAD = 20
STATEMENTS = Path(__file__).with_name("data.sql")
FILLED = (
    "tenant",
    "person",
    "ab_user",
    "membership",
    "user_session",
    "tutor_profile",
    "availability_schedule",
    "availability_rule",
    "offering",
    "variant",
    "lesson",
    "sales_order",
    "order_line",
    "payment",
    "allocation",
    "seat",
    "occupation",
    "participation",
    "receipt",
    "receipt_counter",
    "earning",
    "ledger_account",
    "ledger_entry",
    "posting",
)


@dataclass(frozen=True)
class Size:
    """How much of each there is. A lesson has one seat, and six postings, eight once its earning cleared."""

    tenants: int = 1_000
    lessons: int = 200_000
    days: int = 730
    large_tutors: int = 40

    @property
    def large(self) -> int:
        """The lessons of the large company."""
        return self.lessons // 20


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


def fill(engine: Engine, size: Size, now: object, say: Callable[[str], None] = lambda _: None) -> None:
    """Everything but companies, which are there; as the superuser, whom neither keys nor triggers stop."""
    values = {
        "now": now,
        "days": size.days,
        "ahead": DAYS_AHEAD,
        "lessons": size.lessons,
        "large": size.large,
        "large_tutors": size.large_tutors,
        "first_user": FIRST_USER,
        "first_person": FIRST_PERSON,
    }
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("SET LOCAL work_mem = '256MB'"))
        for step in _statements():
            if step.startswith("INSERT INTO"):
                say(f"  {step.split()[2]}")
            used = {name: value for name, value in values.items() if f":{name}" in step}
            connection.execute(text(step), used)
        for table in FILLED:
            # Rows came with their numbers; what the application adds goes on after them.
            connection.execute(
                text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")  # noqa: S608 - our own names
            )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        say("  vacuum")
        for table in FILLED:
            connection.execute(text(f"VACUUM ANALYZE {table}"))


def _statements() -> list[str]:
    lines = [line for line in STATEMENTS.read_text().splitlines() if not line.lstrip().startswith("--")]
    return [step.strip() for step in "\n".join(lines).split(";\n") if step.strip(" ;\n")]
