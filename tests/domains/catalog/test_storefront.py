"""The storefront and the search: what is found, what the facets count, what it costs, and on whose host."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from app.core.db import db
from app.core.money import Money
from app.domains.accounts import queries as accounts
from app.domains.accounts.models import ACTIVE, ENDED, Membership
from app.domains.catalog import queries, service
from app.domains.catalog.api import PATHS, SCHEMAS
from app.domains.catalog.models import GROUP, TRIAL
from app.domains.catalog.policies.content import VariantContent
from app.domains.catalog.queries.on_sale import SearchArgs
from tests.domains.catalog import support
from tests.domains.catalog.support import HOUR, NINETY, Stock, complete, look, publish, within
from tests.support.databases import Database
from tests.support.statements import count_statements
from tests.support.world import PLATFORM, World

SCRIPT = "<script>alert('x')</script>"


@pytest.fixture
def stock(world: World) -> Stock:
    return support.stock(world, world.anna)


@pytest.fixture
def shop(world: World, stock: Stock) -> Stock:
    """Four offerings of two tutors, and one of another company."""
    support.second_tutor(world, world.anna)
    music = stock.others["music"]
    publish(world, world.anna, complete(stock))
    publish(
        world,
        world.anna,
        complete(
            stock,
            title="Algebra 100% clear",
            level="beginner",
            language="de",
            capacity=4,
            variants=(VariantContent("Evening", 90, 2000),),
        ),
        kind=GROUP,
    )
    piano = complete(
        stock, title="Piano_first steps", subject_id=music, level="beginner", summary="Do re mi."
    )
    publish(world, world.anna, piano, role="tutor2")
    trial = complete(
        stock, title="Try the piano", subject_id=music, variants=(VariantContent("Trial", 30, 0),)
    )
    publish(world, world.anna, trial, role="tutor2", kind=TRIAL)
    there = support.stock(world, world.bert)
    publish(world, world.bert, complete(there, title="Bert's calculus"))
    return stock


def titles(world: World, **args: Any) -> list[str]:
    found = look(world, world.anna, lambda: queries.search(SearchArgs(sort="title", **args)))
    assert found.count == len(found.hits)
    return [hit.offering.title for hit in found.hits]


EVERYTHING = ["Algebra 100% clear", "Calculus", "Piano_first steps", "Try the piano"]


FOUND: list[tuple[dict[str, Any], list[str]]] = [
    ({}, EVERYTHING),
    ({"text": "calculus"}, ["Calculus"]),
    ({"text": "CALC limits"}, ["Calculus"]),
    ({"text": "music"}, EVERYTHING[2:]),
    ({"text": "berta"}, EVERYTHING[2:]),
    ({"text": "do re mi"}, ["Piano_first steps"]),
    ({"text": "100%"}, ["Algebra 100% clear"]),
    ({"text": "%"}, ["Algebra 100% clear"]),
    ({"text": "_"}, ["Piano_first steps"]),
    ({"text": "\\"}, []),
    ({"text": "'; DROP TABLE offering; --"}, []),
    ({"text": "nothing of the kind"}, []),
    ({"subject": "music"}, EVERYTHING[2:]),
    ({"subject": "chemistry"}, []),
    ({"level": "beginner"}, ["Algebra 100% clear", "Piano_first steps"]),
    ({"kind": GROUP}, ["Algebra 100% clear"]),
    ({"language": "de"}, ["Algebra 100% clear"]),
    ({"tutor": "berta-braun"}, EVERYTHING[2:]),
    ({"tutor": "berta-braun", "level": "beginner"}, ["Piano_first steps"]),
    ({"price_to": 2000}, ["Algebra 100% clear", "Try the piano"]),
    ({"price_from": 6000}, ["Calculus", "Piano_first steps"]),
    ({"price_from": 5500, "price_to": 6500}, []),
    ({"price_from": 1, "price_to": 2000}, ["Algebra 100% clear"]),
]


def test_what_is_found(world: World, shop: Stock) -> None:
    for args, expected in FOUND:
        assert titles(world, **args) == expected, args


def test_order_and_pages(world: World, shop: Stock) -> None:
    def found(**args: Any) -> tuple[int, list[str]]:
        result = look(world, world.anna, lambda: queries.search(SearchArgs(**args)))
        return result.count, [hit.offering.title for hit in result.hits]

    assert found(sort="price")[1][:2] == ["Try the piano", "Algebra 100% clear"]
    assert found(sort="-price")[1][-1] == "Try the piano"
    assert found(sort="newest")[1] == ["Try the piano", "Piano_first steps", "Algebra 100% clear", "Calculus"]
    assert found(sort="title", size=3) == (4, EVERYTHING[:3])
    assert found(sort="title", size=3, page=2) == (4, EVERYTHING[3:])
    assert found(sort="title", page=9_999) == (4, []), "the count does not depend on the page"
    assert found(text="piano")[1][0] == "Try the piano"


def test_who_says_it_in_the_title_comes_first(world: World, stock: Stock) -> None:
    publish(world, world.anna, complete(stock, title="Integrals"))
    publish(world, world.anna, complete(stock, title="Geometry", summary="No integrals at all."))
    found = look(world, world.anna, lambda: queries.search(SearchArgs(text="integrals")))
    assert [hit.offering.title for hit in found.hits] == ["Integrals", "Geometry"]


def test_facets_count_all_that_could_be_chosen_instead(world: World, shop: Stock) -> None:
    def facets(**args: Any) -> dict[str, list[tuple[str, str | None, int]]]:
        found = look(world, world.anna, lambda: queries.search(SearchArgs(**args)))
        return {name: [(f.value, f.label, f.count) for f in rows] for name, rows in found.facets.items()}

    everything = facets()
    assert everything["subject"] == [("mathematics", "Mathematics", 2), ("music", "Music", 2)]
    assert everything["level"] == [("beginner", None, 2), ("intermediate", None, 2)]
    assert everything["kind"] == [("group", None, 1), ("one_to_one", None, 2), ("trial", None, 1)]
    assert everything["language"] == [("de", None, 1), ("en", None, 3)]
    assert everything["tutor"] == [("berta-braun", "Berta Braun", 2), ("tutor-anna", "Tutor anna", 2)]

    music = facets(subject="music")
    assert music["subject"] == everything["subject"], "its own choice does not narrow a facet"
    assert music["level"] == [("beginner", None, 1), ("intermediate", None, 1)]
    assert music["tutor"] == [("berta-braun", "Berta Braun", 2)]
    both = facets(subject="music", level="beginner")
    assert both["subject"] == [("mathematics", "Mathematics", 1), ("music", "Music", 1)]
    assert both["kind"] == [("one_to_one", None, 1)]
    assert facets(text="piano")["subject"] == [("music", "Music", 2)]
    assert all(rows == [] for rows in facets(text="nothing of the kind").values())


def test_facets_and_page_agree(world: World, shop: Stock) -> None:
    """Each facet's number is what choosing it finds."""
    for args in ({}, {"level": "beginner"}, {"subject": "music"}, {"text": "piano"}, {"price_to": 2000}):
        found = look(world, world.anna, lambda a=args: queries.search(SearchArgs(**a)))
        for name, facets in found.facets.items():
            for facet in facets:
                chosen = SearchArgs(**{**args, name: facet.value})
                count = look(world, world.anna, lambda c=chosen: queries.search(c).count)
                assert count == facet.count, (args, name, facet)


