"""Two people edit one record: the second one is told, at the page and at the API, and nothing is lost."""

from __future__ import annotations

import re
import threading
import time
from html import unescape
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.domains.accounts.admin import PersonEntry
from app.shell.admin import make_registry
from tests.support.entries import SAMPLES, browser, make, stored, token, unique, with_form
from tests.support.world import Browser, World

ENTRIES = {entry.slug: entry for entry in make_registry().entries}
PERSON = ENTRIES["people"]
EDITABLE = [slug for slug in with_form() if ENTRIES[slug].can_edit]
_STAMP = re.compile(r'name="form_stamp" value="([^"]+)"')
_MAIN = re.compile(r"<main.*?</main>", re.S)  # the help on shortcuts is a list of facts, too
_FACT = re.compile(r"<dt>(.*?)</dt><dd>(.*?)</dd>")


def stamp(page: TestResponse) -> str:
    found = _STAMP.search(page.text)
    assert found, "the form carries no stamp"
    return found.group(1)


def now_says(page: TestResponse) -> dict[str, str]:
    """What the page of a conflict says is there now, by label."""
    return {unescape(label): unescape(text) for label, text in _FACT.findall(_MAIN.findall(page.text)[0])}


def edit(somebody: Browser, path: str, opened: TestResponse, **data: Any) -> TestResponse:
    return somebody.post(path, **data, form_stamp=stamp(opened))


def test_the_second_of_two_editors_is_told_and_may_send_again(world: World) -> None:
    one, other = world.manager(), world.manager()
    pk = make(world, PERSON)[0]
    path, before = f"/admin/people/{pk}/edit", stored(world, PERSON, pk)
    assert before
    mine, theirs = one.get(path), other.get(path)
    form = {"full_name": before["full_name"], "email": before["email"], "notes": ""}
    assert edit(other, path, theirs, **form, phone="+1 222", birth_date="2001-02-03").status_code == 302
    refused = edit(one, path, mine, **form, phone="+1 333", birth_date="")
    assert refused.status_code == 409
    assert "Somebody else changed this record" in refused.text
    assert 'value="+1 333"' in refused.text, "what was typed is kept"
    assert now_says(refused) == {"Phone": "+1 222", "Date of birth": "Feb 3, 2001"}
    row = stored(world, PERSON, pk)
    assert row
    assert row["phone"] == "+1 222"
    assert edit(one, path, refused, **form, phone="+1 333", birth_date="").status_code == 302
    row = stored(world, PERSON, pk)
    assert row
    assert (row["phone"], row["birth_date"]) == ("+1 333", None)


def test_a_wrong_value_in_between_does_not_renew_the_stamp(world: World) -> None:
    one, other = world.manager(), world.manager()
    pk = make(world, PERSON)[0]
    path = f"/admin/people/{pk}/edit"
    mine = one.get(path)
    assert edit(other, path, other.get(path), full_name="Theirs").status_code == 302
    wrong = edit(one, path, mine, full_name="")
    assert wrong.status_code == 422
    assert edit(one, path, wrong, full_name="Mine").status_code == 409
    assert stored(world, PERSON, pk)["full_name"] == "Theirs"  # type: ignore[index]


def test_a_form_that_is_sent_twice_is_no_conflict(world: World) -> None:
    manager, pk = world.manager(), make(world, PERSON)[0]
    path = f"/admin/people/{pk}/edit"
    opened = manager.get(path)
    for _ in range(2):
        assert edit(manager, path, opened, full_name="Twice", phone="+1").status_code == 302


def test_a_record_that_is_gone_is_not_there(world: World) -> None:
    manager, pk = world.manager(), make(world, PERSON)[0]
    path = f"/admin/people/{pk}/edit"
    data = {"csrf_token": manager.csrf(path), "full_name": "Late", "form_stamp": stamp(manager.get(path))}
    assert manager.post(f"/admin/people/{pk}/delete").status_code == 302
    assert manager.post_raw(path, data).status_code == 404


