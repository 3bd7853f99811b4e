"""What is mutated, and which tests are asked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Modules with the same tests. Of the rules every mutant is judged, of each service a seeded sample."""

    tests: tuple[str, ...]
    rules: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    @property
    def modules(self) -> tuple[str, ...]:
        return self.rules + self.services


def _in(folder: str, names: str) -> tuple[str, ...]:
    return tuple(f"app/{folder}/{name}.py" for name in names.split())


GROUPS = {
    "money": Group(
        rules=_in("core", "money states"),
        tests=("tests/core/test_money.py", "tests/core/test_states.py"),
    ),
    "writes": Group(rules=_in("core", "adding"), tests=("tests/core/test_adding.py",)),
    # Those that need no database: minutes.
    "rules": Group(
        rules=(
            *_in("domains/booking/policies", "availability calendar explaining refunds"),
            *_in("domains/tenancy", "policies"),
            *_in("domains/accounts", "policies"),
            *_in("domains/payments", "policies"),
        ),
        tests=(
            "tests/domains/booking/test_rules.py",
            "tests/domains/booking/test_oracle.py",
            "tests/domains/tenancy/test_rules.py",
            "tests/domains/accounts/test_rules.py",
            "tests/domains/payments/test_rules.py",
            "tests/security/test_rules_page.py",
        ),
    ),
    "tenancy": Group(
        services=_in("domains/tenancy", "service"),
        tests=("tests/domains/tenancy", "tests/core/web/test_admin_write.py", "tests/core/web/test_bulk.py"),
    ),
    "accounts": Group(
        services=_in(
            "domains/accounts/service",
            "account family handover passwords people registration signin tokens",
        ),
        tests=("tests/domains/accounts", "tests/security/test_asvs_sign_in.py"),
    ),
    "booking": Group(
        services=_in(
            "domains/booking/service",
            "attendance availability cancel holds moves new_holds occupation seats sessions",
        ),
        tests=("tests/domains/booking",),
    ),
    "payments": Group(
        services=_in("domains/payments/service", "collecting disputes orders receipts refunds webhooks"),
        tests=("tests/domains/payments",),
    ),
    "earnings": Group(
        rules=_in("domains/earnings", "policies") + _in("domains/ledger", "policies"),
        services=_in("domains/earnings", "service") + _in("domains/ledger", "service"),
        tests=("tests/domains/earnings", "tests/domains/ledger"),
    ),
    "catalog": Group(
        rules=_in("domains/catalog/policies", "comparison content pictures review_words reviews standing"),
        services=_in("domains/catalog/service", "offerings profiles review reviews settings standing"),
        tests=("tests/domains/catalog",),
    ),
}