def test_only_what_is_sold_now_is_found(world: World, stock: Stock, database: Database) -> None:
    offering_id = publish(world, world.anna, complete(stock))
    support.draft(world, world.anna, complete(stock, title="A draft"))
    assert titles(world) == ["Calculus"]
    with database.connect() as connection:
        connection.execute("UPDATE variant SET is_active = (name = '90 minutes')")
    [hit] = look(world, world.anna, lambda: queries.search(SearchArgs()).hits)
    assert (hit.lowest, hit.highest) == (Money(7000, "EUR"), Money(7000, "EUR"))
    assert titles(world, price_to=5000) == []
    within(world, world.anna, lambda: service.pause(queries.offering(offering_id)))
    assert titles(world) == []


# -- Pages -------------------------------------------------------------------------------------------------


def test_the_storefront_shows_what_is_offered(world: World, shop: Stock) -> None:
    page = world.browser(world.anna.host).get("/")
    assert page.status_code == 200
    text = page.text
    assert "<h1" in text
    assert "Anna Tutors" in text
    for title in EVERYTHING:
        assert title in text
    assert "calculus" in text
    assert "Bert&#39;s" not in text
    for words in ("from €50.00", "€20.00", "Free", "One-to-one", "Group class", "Intermediate", "German"):
        assert words in text, words
    assert 'href="/o/calculus"' in text
    assert 'href="/tutors/berta-braun"' in text
    assert 'href="/search?subject=music"' in text
    assert 'action="/search"' in text
    assert "noindex" not in text


