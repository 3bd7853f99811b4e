"""The commands of docs/operations.md that hand a company its data: all of it, and nothing of anybody else."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
from pathlib import Path

from sqlalchemy.engine import make_url

from app.shell import embedded
from tests.support.databases import ROOT, Database
from tests.support.world import World


def commands() -> str:
    text = (ROOT / "docs/operations.md").read_text()
    (found,) = re.findall(r"```sh\n(export PGOPTIONS=.*?)```", text, re.DOTALL)
    return str(found)


def export(database: Database, tenant_id: int, folder: Path) -> dict[str, list[dict[str, str]]]:
    """What an operator has after them, with this clone's name and place instead of production's."""
    script = commands().replace("42", str(tenant_id)).replace("wemaster", database.name)
    place = make_url(database.app_url)
    environment = {
        **os.environ,
        "PATH": f"{embedded.postgres_program('psql').parent}:{os.environ['PATH']}",
        "PGHOST": str(place.query.get("host") or place.host),
        "PGPORT": str(place.port or place.query.get("port", 5432)),
        "PGPASSWORD": str(place.password or ""),
    }
    command = ["/bin/bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return {
        file.stem: list(csv.DictReader(io.StringIO(file.read_text(), newline="")))
        for file in folder.glob("*.csv")
    }


def test_all_of_one_company_and_nothing_of_another(world: World, database: Database, tmp_path: Path) -> None:
    anna = world.anna
    found = export(database, anna.id, tmp_path)
    assert len(found) > 30
    with database.connect() as connection:
        owned = connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relforcerowsecurity AND a.attname = 'tenant_id' AND a.attnotnull"
        ).fetchall()
        assert {name for (name,) in owned} - set(found) == {"handover_ticket"}  # a secret of half a minute
        for table, rows in found.items():
            query = f"SELECT count(*) FROM {table} WHERE tenant_id = {anna.id}"
            (number,) = connection.execute(query).fetchone() or (0,)
            assert len(rows) == number, table
            assert {row["tenant_id"] for row in rows} <= {str(anna.id)}, table
    assert {row["full_name"] for row in found["person"]} >= {"Tutor anna", "Student anna"}
    assert not any("password" in row for rows in found.values() for row in rows)
