def test_probe(app, world):
    import time

    rules = sorted(app.url_map.iter_rules(), key=lambda r: r.rule)
    for r in rules:
        print(r.rule, sorted(r.methods - {"HEAD", "OPTIONS"}), r.endpoint)
    print(len(rules))
    m = world.manager()
    for p in [
        "/admin/",
        "/admin/people/",
        "/admin/people/1",
        "/admin/people/999",
        "/admin/tenants/",
        "/",
        "/admin/people/export.csv",
        "/admin/sign-ins/",
    ]:
        m.get(p)
        t = time.perf_counter()
        for i in range(10):
            s = m.get(p).status_code
        print(p, s, (time.perf_counter() - t) * 100, "ms")
    from sqlalchemy import exists, func, select

    from app.core.db import db
    from app.core.scope import tenant_scope
    from app.domains.accounts.models import Person

    with app.app_context(), tenant_scope(world.anna.id):
        s = db.session
        print(
            s.execute(select(select(func.count()).select_from(Person).scalar_subquery().label("n"))).scalar()
        )
        import sqlalchemy
        from sqlalchemy import event

        seen = []
        event.listen(db.engine, "before_cursor_execute", lambda c, cu, st, *a: seen.append(st))
        s.execute(select(select(func.count()).select_from(Person).scalar_subquery().label("n"))).scalar()
        s.execute(select(exists().where(Person.id == 1))).scalar()
        s.execute(select(func.count()).select_from(Person)).scalar()
        s.query(Person).count()
        s.execute(sqlalchemy.update(Person).where(Person.id == 3).values(notes="x"))
        for x in seen:
            print(x)
        s.rollback()
    with app.app_context():
        for q in [
            select(func.count()).select_from(Person),
            select(Person),
            select(Person.id),
            select(exists().where(Person.id == 1)),
            select(select(func.count()).select_from(Person).scalar_subquery().label("n")),
        ]:
            try:
                print("unscoped", db.session.execute(q).all())
            except Exception as e:
                print("unscoped", type(e), e)