def test_what_a_tutor_who_left_offers_is_not_shown(world: World, shop: Stock) -> None:
    people_id = world.anna.people["tutor2"]

    def leave(status: str) -> None:
        for row in db.session.query(Membership).filter_by(person_id=people_id):
            row.status = status

    within(world, world.anna, lambda: leave(ENDED))
    visitor = world.browser(world.anna.host)
    assert titles(world) == EVERYTHING[:2]
    for path in ("/", "/search", "/tutors/", "/sitemap.xml"):
        page = visitor.get(path).text
        assert "Berta" not in page, path
        assert "berta-braun" not in page, path
    assert visitor.get("/tutors/berta-braun").status_code == 404
    within(world, world.anna, lambda: leave(ACTIVE))
    assert titles(world) == EVERYTHING


def test_the_best_rated_come_first(world: World, shop: Stock, database: Database) -> None:
    """One five is not better than many that are nearly as good, and what has none comes last."""
    with database.connect() as connection:
        for title, count, total in (
            ("Calculus", 40, 196),
            ("Algebra 100% clear", 1, 5),
            ("Piano_first steps", 2, 2),
        ):
            connection.execute(
                "UPDATE offering SET rating_count = %s, rating_sum = %s WHERE title = %s",
                [count, total, title],
            )
    found = look(world, world.anna, lambda: queries.search(SearchArgs(sort="rating")).hits)
    assert [hit.offering.title for hit in found] == [
        "Calculus",
        "Algebra 100% clear",
        "Piano_first steps",
        "Try the piano",
    ]
    page = world.browser(world.anna.host).get("/search?sort=rating").text
    assert "4.9 out of 5 stars, 40 reviews" in page
    tutors = look(world, world.anna, lambda: queries.tutors(10))
    assert [(t.name, t.rating.count, t.offerings, list(t.subjects)) for t in tutors] == [
        ("Tutor anna", 41, 2, ["Mathematics"]),
        ("Berta Braun", 2, 2, ["Music"]),
    ]


def test_a_search_that_finds_nothing_says_what_there_is(world: World, shop: Stock) -> None:
    page = world.browser(world.anna.host).get("/search?q=chemistry").text
    for words in (
        "Nothing matches",
        "There are lessons in:",
        'href="/search?subject=music"',
        "You may like these",
    ):
        assert words in page, words


# -- For search engines ------------------------------------------------------------------------------------


def test_pages_say_what_they_are(world: World, shop: Stock) -> None:
    visitor = world.browser(world.anna.host)
    for path, address in (
        ("/", "/"),
        ("/search", "/search"),
        ("/search?subject=music&sort=price&utm_source=x", "/search?subject=music"),
        ("/tutors/", "/tutors/"),
        ("/tutors/berta-braun", "/tutors/berta-braun"),
        ("/o/calculus?zone=Asia/Tokyo", "/o/calculus"),
    ):
        page = visitor.get(path).text
        assert "noindex" not in page, path
        assert f'<link rel="canonical" href="http://{world.anna.host}{address}">' in page, path
        assert re.search(r'<meta name="description" content="[^"]{20,160}">', page), path
        assert '<meta property="og:title" content="' in page
    assert "noindex" in visitor.get("/search?q=piano").text, "one visitor's words are nothing to be found by"


def test_data_for_search_engines_can_not_break_out(world: World, stock: Stock) -> None:
    publish(world, world.anna, complete(stock, title="</script><script>alert(1)</script>", summary=SCRIPT))
    [slug] = look(world, world.anna, lambda: [hit.offering.slug for hit in queries.search(SearchArgs()).hits])
    page = world.browser(world.anna.host).get(f"/o/{slug}").text
    assert "<script>alert" not in page
    blocks = re.findall(r'<script type="application/ld\+json" nonce="[^"]+">(.*?)</script>', page)
    [course] = [json.loads(block) for block in blocks]
    assert (course["@type"], course["name"]) == ("Course", "</script><script>alert(1)</script>")
    assert [(offer["price"], offer["priceCurrency"]) for offer in course["offers"]] == [
        ("50.00", "EUR"),
        ("70.00", "EUR"),
    ]
    assert "aggregateRating" not in course


