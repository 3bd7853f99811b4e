"""The admin's list page beside stock Flask-AppBuilder and the bare floor, in one run: `make bench`.

Rounds alternate between the three, so that a noisy machine disturbs them alike; what counts is the ratio.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from sqlalchemy import create_engine, text

from app.core.rights import catalogue
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import MANAGER, Person
from app.domains.accounts.service import people
from app.domains.tenancy import service as tenancy
from app.domains.tenancy.models import Plan
from app.shell import embedded, migrations
from app.shell.factory import create_app
from bench.contestants import MANAGER_EMAIL, PASSWORD, ROWS
from config import load_settings

PEOPLE = 2_000
ROUNDS = 12
RESULTS = Path("bench.json")
CONTESTANTS = ("floor", "house", "stock")


def main() -> None:
    """Build the data, run the rounds, print the table, write bench.json."""
    click.echo("Starting servers of its own and making the data ...", err=True)
    with tempfile.TemporaryDirectory(prefix="wm-bench-") as directory:
        servers = embedded.start(Path(directory))
        try:
            results = _measure(servers)
        finally:
            servers.stop()
    click.echo("\n".join(table(results)))
    RESULTS.write_text(json.dumps({"list_page": results}, indent=2) + "\n")


def _measure(servers: embedded.Servers) -> dict[str, dict[str, float]]:
    migrations.upgrade(servers.owner_url)
    _fill(servers)
    embedded.create_database(servers, "stock")
    stock_url = servers.database_url("postgres", "stock")
    _copy_people(stock_url)
    urls = {"house": servers.app_url, "stock": stock_url, "floor": stock_url}
    environment = {**os.environ, "REDIS_URL": servers.redis_url}
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", "bench.contestants", name, urls[name]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )  # fmt: skip
        for name in CONTESTANTS
    }
    results: dict[str, dict[str, Any]] = {
        name: {**_read(p), "ms": [], "cpu": []} for name, p in running.items()
    }
    for number in range(ROUNDS):
        click.echo(f"\rround {number + 1} of {ROUNDS}", nl=False, err=True)
        for name, process in running.items():
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
            answer = _read(process)
            results[name]["ms"] += answer["ms"]
            results[name]["cpu"].append(answer["cpu"])
    click.echo(err=True)
    for process in running.values():
        process.terminate()
        process.communicate()
    return summary(results)


def summary(results: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """What the requests came to: the median round's CPU, and the times that half and 95 % stay below."""
    return {
        name: {
            "statements": found["statements"],
            "cpu_ms": statistics.median(found["cpu"]),
            "p50_ms": statistics.median(found["ms"]),
            "p95_ms": statistics.quantiles(found["ms"], n=20)[-1],
        }
        for name, found in results.items()
    }


def _read(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next answer; log lines in between are passed over."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{") and ("ms" in line or "statements" in line) and "event" not in line:
            answer: dict[str, Any] = json.loads(line)
            return answer
    raise RuntimeError("a contestant gave up")


def _fill(servers: embedded.Servers) -> None:
    app = create_app(
        load_settings(DATABASE_URL=servers.app_url, REDIS_URL=servers.redis_url, LOG_LEVEL="ERROR")
    )
    with app.app_context():
        with platform_scope("bench data"), transaction() as session:
            plan = Plan(code="bench", name="Bench")
            session.add(plan)
            session.flush()
            tenant = tenancy.open_tenant(
                tenancy.NewTenant("Bench", "bench", plan, "EUR", "Europe/Berlin", "en")
            )
            tenant_id = tenant.id
        with tenant_scope(tenant_id), transaction() as session:
            session.add_all(
                Person(full_name=f"Person {n:05}", email=f"p{n}@people.test", phone=f"+49 30 {n:06}")
                for n in range(PEOPLE)
            )
            inviter = people.Inviter("bench", catalogue().of_role(MANAGER))
            invitation = people.invite(
                full_name="Zoe Manager", email=MANAGER_EMAIL, choice=people.RoleChoice(MANAGER), by=inviter
            )
        with platform_scope("bench data"), transaction():
            people.accept(invitation, full_name="Zoe Manager", password=PASSWORD)


def _copy_people(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE bench_person (id bigint PRIMARY KEY, full_name varchar(120),"
                " email varchar(320), phone varchar(40), created_at timestamptz)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO bench_person SELECT n, 'Person ' || n, 'p' || n || '@people.test',"
                " '+49 30 ' || n, clock_timestamp() FROM generate_series(1, :people) n"
            ),
            {"people": PEOPLE},
        )
    engine.dispose()


def table(results: dict[str, dict[str, float]]) -> list[str]:
    """The lines to read; the ratios are of CPU time, which a busy machine disturbs least."""
    floor, stock = results["floor"]["cpu_ms"], results["stock"]["cpu_ms"]
    heads = ("statements", "CPU ms", "p50 ms", "p95 ms", "x floor", "stock / it")
    lines = [f"{f'list page, {ROWS} rows':<22}" + "".join(f"{head:>11}" for head in heads)]
    for name in CONTESTANTS:
        found = results[name]
        times = "".join(f"{found[key]:>11.2f}" for key in ("cpu_ms", "p50_ms", "p95_ms"))
        ratios = f"{found['cpu_ms'] / floor:>11.1f}{stock / found['cpu_ms']:>11.1f}"
        lines.append(f"{name:<22}{found['statements']:>11}{times}{ratios}")
    return lines


if __name__ == "__main__":
    main()
