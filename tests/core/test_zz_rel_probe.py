import time, resource, os, subprocess, sys
from tests.support.databases import settings_for
from tests.support import kill_app
from app.core import dispatcher, jobs
from app.core.events import announce
from app.core.scope import platform_scope
from app.core.transaction import transaction
N=100
def test_cost(fresh_database, tmp_path):
    settings = settings_for(fresh_database, tmp_path, OUTBOX_LEASE_SECONDS=60, LOG_LEVEL="WARNING")
    kill_app.create_tables(fresh_database)
    app = kill_app.create_kill_app(settings)
    with app.app_context():
        with platform_scope("x"), transaction():
            for n in range(N): announce(kill_app.Struck(None, n))
        while dispatcher.run_once(): pass
    given = settings.model_dump(mode="json", include=set(settings.model_fields_set))
    prog='''
import resource,time,os,gc
from tests.support import kill_app
from app.core import jobs
from config import load_settings
app=kill_app.create_kill_app(load_settings())
if os.environ.get("FREEZE"): gc.collect(); gc.freeze()
a=resource.getrusage(resource.RUSAGE_SELF);b=resource.getrusage(resource.RUSAGE_CHILDREN);t=time.time()
jobs.run_worker(app,burst=True)
c=resource.getrusage(resource.RUSAGE_SELF);d=resource.getrusage(resource.RUSAGE_CHILDREN)
n=%d
print("per job ms: wall",(time.time()-t)*1000/n,"parent",(c.ru_utime+c.ru_stime-a.ru_utime-a.ru_stime)*1000/n,"children user",(d.ru_utime-b.ru_utime)*1000/n,"sys",(d.ru_stime-b.ru_stime)*1000/n,"minflt",(d.ru_minflt-b.ru_minflt)/n, "maxrss", d.ru_maxrss)
'''%N
    out=subprocess.run([sys.executable,"-c",prog],env={**os.environ,**{k:str(v) for k,v in given.items()}},cwd="/work/main",capture_output=True,text=True)
    print(out.stdout[-800:],out.stderr[-500:])