def test_robots_and_sitemap(world: World, shop: Stock) -> None:
    visitor = world.browser(world.anna.host)
    robots = visitor.get("/robots.txt")
    assert robots.mimetype == "text/plain"
    assert f"Sitemap: http://{world.anna.host}/sitemap.xml" in robots.text
    assert "Disallow: /learn/" in robots.text
    sitemap = visitor.get("/sitemap.xml")
    assert sitemap.mimetype == "application/xml"
    found = re.findall("<loc>([^<]+)</loc>", sitemap.text)
    base = f"http://{world.anna.host}"
    assert {f"{base}/", f"{base}/o/calculus", f"{base}/tutors/berta-braun"} <= set(found)
    assert len(found) == len(set(found)) == 3 + 4 + 2
    assert visitor.get("/").status_code == 200
    platform = world.browser(PLATFORM)
    assert "Disallow: /\n" in platform.get("/robots.txt").text
    assert platform.get("/sitemap.xml").status_code == 404


def test_an_empty_storefront_says_so(world: World) -> None:
    page = world.browser(world.bert.host).get("/").text
    assert "Lessons are coming" in page
    assert "Bert Tutors has not put anything up yet" in page


def test_both_hosts_have_their_own_first_page(world: World, shop: Stock) -> None:
    platform = world.browser(PLATFORM).get("/")
    assert platform.status_code == 200
    assert "runs the admin of tutoring companies" in platform.text
    assert "Calculus" not in platform.text
    assert world.operator().get("/").location == "/admin/"
    bert = world.browser(world.bert.host).get("/").text
    assert "Bert&#39;s calculus" in bert
    assert "Algebra" not in bert
    for path in ("/search", "/tutors/berta-braun", "/media/offerings/" + "a" * 32, "/teach/offerings/"):
        browser = world.operator()
        assert browser.get(path).status_code == 404, path
    for path in ("/api/v1/catalog/offerings", "/api/v1/catalog/offerings/calculus"):
        assert world.app.test_client().get(path, base_url=f"http://{PLATFORM}").status_code == 404


def test_the_search_narrows_by_links_and_keeps_what_was_asked(world: World, shop: Stock) -> None:
    visitor = world.browser(world.anna.host)
    page = visitor.get("/search?q=piano&level=beginner&utm_source=mail").text
    assert "1 offering" in page
    assert "Piano_first steps" in page
    assert "Try the piano" not in page
    assert 'name="level" value="beginner"' in page, "the form keeps the facet"
    assert 'href="/search?q=piano&amp;level=intermediate"' in page
    assert 'href="/search?q=piano"' in page, "and the chosen one takes itself away"
    assert not re.search('href="[^"]*utm_source', page)
    nothing = visitor.get("/search?q=xyz&subject=music").text
    assert "Nothing matches" in nothing
    assert 'aria-label="Remove the filter music"' in nothing


def test_prices_are_typed_in_the_readers_language(world: World, shop: Stock) -> None:
    visitor = world.browser(world.anna.host)
    german = visitor.get("/search?price_to=20,00", headers={"Accept-Language": "de"})
    assert german.status_code == 200
    assert "Algebra" in german.text
    assert "Calculus" not in german.text
    english = visitor.get("/search?price_to=20,00", headers={"Accept-Language": "en"})
    assert english.status_code == 422
    assert "Please write the amount like 1,234.50." in english.text
    assert 'value="20,00"' in english.text
    assert "Calculus" in english.text, "what can't be read is not looked for"


def test_a_page_beyond_the_last_leads_to_the_last(world: World, shop: Stock) -> None:
    answer = world.browser(world.anna.host).get("/search?page=7&level=beginner")
    assert answer.status_code == 302
    assert answer.location == "/search?level=beginner"


NO_SENSE = [
    "level=genius",
    "kind=x",
    "language=xx",
    "sort=id",
    "page=0",
    "page=-1",
    "page=x",
    "page=99999999999999999999",
    "q=%00",
    "subject=%00",
    "subject=A%20B",
    "tutor=..%2F",
    "size=51",
    "size=0",
]


