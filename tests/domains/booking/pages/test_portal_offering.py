"""Smoke."""
from __future__ import annotations
from tests.domains.booking.pages.support import Stage, offered, words_of
from tests.domains.booking.support import MONDAY

def test_smoke(stage: Stage) -> None:
    b = stage.browser()
    p = b.get(stage.path)
    assert p.status_code == 200, p.text
    print(words_of(p.text))
    print(offered(p.text)[:5])
    code = stage.held(b)
    p = b.get(f"/checkout/{code}")
    print(words_of(p.text))
    s = stage.browser("student")
    p = s.get(f"/checkout/{code}")
    print(words_of(p.text))
    assert 0
