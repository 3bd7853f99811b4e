"""The skeleton's story, lived in a browser: operator → company → manager → brand → tutor."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.browser.steps import (
    FJORD,
    PASSWORD,
    brand,
    enter_as_manager,
    enter_as_tutor,
    invite_tutor,
    open_company,
    sign_in,
    submit,
)
from tests.support.browser import PageAt, shoot
from tests.support.servers import LiveServers

pytestmark = pytest.mark.browser


def test_a_company_is_opened_branded_and_staffed(live: LiveServers, operated: Flask, page_at: PageAt) -> None:
    operator, manager, tutor = page_at(1280), page_at(1280), page_at(390)
    open_company(operator, live)
    enter_as_manager(manager, live, operated)
    brand(manager)
    invite_tutor(manager, live)
    enter_as_tutor(tutor, live, operated)
    tutor.goto(live.url("/admin/", FJORD))
    tutor.get_by_text("Not allowed").first.wait_for()

    for width, dark in ((390, False), (390, True), (1280, True)):
        again = page_at(width, dark)
        sign_in(again, live.url("/login/", FJORD), "mette@fjord.test", PASSWORD)
        again.goto(live.url("/admin/", FJORD))
        shoot(again, "manager-home")
        for path in ("people/", "invitations/", "invitations/add", "roles/add", "brand/", "memberships/1"):
            again.goto(live.url(f"/admin/{path}", FJORD))
            shoot(again, f"manager-{path.strip('/').replace('/', '-')}")
            overflow = again.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert overflow <= 0, f"{path} scrolls sideways at {width} px"

    operator.goto(live.url("/admin/tenants/?q=fjord"))
    operator.get_by_role("link", name="Fjord Tutors").first.click()
    operator.get_by_role("link", name="Open this company").click()
    submit(operator, "Open this company")
    operator.wait_for_url(live.url("/admin/", FJORD))
    manager.goto(live.url("/admin/audit/", FJORD))
    manager.get_by_text("opened these pages as an operator").first.wait_for()