def test_addresses_that_make_no_sense(world: World, shop: Stock) -> None:
    visitor, client = world.browser(world.anna.host), world.app.test_client()
    for query in NO_SENSE:
        assert visitor.get(f"/search?{query}").status_code == 400, query
        answer = client.get(f"/api/v1/catalog/offerings?{query}", base_url=f"http://{world.anna.host}")
        assert (answer.status_code, answer.mimetype) == (400, "application/problem+json"), query


WORDS = ("((((", "🎹", "مرحبا", "x" * 10_000, SCRIPT, "%", "'", '"', "\\", " ", "a\u202eb")


def test_words_of_all_kinds(world: World, shop: Stock) -> None:
    visitor = world.browser(world.anna.host)
    for text in WORDS:
        page = visitor.get(f"/search?q={quote(text)}")
        assert page.status_code == 200, text
        assert SCRIPT not in page.text


def test_what_people_write_is_shown_as_text(world: World, stock: Stock) -> None:
    title = f"{SCRIPT} 🎹 שלום"
    publish(world, world.anna, complete(stock, title=title, summary=SCRIPT, description=SCRIPT))
    person_id = world.anna.people["tutor"]
    within(
        world,
        world.anna,
        lambda: service.describe_tutor(
            accounts.person(person_id),
            headline=SCRIPT,
            bio=f"{SCRIPT}\nline",
            languages=SCRIPT,
            image_key=None,
        ),
    )
    for path in ("/", "/search", "/tutors/tutor-anna"):
        page = world.browser(world.anna.host).get(path).text
        assert "<script>alert" not in page, path
        assert "&lt;script&gt;" in page
        assert "🎹 שלום" in page


def test_a_tutors_page(world: World, shop: Stock) -> None:
    person_id = world.anna.people["tutor2"]
    within(
        world,
        world.anna,
        lambda: service.describe_tutor(
            accounts.person(person_id),
            headline="Pianist",
            bio="Played everywhere.",
            languages="German, English",
            image_key=None,
        ),
    )
    visitor = world.browser(world.anna.host)
    page = visitor.get("/tutors/berta-braun").text
    for words in ("Berta Braun", "Pianist", "Played everywhere.", "Speaks German, English", "Try the piano"):
        assert words in page
    assert "Calculus" not in page
    assert "tutor2@anna.test" not in page
    assert "Pianist" in visitor.get("/search?subject=music").text, "a card says who it is"
    for slug in ("nobody", "x" * 300, "%00"):
        assert visitor.get(f"/tutors/{slug}").status_code == 404
    assert world.browser(world.bert.host).get("/tutors/berta-braun").status_code == 404


def test_a_tutor_without_anything_to_book_has_no_page(world: World, stock: Stock) -> None:
    support.draft(world, world.anna, complete(stock))
    assert world.browser(world.anna.host).get("/tutors/tutor-anna").status_code == 404


# -- What it costs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "number"),
    [
        # The search, who teaches, two for their free times, quotes, the policy.
        ("/", 6),
        ("/search", 1),
        ("/search?q=a&level=beginner&price_from=1&sort=price", 1),
        ("/search?sort=rating", 1),
        ("/tutors/", 3),
        ("/tutors/tutor-anna", 5),
        ("/sitemap.xml", 1),
    ],
)
def test_a_page_costs_the_same_however_much_it_shows(
    world: World, shop: Stock, path: str, number: int
) -> None:
    visitor = world.browser(world.anna.host)
    visitor.get(path)
    with world.app.app_context(), count_statements(db.engine) as few:
        visitor.get(path)
    for count in range(6):
        publish(world, world.anna, complete(shop, title=f"Another {count}", level="beginner"))
    with world.app.app_context(), count_statements(db.engine) as many:
        visitor.get(path)
    assert (len(few), len(many)) == (number, number), many
    assert all("tenant_id" in statement for statement in many)


def test_the_search_asks_for_its_own_tenant_in_every_table(world: World, shop: Stock) -> None:
    """The wall in the application holds for joins and subqueries, too; not row-level security alone."""
    with world.app.app_context(), count_statements(db.engine) as seen:
        world.browser(world.anna.host).get("/search?q=a")
    for statement in seen:
        for table in ("offering", "variant", "person", "subject", "tutor_profile", "membership"):
            if re.search(rf"\b{table}\b", statement):
                assert re.search(rf"\b{table}(_[0-9]+)?\.tenant_id = ", statement), (table, statement)