@pytest.mark.parametrize("slug", EDITABLE)
def test_every_form_to_edit_is_stamped(world: World, slug: str) -> None:
    entry, sample, somebody = ENTRIES[slug], SAMPLES[slug], browser(world, ENTRIES[slug])
    assert sample.form
    pk = make(world, entry)[0]
    path = f"{entry.url}/{pk}/edit"
    opened = somebody.get(path)
    filled = sample.form(world, unique())
    first = {name: filled[name] for name in entry.edit_form or () if name in filled}
    assert edit(somebody, path, opened, **first).status_code == 302
    again = sample.form(world, unique())
    second = {name: again[name] for name in first} | dict(sample.change or {})
    expected = 409 if second != first else 302  # of a company nothing that differs may be sent
    refused = edit(somebody, path, opened, **second)
    assert refused.status_code == expected
    if expected == 409:
        assert now_says(refused)
        assert edit(somebody, path, refused, **second).status_code == 302


def test_of_two_edits_at_the_same_moment_one_waits_and_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is locked before it is compared: two can't both find it unchanged."""
    pk = make(world, PERSON)[0]
    path, statuses, barrier = f"/admin/people/{pk}/edit", [], threading.Barrier(2)
    save = PersonEntry.update

    def slowly(*args: Any) -> None:
        time.sleep(0.3)
        save(*args)

    monkeypatch.setattr(PersonEntry, "update", slowly)

    def send(somebody: Browser, data: dict[str, str]) -> None:
        barrier.wait()
        statuses.append(somebody.post_raw(path, data).status_code)

    threads = []
    for name in ("One", "Other"):
        somebody = world.manager()
        opened = somebody.get(path)
        data = {"csrf_token": somebody.csrf(path), "form_stamp": stamp(opened), "full_name": name}
        threads.append(threading.Thread(target=send, args=(somebody, data)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [302, 409]


# -- API ---------------------------------------------------------------------------------------------------


def call(world: World, method: str, path: str, **options: Any) -> TestResponse:
    host, access = token(world, PERSON)
    headers = {"Authorization": f"Bearer {access}", **options.pop("headers", {})}
    client = world.app.test_client()
    return client.open(
        f"/api/v1/{path}", method=method, base_url=f"http://{host}", headers=headers, **options
    )


def test_the_api_changes_only_what_was_read(world: World) -> None:
    pk = make(world, PERSON)[0]
    path = f"people/{pk}"
    read = call(world, "GET", path).headers["ETag"]
    assert call(world, "GET", path).headers["ETag"] == read, "nothing has changed"
    changed = call(world, "PATCH", path, json={"phone": "+1 1"}, headers={"If-Match": read})
    assert changed.status_code == 200
    assert changed.headers["ETag"] == call(world, "GET", path).headers["ETag"] != read
    for method, body in (("PATCH", {"phone": "+1 2"}), ("PUT", {"full_name": "X"}), ("DELETE", None)):
        refused = call(world, method, path, json=body, headers={"If-Match": read})
        assert refused.status_code == 412, method
        assert refused.mimetype == "application/problem+json"
        assert refused.json["code"] == "precondition_failed"
    row = stored(world, PERSON, pk)
    assert row
    assert row["phone"] == "+1 1"
    for header in ("nonsense", 'W/"x"', '"a", "b"', f"W/{changed.headers['ETag']}"):
        refused = call(world, "PATCH", path, json={"phone": "+1 3"}, headers={"If-Match": header})
        assert refused.status_code == 412, header
    assert call(world, "PATCH", path, json={"phone": "+1 4"}).status_code == 200, "without, as ever"
    assert call(world, "PATCH", path, json={"phone": "5"}, headers={"If-Match": "*"}).status_code == 200
    read = call(world, "GET", path).headers["ETag"]
    assert call(world, "DELETE", path, headers={"If-Match": f'"x", {read}'}).status_code == 204
    assert call(world, "DELETE", path, headers={"If-Match": read}).status_code == 404


def test_the_description_of_the_api_says_so(world: World) -> None:
    paths = call(world, "GET", "_openapi.json").json["paths"]
    one = paths["/api/v1/people/{id}"]
    assert "ETag" in one["get"]["responses"]["200"]["headers"]
    for method in ("put", "patch", "delete"):
        assert [p["name"] for p in one[method]["parameters"]] == ["If-Match"], method
