"""How a backlog longer than the lease behaves: no kills at all."""

import time

from app.core.events import announce
from app.core.scope import platform_scope
from app.core.transaction import transaction
from tests.support import kill_app
from tests.support.databases import settings_for

N = int(__import__("os").environ.get("N", "600"))


def test_backlog(fresh_database, tmp_path):
    settings = settings_for(fresh_database, tmp_path, OUTBOX_LEASE_SECONDS=2, LOG_LEVEL="WARNING")
    kill_app.create_tables(fresh_database)
    app = kill_app.create_kill_app(settings)
    with app.app_context(), platform_scope("x"), transaction():
        for n in range(N):
            announce(kill_app.Struck(None, n))
    ps = [kill_app.start(n, settings, tmp_path / f"{n}.log") for n in ("dispatcher", "worker")]
    c = fresh_database.connect()
    import redis

    r = redis.Redis.from_url(fresh_database.redis_url)
    t = time.time()
    try:
        while time.time() - t < 60:
            time.sleep(2)
            ins, out, tr = c.execute(
                "select (select count(*) from kill_inside),(select count(*) from kill_outside),(select count(*) from kill_try)"
            ).fetchone()
            st = c.execute("select status,count(*),max(attempts) from outbox group by 1").fetchall()
            print(
                round(time.time() - t, 1), ins, out, tr, st, "queue", r.llen("rq:queue:default"), flush=True
            )
            if out == N:
                break
    finally:
        for p in ps:
            p.terminate()
        for p in ps:
            p.wait()
        for n in ("dispatcher", "worker"):
            print((tmp_path / f"{n}.log").read_text()[-1500:])
