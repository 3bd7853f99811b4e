from tests.shell.test_isolation import *
for n in list(globals()):
    if n.startswith("test_"): del globals()[n]
def test_x(stage):
    import re
    from tests.shell import test_isolation as t
    stage.walk.rules = [r for r in stage.walk.rules if not r.rule.startswith("/admin/") or "notif" in r.rule]
    tally = stage.run("student who manages bert's", "manager", "student","guardian", "bert's manager with what he has from bert's", "visitor")
    print(tally.wrong)
