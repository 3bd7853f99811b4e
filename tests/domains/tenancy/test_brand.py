"""What a manager makes of the company's look, and where it is seen."""

from __future__ import annotations

import re

import pytest

from tests.support.world import World

BRAND = {"name": "Anna Tutors", "primary": "#0b5fa5", "timezone": "Europe/Berlin", "locale": "en"}


def theme(world: World) -> str:
    visitor = world.browser(world.anna.host)
    found = re.search(r'href="(/theme/\d+\.css)"', visitor.get("/").text)
    assert found
    return visitor.get(found[1]).text


def test_a_sentence_and_corners_are_seen_by_visitors(world: World) -> None:
    manager = world.manager()
    before = theme(world)
    answer = manager.post("/admin/brand/", **BRAND, tagline="Learn <b>with</b> Anna & Bert", corners="round")
    assert answer.status_code == 302
    after = theme(world)
    assert "--wm-radius: 8px" in before
    assert "--wm-radius: 14px" in after
    page = manager.get("/admin/brand/").text
    assert 'value="Learn &lt;b&gt;with&lt;/b&gt; Anna &amp; Bert"' in page
    assert "<b>with</b>" not in page
    assert world.manager(world.bert).get("/admin/brand/").text.count("Anna") == 0


@pytest.mark.parametrize(
    "changed", [{"primary": "#9ec9ff"}, {"corners": "8px"}, {"tagline": "x" * 161}, {"name": ""}]
)
def test_a_brand_that_nobody_could_read_is_refused(world: World, changed: dict[str, str]) -> None:
    manager = world.manager()
    before = theme(world)
    answer = manager.post("/admin/brand/", **{**BRAND, "tagline": "Kept", "corners": "soft", **changed})
    assert answer.status_code == 422
    assert theme(world) == before
    assert 'aria-invalid="true"' in answer.text
    if "tagline" not in changed:
        assert 'value="Kept"' in answer.text, "nothing typed is lost"
