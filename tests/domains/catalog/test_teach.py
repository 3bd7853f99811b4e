"""Where tutors write: the list, the form without script, pictures, their profile; and nobody else's."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from PIL import Image
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from app.core.db import db
from app.core.scope import tenant_scope
from app.domains.catalog import queries, service
from app.domains.catalog.models import GROUP, TRIAL, Offering, OfferingRevision
from app.domains.catalog.policies.pictures import path_of, small_path_of
from app.providers.storage import new_key
from tests.domains.accounts.support import rows
from tests.domains.catalog import support
from tests.domains.catalog.support import Stock, complete, draft, form_of, look, png, publish, submit, within
from tests.support.databases import Database
from tests.support.statements import count_statements
from tests.support.world import Browser, World

NEW = "/teach/offerings/new"


@pytest.fixture
def stock(world: World) -> Stock:
    return support.stock(world, world.anna)


@pytest.fixture
def tutor(world: World) -> Browser:
    return world.browser(world.anna.host, world.anna.email("tutor"))


def content_of(world: World, offering_id: int) -> dict[str, Any]:
    def work() -> dict[str, Any]:
        revision = queries.open_revision(offering_id)
        assert revision is not None
        return revision.content

    return look(world, world.anna, work)


def write(tutor: Browser, stock: Stock, **changes: Any) -> int:
    answer = tutor.post(NEW, **form_of(stock, **changes))
    assert answer.status_code == 302, re.findall(r'class="wm-error".*?<span>(.*?)</span>', answer.text)
    return int(answer.location.rstrip("/").rsplit("/", 1)[-1])


def count(world: World) -> int:
    return look(world, world.anna, lambda: db.session.query(Offering).count())


# -- The story ---------------------------------------------------------------------------------------------


def test_a_tutor_writes_sends_is_sent_back_and_published(world: World, tutor: Browser, stock: Stock) -> None:
    assert "Nothing yet" in tutor.get("/teach/offerings/").text
    offering_id = write(tutor, stock)
    path = f"/teach/offerings/{offering_id}"
    page = tutor.get(path).text
    assert 'value="Calculus"' in page
    assert 'value="50.00"' in page
    assert "Complete it, then send it to be reviewed." in tutor.get("/teach/offerings/").text

    sent = tutor.post(f"{path}/submit", page=path)
    assert sent.location == "/teach/offerings/"
    assert "Waiting for review" in tutor.get("/teach/offerings/").text
    page = tutor.get(path).text
    assert "While it is reviewed it can't be changed." in page
    assert "<fieldset" in page
    assert " disabled" in page

    revision_id = look(world, world.anna, lambda: queries.open_revision(offering_id).id)
    manager = world.manager()
    asked = manager.post(f"/admin/proposals/{revision_id}/do/send-back", reason="Say for <whom>.")
    assert asked.status_code == 302
    for place in ("/teach/offerings/", path):
        page = tutor.get(place).text
        assert "Say for &lt;whom&gt;." in page
        assert "Sent back" in page

    again = tutor.post(path, **{**form_of(stock, summary="For the finals."), "then": "submit"})
    assert again.location == "/teach/offerings/"
    approved = support.approve_on_page(manager, revision_id)
    assert approved.status_code == 302
    assert "It can be booked." in tutor.get("/teach/offerings/").text
    assert "For the finals." in world.browser(world.anna.host).get("/").text


def test_a_group_a_trial_and_six_ways_to_buy(world: World, tutor: Browser, stock: Stock) -> None:
    six = {
        f"variant_{n}_{part}": value
        for n in range(1, 7)
        for part, value in (("name", f"Way {n}"), ("minutes", str(30 * n)), ("price", f"{n}0"))
    }
    group = write(tutor, stock, kind=GROUP, capacity="8", **six)
    content = content_of(world, group)
    assert (content["capacity"], len(content["variants"])) == (8, 6)
    assert content["variants"][5] == {
        "name": "Way 6",
        "duration_minutes": 180,
        "price_minor": 6000,
        "id": None,
    }
    trial = write(tutor, stock, kind=TRIAL, capacity="8", variant_1_price="0")
    content = content_of(world, trial)
    assert (content["capacity"], content["variants"][0]["price_minor"]) == (1, 0)


def test_rows_that_stay_empty_say_nothing(world: World, tutor: Browser, stock: Stock) -> None:
    offering_id = write(
        tutor,
        stock,
        variant_1_name="",
        variant_1_minutes="",
        variant_1_price="",
        variant_4_name="Late",
        variant_4_minutes="45",
        variant_4_price="1,000.50",
    )
    assert content_of(world, offering_id)["variants"] == [
        {"name": "Late", "duration_minutes": 45, "price_minor": 100050, "id": None}
    ]


def test_an_incomplete_draft_is_kept_and_says_what_it_needs(
    world: World, tutor: Browser, stock: Stock
) -> None:
    blank = dict.fromkeys(("summary", "description", "subject_id", "variant_1_name", "variant_1_minutes"), "")
    answer = tutor.post(NEW, **{**form_of(stock, **blank, variant_1_price=""), "then": "submit"})
    assert answer.status_code == 302
    page = tutor.get(answer.location).text
    assert "It is saved, but not sent yet. Still missing:" in page
    for words in ("A summary in a sentence or two", "The subject", "At least one length with its price"):
        assert words in page
    assert count(world) == 1


def test_a_change_of_a_published_one_is_a_new_revision(world: World, tutor: Browser, stock: Stock) -> None:
    offering_id = publish(world, world.anna, complete(stock))
    path = f"/teach/offerings/{offering_id}"
    page = tutor.get(path).text
    own_id = re.search(r'name="variant_1_id"[^>]*value="(\d+)"', page)
    assert own_id
    changed = form_of(stock, title="Calculus II", variant_1_id=own_id[1], variant_1_price="55")
    assert tutor.post(path, **changed).status_code == 302
    assert content_of(world, offering_id)["variants"][0] == {
        "name": "60 minutes",
        "duration_minutes": 60,
        "price_minor": 5500,
        "id": int(own_id[1]),
    }
    assert "Published, with changes" in tutor.get("/teach/offerings/").text
    visitor = world.browser(world.anna.host).get("/").text
    assert "Calculus II" not in visitor
    assert "€50.00" in visitor


def test_taken_back_it_can_be_changed_again(world: World, tutor: Browser, stock: Stock) -> None:
    offering_id = draft(world, world.anna, complete(stock))
    path = f"/teach/offerings/{offering_id}"
    submit(world, world.anna, offering_id)
    token = tutor.csrf(path)
    refused = tutor.post_raw(path, {**form_of(stock, title="Other"), "csrf_token": token})
    assert refused.status_code == 409
    assert "Take it back first" in refused.text
    assert tutor.post(f"{path}/withdraw", page=path).status_code == 302
    assert tutor.post(path, **form_of(stock, title="Other")).status_code == 302
    assert content_of(world, offering_id)["title"] == "Other"
    twice = tutor.post(f"{path}/withdraw", page=path)
    assert twice.status_code == 409


def test_a_double_click_makes_one(world: World, tutor: Browser, stock: Stock) -> None:
    page = tutor.get(NEW).text
    key = re.search(r'name="form_key" value="([^"]+)"', page)
    assert key
    sent = {**form_of(stock), "form_key": key[1], "csrf_token": tutor.csrf(NEW)}
    first, second = (tutor.post_raw(NEW, sent) for _ in range(2))
    assert (first.status_code, second.location) == (302, first.location)
    assert count(world) == 1


def test_a_second_tab_overwrites_nothing_unseen(world: World, tutor: Browser, stock: Stock) -> None:
    offering_id = draft(world, world.anna, complete(stock))
    path = f"/teach/offerings/{offering_id}"

    def seen() -> str:
        found = re.search(r'name="seen"[^>]*value="([^"]*)"', tutor.get(path).text)
        assert found
        return found[1]

    old = seen()
    assert tutor.post(path, **form_of(stock, summary="First tab.", seen=old)).status_code == 302
    refused = tutor.post(path, **form_of(stock, summary="Second tab.", seen=old))
    assert refused.status_code == 409
    assert "This was changed somewhere else in the meantime." in refused.text
    assert "Second tab." in refused.text
    assert content_of(world, offering_id)["summary"] == "First tab."
    fresh = re.search(r'name="seen"[^>]*value="([^"]*)"', refused.text)
    assert fresh
    assert tutor.post(path, **form_of(stock, summary="Second tab.", seen=fresh[1])).status_code == 302
    assert content_of(world, offering_id)["summary"] == "Second tab."


# -- Bad input ---------------------------------------------------------------------------------------------

PRICES = [
    "-1",
    "0",
    "0.001",
    "1e309",
    "NaN",
    "Infinity",
    "１０",
    str(2**63),
    "10,5",
    "€ 5",
    "abc",
    "1000000000.01",
]


def test_prices_that_are_none_are_said_at_their_field(world: World, tutor: Browser, stock: Stock) -> None:
    for price in PRICES:
        answer = tutor.post(NEW, **form_of(stock, variant_1_price=price))
        assert answer.status_code == 422, price
        assert 'id="variant_1_price-error"' in answer.text, price
        assert 'value="Calculus"' in answer.text, "what was typed is kept"
    assert count(world) == 0


@pytest.mark.parametrize(
    ("currency", "price", "status"),
    [("JPY", "5000", 302), ("JPY", "5000.5", 422), ("KWD", "5.125", 302), ("KWD", "5.1255", 422)],
)
def test_decimals_by_currency(
    world: World, stock: Stock, database: Database, currency: str, price: str, status: int
) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE tenant SET currency = %s WHERE id = %s", (currency, world.anna.id))
    world.app.extensions["places"].forget()
    tutor = world.browser(world.anna.host, world.anna.email("tutor"))
    assert tutor.post(NEW, **form_of(stock, variant_1_price=price)).status_code == status


NO_SENSE = [
    ({"title": ""}, "title"),
    ({"title": "   "}, "title"),
    ({"title": "x" * 1_000_000}, "title"),
    ({"title": "a\x00b"}, "title"),
    ({"description": "a\x00b"}, "description"),
    ({"description": "x" * 20_001}, "description"),
    ({"kind": "recorded"}, "kind"),
    ({"kind": ""}, "kind"),
    ({"level": "genius"}, "level"),
    ({"language": "xx"}, "language"),
    ({"subject_id": "777777"}, "subject_id"),
    ({"subject_id": "x"}, "subject_id"),
    ({"policy_id": str(2**63)}, "policy_id"),
    ({"kind": GROUP, "capacity": "0"}, "capacity"),
    ({"kind": GROUP, "capacity": "501"}, "capacity"),
    ({"kind": GROUP, "capacity": "9" * 400}, "capacity"),
    ({"kind": GROUP, "capacity": "many"}, "capacity"),
    ({"variant_1_minutes": ""}, "variant_1_minutes"),
    ({"variant_1_minutes": "4"}, "variant_1_minutes"),
    ({"variant_1_minutes": "1441"}, "variant_1_minutes"),
    ({"variant_1_minutes": "1.5"}, "variant_1_minutes"),
    ({"variant_1_name": ""}, "variant_1_name"),
    ({"variant_1_name": "x" * 81}, "variant_1_name"),
    ({"variant_1_price": ""}, "variant_1_price"),
    ({"variant_5_price": "10"}, "variant_5_name"),
    ({"variant_5_name": "60 Minutes", "variant_5_minutes": "60", "variant_5_price": "1"}, "variant_5_name"),
    ({"variant_3_name": "B", "variant_3_minutes": "3", "variant_3_price": "1"}, "variant_3_minutes"),
    ({"variant_1_id": "777777"}, "variant_1_name"),
]  # fmt: skip


def test_what_makes_no_sense_is_said_at_its_field(world: World, tutor: Browser, stock: Stock) -> None:
    for changes, field in NO_SENSE:
        answer = tutor.post(NEW, **form_of(stock, **changes))
        assert answer.status_code == 422, changes
        assert f'id="{field}-error"' in answer.text or f'href="#{field}"' in answer.text, changes
    assert count(world) == 0


def test_all_kinds_of_words_are_taken_and_shown_as_text(world: World, tutor: Browser, stock: Stock) -> None:
    title = "<img src=x onerror=alert(1)> 🎹 שלום"
    offering_id = write(tutor, stock, title=title, description="Zeile 1\nמרחבא & <b>x</b>")
    page = tutor.get(f"/teach/offerings/{offering_id}").text
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt; 🎹 שלום" in page
    assert content_of(world, offering_id)["title"] == title


def test_more_than_two_megabytes_of_text_are_refused(world: World, tutor: Browser, stock: Stock) -> None:
    answer = tutor.post(NEW, **form_of(stock, description="x" * 2_200_000))
    assert answer.status_code in {303, 413, 422}
    assert count(world) == 0


# -- Whose it is -------------------------------------------------------------------------------------------


def test_only_tutors_write(world: World, stock: Stock) -> None:
    for role in ("student", "guardian", "manager"):
        browser = world.browser(world.anna.host, world.anna.email(role))
        for path in ("/teach/offerings/", NEW, "/teach/profile/"):
            assert browser.get(path).status_code == 404, (role, path)
    assert "/login/" in world.browser(world.anna.host).get("/teach/offerings/").location


def test_a_tutor_cannot_touch_anothers(world: World, stock: Stock, database: Database) -> None:
    mine = draft(world, world.anna, complete(stock))
    email = support.second_tutor(world, world.anna)
    there = support.stock(world, world.bert)
    foreign = draft(world, world.bert, complete(there))
    before = rows(database, "SELECT id, status, content, changed_at FROM offering_revision ORDER BY id")
    for somebody in (
        world.browser(world.anna.host, email),
        world.browser(world.bert.host, world.bert.email("tutor")),
    ):
        token = somebody.csrf(NEW)
        for offering_id in {mine, foreign} if somebody.base.endswith(world.anna.host) else {mine}:
            path = f"/teach/offerings/{offering_id}"
            assert somebody.get(path).status_code == 404
            for target in (path, f"{path}/submit", f"{path}/withdraw"):
                sent = somebody.post_raw(target, {**form_of(stock), "csrf_token": token})
                assert sent.status_code == 404, target
        assert f"/teach/offerings/{mine}" not in somebody.get("/teach/offerings/").text
    assert (
        rows(database, "SELECT id, status, content, changed_at FROM offering_revision ORDER BY id") == before
    )


def test_ids_of_others_in_the_form_are_refused(world: World, tutor: Browser, stock: Stock) -> None:
    there = support.stock(world, world.bert)
    for field, value in (
        ("subject_id", there.subject_id),
        ("policy_id", there.policy_id),
        ("tax_rate_id", there.tax_rate_id),
    ):
        answer = tutor.post(NEW, **form_of(stock, **{field: str(value)}))
        assert answer.status_code == 422
        assert f'id="{field}-error"' in answer.text
    assert count(world) == 0
    # What is no field of the form changes nothing.
    offering_id = write(
        tutor, stock, tutor_id="1", status="published", tenant_id="2", image_key="t2/offerings/x"
    )
    row = look(world, world.anna, lambda: queries.offering(offering_id))
    assert (row.tutor_id, row.status, row.tenant_id) == (world.anna.people["tutor"], "draft", world.anna.id)
    assert content_of(world, offering_id)["image_key"] is None


# -- Pictures ----------------------------------------------------------------------------------------------


def upload(data: bytes, name: str = "../../x.png") -> tuple[io.BytesIO, str]:
    return io.BytesIO(data), name


def test_a_picture_is_written_anew_and_shown_to_everybody(world: World, tutor: Browser, stock: Stock) -> None:
    offering_id = write(tutor, stock, image=upload(png(3000, 1500)))
    key = content_of(world, offering_id)["image_key"]
    assert re.fullmatch(rf"t{world.anna.id}/offerings/[0-9a-f]{{32}}", key)
    visitor = world.browser(world.anna.host)
    shown = visitor.get(path_of(key))
    assert shown.status_code == 200
    assert shown.mimetype == "image/webp"
    assert shown.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in shown.headers
    assert Image.open(io.BytesIO(shown.data)).size == (1600, 800)
    small = visitor.get(small_path_of(key))
    assert Image.open(io.BytesIO(small.data)).size == (640, 320), "all of it"
    assert small_path_of(key) in tutor.get(f"/teach/offerings/{offering_id}").text

    support.approve(world, world.anna, submit(world, world.anna, offering_id))
    assert f'src="{small_path_of(key)}"' in visitor.get("/").text
    # Saved again without a file it stays; it goes when that is asked for.
    path = f"/teach/offerings/{offering_id}"
    assert tutor.post(path, **form_of(stock, summary="New.")).status_code == 302
    assert content_of(world, offering_id)["image_key"] == key
    assert tutor.post(path, **form_of(stock, without_image="y")).status_code == 302
    assert content_of(world, offering_id)["image_key"] is None
    assert visitor.get(path_of(key)).status_code == 200, "what is live still shows it"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", 422),
        (b"<html><script>alert(1)</script></html>", 422),
        (png()[:200], 422),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 10_000_001, 413),
    ],
)
def test_files_that_are_no_picture(
    world: World, tutor: Browser, stock: Stock, data: bytes, status: int
) -> None:
    # Put together here: the client's own large bodies are files that it does not close.
    form = {**form_of(stock), "csrf_token": tutor.csrf(NEW), "image": FileStorage(io.BytesIO(data), "x.png")}
    boundary, body = encode_multipart(form)
    answer = tutor.post_raw(NEW, body, content_type=f"multipart/form-data; boundary={boundary}")
    assert answer.status_code == status
    assert 'id="image-error"' in answer.text
    assert count(world) == 0


def test_pictures_of_this_tenant_and_no_other_files(world: World) -> None:
    storage = world.app.extensions["storage"]

    def keep(company: Any, kind: str) -> str:
        with world.app.app_context(), tenant_scope(company.id):
            key = new_key(company.id, kind)
            storage.put(key, b"secret", "image/webp")
            return key

    own, receipt, foreign = (
        keep(world.anna, "offerings"),
        keep(world.anna, "receipts"),
        keep(world.bert, "tutors"),
    )
    visitor = world.browser(world.anna.host)
    assert visitor.get(path_of(own)).data == b"secret"
    name = own.rsplit("/", 1)[-1]
    for path in (
        path_of(receipt),
        path_of(foreign),
        f"/media/{own}",
        f"/media/offerings/{name[:-1]}",
        f"/media/offerings/{name.upper()}",
        f"/media/offerings/{'0' * 32}",
        "/media/offerings/..%2f..%2fetc",
        "/media/offerings/%00",
        f"/media/../media/receipts/{name}",
    ):
        answer = visitor.get(path)
        assert answer.status_code == 404, path
        assert b"secret" not in answer.data
    assert world.browser(world.bert.host).get(path_of(foreign)).data == b"secret"


# -- The profile -------------------------------------------------------------------------------------------


def test_a_tutor_describes_themselves(world: World, tutor: Browser, stock: Stock) -> None:
    publish(world, world.anna, complete(stock))
    words = {"headline": "Physicist <3", "bio": "Line one\nLine two", "languages": "English"}
    answer = tutor.post("/teach/profile/", **words, image=upload(png()))
    assert answer.status_code == 302
    profile = look(world, world.anna, lambda: queries.profile("tutor-anna"))
    assert (profile.headline, profile.bio) == ("Physicist <3", "Line one\r\nLine two".replace("\r", ""))
    page = world.browser(world.anna.host).get("/tutors/tutor-anna").text
    assert "Physicist &lt;3" in page
    assert f'src="{path_of(profile.image_key)}"' in page
    assert small_path_of(profile.image_key) in world.browser(world.anna.host).get("/").text
    assert tutor.post("/teach/profile/", **{**words, "without_image": "y"}).status_code == 302
    assert look(world, world.anna, lambda: queries.profile("tutor-anna").image_key) is None


def test_a_profile_that_makes_no_sense(world: World, tutor: Browser) -> None:
    for changes, field in (
        ({"headline": "x" * 161}, "headline"),
        ({"bio": "x" * 10_001}, "bio"),
        ({"bio": "a\x00b"}, "bio"),
        ({"languages": "x" * 201}, "languages"),
        ({"image": upload(b"GIF89a")}, "image"),
    ):
        answer = tutor.post("/teach/profile/", **changes)
        assert answer.status_code == 422
        assert f'id="{field}-error"' in answer.text
    assert look(world, world.anna, lambda: queries.profile_of(world.anna.people["tutor"])) is None


def test_a_first_profile_needs_no_offering(world: World, tutor: Browser) -> None:
    assert tutor.post("/teach/profile/", headline="Hello").status_code == 302
    assert tutor.post("/teach/profile/", headline="Hello again").status_code == 302
    profiles = look(world, world.anna, lambda: db.session.query(queries.TutorProfile).all())
    assert [profile.headline for profile in profiles] == ["Hello again"]


def test_the_list_costs_the_same_however_long_it_is(world: World, tutor: Browser, stock: Stock) -> None:
    draft(world, world.anna, complete(stock))
    tutor.get("/teach/offerings/")
    with world.app.app_context(), count_statements(db.engine) as few:
        tutor.get("/teach/offerings/")
    for number in range(5):
        draft(world, world.anna, complete(stock, title=f"Draft {number}"))
    with world.app.app_context(), count_statements(db.engine) as many:
        assert "Draft 4" in tutor.get("/teach/offerings/").text
    assert len(few) == len(many) <= 4, many


def test_archived_ones_are_not_changed_any_more(world: World, tutor: Browser, stock: Stock) -> None:
    offering_id = publish(world, world.anna, complete(stock))
    within(world, world.anna, lambda: service.archive(queries.offering(offering_id)))
    assert "Archived" in tutor.get("/teach/offerings/").text
    answer = tutor.post(f"/teach/offerings/{offering_id}", **form_of(stock, title="Other"))
    assert answer.status_code == 409
    assert look(world, world.anna, lambda: db.session.query(OfferingRevision).count()) == 1