def test_published_loads_all_it_names(world: World, shop: Stock) -> None:
    with world.app.app_context(), count_statements(db.engine) as seen:
        row = look(world, world.anna, lambda: queries.published("calculus"))
        assert [v.name for v in row.variants] == [HOUR.name, NINETY.name]
        assert (str(row.tutor), str(row.subject), str(row.policy), str(row.tax_rate)) == (
            "Tutor anna",
            "Mathematics",
            "Strict",
            "VAT",
        )
    assert len(seen) == 1


# -- Signed in ---------------------------------------------------------------------------------------------


def test_after_signing_in_people_land_on_it_with_their_links(world: World, shop: Stock) -> None:
    expected = {
        "manager": {"/admin/", "/account/"},
        "tutor": {"/teach/", "/teach/offerings/", "/account/"},
        "student": {"/learn/", "/account/"},
        "guardian": {"/learn/", "/family/", "/account/"},
    }
    for role, links in expected.items():
        page = world.browser(world.anna.host, world.anna.email(role)).get("/").text
        own = re.search(r'<ul class="wm-home-links">(.*?)</ul>', page, re.DOTALL)
        assert own
        assert set(re.findall(r'<a class="btn" href="([^"]+)"', own[1])) == links
        assert "Calculus" in page
    assert "wm-home-links" not in world.browser(world.anna.host).get("/").text


# -- For machines ------------------------------------------------------------------------------------------


def api(world: World, path: str = "", host: str = "") -> Any:
    return world.app.test_client().get(
        f"/api/v1/catalog/offerings{path}", base_url=f"http://{host or world.anna.host}"
    )


def test_the_list_for_machines(world: World, shop: Stock) -> None:
    answer = api(world, "?sort=title&size=3&subject=mathematics&price_to=5000")
    assert answer.status_code == 200
    body = answer.json
    assert (body["count"], body["page"], body["size"], len(body["result"])) == (2, 1, 3, 2)
    assert body["result"][1] == {
        "slug": "calculus",
        "url": "http://anna.localhost:8000/o/calculus",
        "title": "Calculus",
        "summary": "From limits to integrals.",
        "kind": "one_to_one",
        "level": "intermediate",
        "language": "en",
        "subject": {"slug": "mathematics", "name": "Mathematics"},
        "tutor": {"slug": "tutor-anna", "name": "Tutor anna", "headline": None},
        "image": None,
        "rating": None,
        "lowest_price": {"minor": 5000, "currency": "EUR"},
        "highest_price": {"minor": 7000, "currency": "EUR"},
    }
    assert body["facets"]["kind"] == [
        {"value": "group", "label": None, "count": 1},
        {"value": "one_to_one", "label": None, "count": 1},
    ]
    unknown = api(world, "?titel=x")
    assert (unknown.status_code, unknown.json["field"]) == (400, "titel")
    for text in ("x", "-1", "1.5", "9" * 30, "NaN"):
        refused = api(world, f"?price_from={text}")
        assert (refused.status_code, refused.json["field"]) == (400, "price_from")


def test_one_offering_for_machines(world: World, shop: Stock) -> None:
    body = api(world, "/calculus").json
    assert [(v["name"], v["price"]) for v in body["variants"]] == [
        ("60 minutes", {"minor": 5000, "currency": "EUR"}),
        ("90 minutes", {"minor": 7000, "currency": "EUR"}),
    ]
    assert body["cancellation"]["name"] == "Strict"
    assert body["description"] == "At your pace, with exercises."
    for slug in ("bert-s-calculus", "nothing", "%00"):
        assert api(world, f"/{slug}").status_code == 404
    assert api(world, "/bert-s-calculus", world.bert.host).status_code == 200


def test_the_api_is_as_it_is_described(world: World, shop: Stock) -> None:
    shared = {"responses": {"Problem": {"description": "A refusal."}}, "schemas": SCHEMAS}
    validate(
        {"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": PATHS, "components": shared}
    )

    def judge(name: str, body: Any) -> None:
        root = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}}
        assert list(Draft202012Validator(root).iter_errors(body)) == []

    judge("catalog.page", api(world).json)
    judge("catalog.offering", api(world, "/calculus").json)
    rules = {re.sub(r"<(?:id:)?(\w+)>", r"{\1}", rule.rule) for rule in world.app.url_map.iter_rules()}
    assert set(PATHS) <= rules
