"""An offering's way: drafted, reviewed, published, changed, paused, archived; every move allowed or refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest

from app.core import clock
from app.core.audit import AuditEntry
from app.core.db import db
from app.core.errors import DomainError, Invalid, NotFound
from app.core.events import wiring
from app.core.money import Money
from app.core.scope import tenant_scope
from app.core.states import MoveNotAllowed
from app.core.transaction import transaction
from app.domains.catalog import events, policies, queries, service
from app.domains.catalog.errors import (
    ChangedMeanwhile,
    KindNotYet,
    NotReady,
    NotSubmitted,
    OfferingArchived,
    UnderReview,
)
from app.domains.catalog.models import (
    APPROVED,
    ARCHIVED,
    DRAFT,
    GROUP,
    PAUSED,
    PUBLISHED,
    RECORDED,
    RETURNED,
    SUBMITTED,
    TRIAL,
    Offering,
    OfferingRevision,
    PriceChange,
    Variant,
)
from app.domains.catalog.policies.content import Content, VariantContent
from app.domains.catalog.service.review import stamp_of
from tests.domains.accounts.support import rows
from tests.domains.catalog import support
from tests.domains.catalog.support import (
    HOUR,
    MANAGER,
    NINETY,
    Stock,
    complete,
    draft,
    look,
    publish,
    submit,
    within,
)
from tests.support.databases import Database
from tests.support.world import World


@pytest.fixture
def stock(world: World) -> Stock:
    return support.stock(world, world.anna)


def anna(world: World, work: Callable[[], Any]) -> Any:
    return within(world, world.anna, work)


def shown(world: World, offering_id: int) -> Offering:
    def work() -> Offering:
        return queries.published(queries.offering(offering_id).slug)

    return look(world, world.anna, work)


def states(world: World, offering_id: int) -> tuple[str, str | None]:
    def work() -> tuple[str, str | None]:
        revision = queries.open_revision(offering_id)
        return queries.offering(offering_id).status, revision.status if revision else None

    return look(world, world.anna, work)


# -- The way through ---------------------------------------------------------------------------------------


def test_a_draft_is_seen_by_nobody_and_has_a_profile_behind_it(world: World, stock: Stock) -> None:
    offering_id = draft(world, world.anna, complete(stock))
    assert states(world, offering_id) == (DRAFT, DRAFT)
    with pytest.raises(NotFound):
        shown(world, offering_id)
    profile = look(world, world.anna, lambda: queries.profile("tutor-anna"))
    assert profile.person_id == world.anna.people["tutor"]
    draft(world, world.anna, complete(stock, title="More"))
    assert look(world, world.anna, lambda: queries.profile_of(profile.person_id).id) == profile.id


def test_approval_puts_everything_live(world: World, stock: Stock, database: Database) -> None:
    now = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    with clock.frozen(now):
        offering_id = publish(world, world.anna, complete(stock))
    row = shown(world, offering_id)
    assert (row.title, row.slug, row.version, row.published_at) == ("Calculus", "calculus", 1, now)
    assert (row.subject.name, row.policy.name, row.tax_rate.rate_bp) == ("Mathematics", "Strict", 1900)
    assert row.tutor.full_name == "Tutor anna"
    assert [(v.name, v.duration_minutes, v.price, v.position) for v in row.variants] == [
        ("60 minutes", 60, Money(5000, "EUR"), 0),
        ("90 minutes", 90, Money(7000, "EUR"), 1),
    ]
    assert states(world, offering_id) == (PUBLISHED, None)
    history = rows(database, "SELECT price_minor, valid_from, set_by FROM price_change ORDER BY id")
    assert history == [(5000, now, MANAGER), (7000, now, MANAGER)]
    reviewed = rows(database, "SELECT status, reviewed_by, reviewed_at FROM offering_revision")
    assert reviewed == [(APPROVED, MANAGER, now)]


def test_a_change_under_review_leaves_the_approved_version_live(world: World, stock: Stock) -> None:
    offering_id = publish(world, world.anna, complete(stock))
    before = shown(world, offering_id)
    ids = {variant.name: variant.id for variant in before.variants}
    changed = complete(
        stock,
        title="Calculus and more",
        variants=(
            VariantContent("60 minutes", 60, 5500, ids["60 minutes"]),
            VariantContent("Two hours", 120, 9000),
        ),
    )
    anna(world, lambda: service.revise(queries.offering(offering_id), content=changed))
    assert states(world, offering_id) == (PUBLISHED, DRAFT)
    revision_id = submit(world, world.anna, offering_id)
    assert states(world, offering_id) == (PUBLISHED, SUBMITTED)
    live = shown(world, offering_id)
    assert (live.title, [v.price_minor for v in live.variants]) == ("Calculus", [5000, 7000])

    support.approve(world, world.anna, revision_id)
    live = shown(world, offering_id)
    assert (live.title, live.slug, live.version) == ("Calculus and more", "calculus", 2)
    assert [(v.name, v.price_minor) for v in live.variants] == [("60 minutes", 5500), ("Two hours", 9000)]
    assert live.variants[0].id == ids["60 minutes"]
    everything = look(world, world.anna, lambda: queries.variants_of(offering_id))
    assert {(v.name, v.is_active) for v in everything} == {
        ("60 minutes", True),
        ("90 minutes", False),
        ("Two hours", True),
    }

    def history() -> list[tuple[int, int]]:
        found = db.session.query(PriceChange).order_by(PriceChange.id)
        return [(row.variant_id, row.price_minor) for row in found]

    assert look(world, world.anna, history)[2:] == [
        (ids["60 minutes"], 5500),
        (live.variants[1].id, 9000),
    ]


def test_sent_back_with_a_reason_changed_and_approved(world: World, stock: Stock) -> None:
    offering_id = draft(world, world.anna, complete(stock))
    revision_id = submit(world, world.anna, offering_id)
    anna(
        world,
        lambda: service.send_back(queries.revision(revision_id), reason=" Say for whom. ", by=MANAGER),
    )
    assert states(world, offering_id) == (DRAFT, RETURNED)
    returned = look(world, world.anna, lambda: queries.revision(revision_id))
    assert (returned.review_reason, returned.reviewed_by) == ("Say for whom.", MANAGER)
    anna(
        world,
        lambda: service.revise(
            queries.offering(offering_id), content=complete(stock, summary="For the final exams.")
        ),
    )
    assert states(world, offering_id) == (DRAFT, RETURNED), "it stays what it is until it is sent again"
    assert submit(world, world.anna, offering_id) == revision_id
    support.approve(world, world.anna, revision_id)
    assert shown(world, offering_id).summary == "For the final exams."


def test_each_revision_has_the_next_number_and_one_is_open_at_a_time(world: World, stock: Stock) -> None:
    offering_id = publish(world, world.anna, complete(stock))
    for number in (2, 3):
        content = complete(stock, summary=f"Version {number}")
        revision = anna(world, lambda c=content: service.revise(queries.offering(offering_id), content=c))
        again = anna(world, lambda c=content: service.revise(queries.offering(offering_id), content=c))
        assert (revision.number, again.id) == (number, revision.id)
        support.approve(world, world.anna, submit(world, world.anna, offering_id))
    assert shown(world, offering_id).version == 3


def test_what_was_done_is_announced(world: World, stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Any] = []
    kinds = (
        events.OfferingSubmitted,
        events.OfferingReturned,
        events.OfferingPublished,
        events.OfferingChanged,
    )
    with world.app.app_context():
        now = wiring().now
    for kind in kinds:
        monkeypatch.setitem(now, kind, (*now.get(kind, ()), heard.append))
    offering_id = draft(world, world.anna, complete(stock))
    revision_id = submit(world, world.anna, offering_id)
    anna(world, lambda: service.send_back(queries.revision(revision_id), reason="No.", by=MANAGER))
    submit(world, world.anna, offering_id)
    support.approve(world, world.anna, revision_id)
    for verb in (service.pause, service.resume, service.archive):
        anna(world, lambda verb=verb: verb(queries.offering(offering_id)))
    assert [type(event).__name__ for event in heard] == [
        "OfferingSubmitted",
        "OfferingReturned",
        "OfferingSubmitted",
        "OfferingPublished",
        "OfferingChanged",
        "OfferingChanged",
        "OfferingChanged",
    ]
    assert {(event.tenant_id, event.offering_id) for event in heard} == {(world.anna.id, offering_id)}


def test_the_trail_names_what_was_done(world: World, stock: Stock) -> None:
    offering_id = draft(world, world.anna, complete(stock))
    changed = complete(stock, summary="In a word.")
    anna(world, lambda: service.revise(queries.offering(offering_id), content=changed))
    anna(world, lambda: service.revise(queries.offering(offering_id), content=changed))  # says the same
    revision_id = submit(world, world.anna, offering_id)
    anna(world, lambda: service.withdraw(queries.offering(offering_id)))
    submit(world, world.anna, offering_id)
    anna(world, lambda: service.send_back(queries.revision(revision_id), reason="Shorter.", by=MANAGER))
    submit(world, world.anna, offering_id)
    support.approve(world, world.anna, revision_id)
    anna(world, lambda: service.pause(queries.offering(offering_id)))

    def verbs() -> list[tuple[str, str, str | None]]:
        found = db.session.query(AuditEntry).order_by(AuditEntry.id)
        kinds = ("offering", "offering_revision")
        return [(row.thing_type, row.verb, row.reason) for row in found if row.thing_type in kinds]

    trail = look(world, world.anna, verbs)
    assert [(kind, verb) for kind, verb, _reason in trail if kind == "offering_revision"] == [
        ("offering_revision", "created"),
        ("offering_revision", "revised"),
        ("offering_revision", "submitted"),
        ("offering_revision", "taken back"),
        ("offering_revision", "submitted"),
        ("offering_revision", "sent back"),
        ("offering_revision", "submitted"),
        ("offering_revision", "approved"),
    ]
    assert [verb for kind, verb, _ in trail if kind == "offering"] == ["created", "published", "paused"]
    assert [reason for _k, verb, reason in trail if verb == "sent back"] == ["Shorter."]


# -- Every move --------------------------------------------------------------------------------------------

OFFERING_MOVES: dict[str, dict[str, str | type[DomainError]]] = {
    "pause": {
        DRAFT: MoveNotAllowed,
        PUBLISHED: PAUSED,
        PAUSED: MoveNotAllowed,
        ARCHIVED: MoveNotAllowed,
    },
    "resume": {
        DRAFT: MoveNotAllowed,
        PUBLISHED: MoveNotAllowed,
        PAUSED: PUBLISHED,
        ARCHIVED: MoveNotAllowed,
    },
    "archive": {DRAFT: ARCHIVED, PUBLISHED: ARCHIVED, PAUSED: ARCHIVED, ARCHIVED: MoveNotAllowed},
}


@pytest.mark.parametrize("verb", OFFERING_MOVES)
@pytest.mark.parametrize("state", [DRAFT, PUBLISHED, PAUSED, ARCHIVED])
def test_moves_of_an_offering(world: World, stock: Stock, database: Database, verb: str, state: str) -> None:
    offering_id = publish(world, world.anna, complete(stock))
    with database.connect() as connection:
        connection.execute("UPDATE offering SET status = %s", (state,))
    expected = OFFERING_MOVES[verb][state]

    def move() -> None:
        getattr(service, verb)(queries.offering(offering_id))

    if isinstance(expected, str):
        anna(world, move)
        assert states(world, offering_id)[0] == expected
    else:
        with pytest.raises(expected):
            anna(world, move)
        assert states(world, offering_id)[0] == state


REVISION_MOVES: dict[str, dict[str, str | type[DomainError]]] = {
    "submit": {
        DRAFT: SUBMITTED,
        SUBMITTED: MoveNotAllowed,
        RETURNED: SUBMITTED,
        APPROVED: NotSubmitted,
    },
    "withdraw": {
        DRAFT: NotSubmitted,
        SUBMITTED: DRAFT,
        RETURNED: NotSubmitted,
        APPROVED: NotSubmitted,
    },
    "approve": {
        DRAFT: NotSubmitted,
        SUBMITTED: APPROVED,
        RETURNED: NotSubmitted,
        APPROVED: NotSubmitted,
    },
    "send_back": {
        DRAFT: NotSubmitted,
        SUBMITTED: RETURNED,
        RETURNED: NotSubmitted,
        APPROVED: NotSubmitted,
    },
    "revise": {DRAFT: DRAFT, SUBMITTED: UnderReview, RETURNED: RETURNED, APPROVED: APPROVED},
}


@pytest.mark.parametrize("verb", REVISION_MOVES)
@pytest.mark.parametrize("state", [DRAFT, SUBMITTED, RETURNED, APPROVED])
def test_moves_of_a_revision(world: World, stock: Stock, database: Database, verb: str, state: str) -> None:
    offering_id = draft(world, world.anna, complete(stock))
    [(revision_id,)] = rows(database, "SELECT id FROM offering_revision")
    with database.connect() as connection:
        connection.execute("UPDATE offering_revision SET status = %s", (state,))
    expected = REVISION_MOVES[verb][state]

    def move() -> None:
        revision, offering = queries.revision(revision_id), queries.offering(offering_id)
        if verb == "approve":
            service.approve(revision, by=MANAGER)
        elif verb == "send_back":
            service.send_back(revision, reason="No.", by=MANAGER)
        elif verb == "revise":
            service.revise(offering, content=complete(stock, summary="Another."))
        else:
            getattr(service, verb)(offering)

    def after() -> str:
        return queries.revision(revision_id).status

    if isinstance(expected, str):
        anna(world, move)
        assert look(world, world.anna, after) == expected
    else:
        with pytest.raises(expected):
            anna(world, move)
        assert look(world, world.anna, after) == state


def test_nothing_of_an_archived_offering_changes(world: World, stock: Stock) -> None:
    offering_id = draft(world, world.anna, complete(stock))
    revision_id = submit(world, world.anna, offering_id)
    anna(world, lambda: service.archive(queries.offering(offering_id)))
    assert states(world, offering_id) == (ARCHIVED, DRAFT), "nothing of it waits for a review"
    for work in (
        lambda: service.revise(queries.offering(offering_id), content=complete(stock)),
        lambda: service.submit(queries.offering(offering_id)),
        lambda: service.withdraw(queries.offering(offering_id)),
        lambda: service.approve(queries.revision(revision_id), by=MANAGER),
        lambda: service.send_back(queries.revision(revision_id), reason="No.", by=MANAGER),
    ):
        with pytest.raises(OfferingArchived):
            anna(world, work)


def test_a_paused_one_stays_paused_when_its_change_is_approved(world: World, stock: Stock) -> None:
    offering_id = publish(world, world.anna, complete(stock))
    anna(world, lambda: service.pause(queries.offering(offering_id)))
    anna(
        world,
        lambda: service.revise(queries.offering(offering_id), content=complete(stock, title="Calculus II")),
    )
    support.approve(world, world.anna, submit(world, world.anna, offering_id))
    assert states(world, offering_id) == (PAUSED, None)
    with pytest.raises(NotFound):
        shown(world, offering_id)
    anna(world, lambda: service.resume(queries.offering(offering_id)))
    assert shown(world, offering_id).title == "Calculus II"


def test_not_ready_lists_what_is_missing(world: World, stock: Stock) -> None:
    offering_id = draft(world, world.anna, Content(title="Only a title"))
    with pytest.raises(NotReady) as caught:
        submit(world, world.anna, offering_id)
    assert caught.value.data["missing"] == ["summary", "description", "subject", "variants"]
    anna(
        world,
        lambda: service.revise(
            queries.offering(offering_id),
            content=complete(stock, variants=()),
        ),
    )
    with pytest.raises(NotReady) as caught:
        submit(world, world.anna, offering_id)
    assert caught.value.data["missing"] == ["variants"]
    assert states(world, offering_id) == (DRAFT, DRAFT)


# -- Two at once -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["", "  ", "x" * 2001])
def test_a_reason_is_needed_to_send_back(world: World, stock: Stock, reason: str) -> None:
    offering_id = draft(world, world.anna, complete(stock))
    revision_id = submit(world, world.anna, offering_id)
    with world.app.test_request_context(headers={"Accept-Language": "en"}):
        with pytest.raises(Invalid, match=r"Please say what has to change\.") as refused:
            anna(world, lambda: service.send_back(queries.revision(revision_id), reason=reason, by=MANAGER))
        assert refused.value.field == "reason"
    assert states(world, offering_id) == (DRAFT, SUBMITTED)
    longest = "x" * 2000
    anna(world, lambda: service.send_back(queries.revision(revision_id), reason=longest, by="b" * 201))
    found = look(world, world.anna, lambda: queries.revision(revision_id))
    assert (found.review_reason, found.reviewed_by) == (longest, "b" * 200)


def test_of_two_managers_who_approve_at_once_one_does(world: World, stock: Stock, database: Database) -> None:
    offering_id = draft(world, world.anna, complete(stock))
    revision_id = submit(world, world.anna, offering_id)
    barrier, refused, done = threading.Barrier(4), [], []

    def run(name: str) -> None:
        with world.app.app_context(), tenant_scope(world.anna.id):
            barrier.wait()
            try:
                with transaction():
                    service.approve(queries.revision(revision_id), by=name)
                done.append(name)
            except NotSubmitted as error:
                refused.append(error)

    threads = [threading.Thread(target=run, args=(f"manager {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(done), len(refused)) == (1, 3)
    assert rows(database, "SELECT version FROM offering") == [(1,)]
    assert rows(database, "SELECT count(*) FROM price_change") == [(2,)]
    assert rows(database, "SELECT reviewed_by FROM offering_revision") == [(done[0],)]


def test_what_was_exchanged_meanwhile_is_not_approved_unseen(world: World, stock: Stock) -> None:
    offering_id = draft(world, world.anna, complete(stock))
    revision_id = submit(world, world.anna, offering_id)
    seen = look(world, world.anna, lambda: stamp_of(queries.revision(revision_id)))
    anna(world, lambda: service.withdraw(queries.offering(offering_id)))
    anna(
        world,
        lambda: service.revise(
            queries.offering(offering_id), content=complete(stock, title="Something else")
        ),
    )
    submit(world, world.anna, offering_id)
    with pytest.raises(ChangedMeanwhile):
        anna(world, lambda: service.approve(queries.revision(revision_id), by=MANAGER, seen=seen))
    assert states(world, offering_id) == (DRAFT, SUBMITTED)


def test_a_change_from_an_old_page_is_refused_unless_it_says_the_same(world: World, stock: Stock) -> None:
    offering_id = draft(world, world.anna, complete(stock))
    old = look(world, world.anna, lambda: queries.open_revision(offering_id).changed_at)

    def revise(summary: str) -> None:
        content = complete(stock, summary=summary)
        anna(world, lambda: service.revise(queries.offering(offering_id), content=content, seen_at=old))

    revise("From this tab.")
    revise("From this tab.")
    with pytest.raises(ChangedMeanwhile):
        revise("From the other tab.")
    found = look(world, world.anna, lambda: queries.open_revision(offering_id).content["summary"])
    assert found == "From this tab."


def test_two_of_one_title_get_two_addresses(world: World, stock: Stock) -> None:
    ids = [publish(world, world.anna, complete(stock)) for _ in range(3)]
    slugs = [support.slug_of(world, world.anna, offering_id) for offering_id in ids]
    assert slugs == ["calculus", "calculus-2", "calculus-3"]
    there = support.stock(world, world.bert)
    assert support.slug_of(world, world.bert, publish(world, world.bert, complete(there))) == "calculus"


def test_many_at_once_get_different_addresses(world: World, stock: Stock) -> None:
    barrier, failed = threading.Barrier(6), []

    def run() -> None:
        barrier.wait()
        try:
            draft(world, world.anna, complete(stock, title="Same"))
        except DomainError as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    slugs = look(world, world.anna, lambda: set(db.session.scalars(db.select(Offering.slug))))
    assert slugs == {"same", "same-2", "same-3", "same-4", "same-5", "same-6"}


def test_two_first_changes_at_once_make_one_revision(world: World, stock: Stock) -> None:
    """Of a published offering: whoever comes second waits, and changes what the first has proposed."""
    offering_id = publish(world, world.anna, complete(stock))
    failed: list[Exception] = []

    def second() -> None:
        try:
            anna(
                world,
                lambda: service.revise(queries.offering(offering_id), content=complete(stock, title="B")),
            )
        except Exception as error:
            failed.append(error)

    late = threading.Thread(target=second)
    with world.app.app_context(), tenant_scope(world.anna.id), transaction():
        service.revise(queries.offering(offering_id), content=complete(stock, title="A"))
        late.start()
        late.join(0.5)
        assert late.is_alive()
    late.join(10)
    assert failed == []
    found = look(world, world.anna, lambda: queries.open_revision(offering_id))
    assert found is not None
    assert (found.number, found.content["title"]) == (2, "B")


def test_the_address_follows_the_title_until_it_is_published(world: World, stock: Stock) -> None:
    offering_id = draft(world, world.anna, complete(stock, title="First idea"))
    anna(
        world,
        lambda: service.revise(queries.offering(offering_id), content=complete(stock, title="Better idea")),
    )
    support.approve(world, world.anna, submit(world, world.anna, offering_id))
    assert support.slug_of(world, world.anna, offering_id) == "better-idea"
    anna(
        world,
        lambda: service.revise(queries.offering(offering_id), content=complete(stock, title="Best idea")),
    )
    support.approve(world, world.anna, submit(world, world.anna, offering_id))
    assert support.slug_of(world, world.anna, offering_id) == "better-idea", "links to it must go on working"


def test_a_title_without_a_letter_of_ours_has_an_address(world: World, stock: Stock) -> None:
    offering_id = draft(world, world.anna, complete(stock, title="日本語"))
    assert support.slug_of(world, world.anna, offering_id) == "offering"


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Mathe für Anfänger", "mathe-fur-anfanger"),
        ("Straße & Łódź", "strasse-lodz"),
        ("日本語", "offering"),
        ("🎹🎻", "offering"),
        ("مرحبا", "offering"),
        ("---", "offering"),
        ("<script>alert(1)</script>", "script-alert-1-script"),
        ("a" * 120, "a" * 72),
    ],
)
def test_addresses_of_all_kinds_of_titles(title: str, slug: str) -> None:
    assert policies.slug_of(title, fallback="offering") == slug


# -- Variants ----------------------------------------------------------------------------------------------


def live_variants(world: World, offering_id: int) -> list[Variant]:
    return look(world, world.anna, lambda: queries.variants_of(offering_id))


def change_variants(world: World, stock: Stock, offering_id: int, *variants: VariantContent) -> None:
    content = complete(stock, variants=variants)
    anna(world, lambda: service.revise(queries.offering(offering_id), content=content))
    support.approve(world, world.anna, submit(world, world.anna, offering_id))


def test_two_variants_can_swap_their_names(world: World, stock: Stock) -> None:
    offering_id = publish(world, world.anna, complete(stock))
    first, second = (row.id for row in live_variants(world, offering_id))
    change_variants(
        world,
        stock,
        offering_id,
        VariantContent("90 minutes", 60, 5000, first),
        VariantContent("60 minutes", 90, 7000, second),
    )
    found = {(row.name, row.duration_minutes, row.price_minor) for row in live_variants(world, offering_id)}
    assert found == {("90 minutes", 60, 5000), ("60 minutes", 90, 7000)}


def test_one_that_was_taken_off_comes_back_as_the_same(world: World, stock: Stock) -> None:
    offering_id = publish(world, world.anna, complete(stock))
    before = {row.name: row.id for row in live_variants(world, offering_id)}
    change_variants(world, stock, offering_id, HOUR)
    change_variants(world, stock, offering_id, HOUR, dataclasses.replace(NINETY, price_minor=7500))
    after = live_variants(world, offering_id)
    assert {row.name: row.id for row in after} == before
    assert all(row.is_active for row in after)


def test_a_renamed_one_stays_the_same(world: World, stock: Stock) -> None:
    offering_id = publish(world, world.anna, complete(stock))
    first = live_variants(world, offering_id)[0].id
    change_variants(world, stock, offering_id, VariantContent("One hour", 60, 5000, first), NINETY)
    assert [(row.id, row.name) for row in live_variants(world, offering_id)][0] == (first, "One hour")


# -- What makes no sense -----------------------------------------------------------------------------------


NO_SENSE: list[tuple[dict[str, Any], str]] = [
    ({"title": "  "}, "title"),
    ({"title": "x" * 121}, "title"),
    ({"title": "x" * 1_000_000}, "title"),
    ({"summary": "x" * 301}, "summary"),
    ({"description": "x" * 20_001}, "description"),
    ({"level": "genius"}, "level"),
    ({"language": "xx"}, "language"),
    ({"capacity": 0}, "capacity"),
    ({"capacity": -1}, "capacity"),
    ({"capacity": 501}, "capacity"),
    ({"subject_id": 777_777}, "subject_id"),
    ({"policy_id": 777_777}, "policy_id"),
    ({"tax_rate_id": 777_777}, "tax_rate_id"),
    ({"image_key": "t1/offerings/x"}, "image"),
    ({"image_key": "../../etc/passwd"}, "image"),
    ({"variants": (dataclasses.replace(HOUR, name=" "),)}, "variant_1_name"),
    ({"variants": (HOUR, dataclasses.replace(NINETY, name="60 MINUTES"))}, "variant_2_name"),
    ({"variants": (dataclasses.replace(HOUR, duration_minutes=4),)}, "variant_1_minutes"),
    ({"variants": (dataclasses.replace(HOUR, duration_minutes=1441),)}, "variant_1_minutes"),
    ({"variants": (HOUR, dataclasses.replace(NINETY, price_minor=-1))}, "variant_2_price"),
    ({"variants": (HOUR, dataclasses.replace(NINETY, price_minor=0))}, "variant_2_price"),
    ({"variants": (dataclasses.replace(HOUR, price_minor=100_000_000_001),)}, "variant_1_price"),
    ({"variants": (dataclasses.replace(HOUR, id=777_777),)}, "variant_1_name"),
    ({"variants": tuple(VariantContent(f"V{n}", 60, 100) for n in range(7))}, "variants"),
]


def test_contents_that_make_no_sense(world: World, stock: Stock) -> None:
    for changes, field in NO_SENSE:
        with pytest.raises(Invalid) as caught:
            draft(world, world.anna, complete(stock, **changes), kind=GROUP)
        assert caught.value.field == field, changes
    assert look(world, world.anna, lambda: db.session.query(Offering).count()) == 0


def test_kinds_that_can_be_made(world: World, stock: Stock) -> None:
    group = draft(world, world.anna, complete(stock, capacity=8), kind=GROUP)
    trial = draft(
        world,
        world.anna,
        complete(stock, capacity=8, variants=(VariantContent("Trial", 30, 0),)),
        kind=TRIAL,
    )
    contents = look(
        world, world.anna, lambda: [queries.open_revision(row).content["capacity"] for row in (group, trial)]
    )
    assert contents == [8, 1], "only a group has more seats than one"
    support.approve(world, world.anna, submit(world, world.anna, trial))
    assert shown(world, trial).variants[0].price == Money(0, "EUR")
    with pytest.raises(KindNotYet):
        draft(world, world.anna, complete(stock), kind=RECORDED)


def test_a_subject_that_is_gone_by_the_approval_is_said(
    world: World, stock: Stock, database: Database
) -> None:
    offering_id = draft(world, world.anna, complete(stock, subject_id=stock.others["music"]))
    revision_id = submit(world, world.anna, offering_id)
    with database.connect() as connection:
        connection.execute("DELETE FROM subject WHERE id = %s", (stock.others["music"],))
    with pytest.raises(Invalid) as caught:
        support.approve(world, world.anna, revision_id)
    assert caught.value.field == "subject_id"
    assert states(world, offering_id) == (DRAFT, SUBMITTED)


def test_what_others_own_is_refused(world: World, stock: Stock, database: Database) -> None:
    """Another tenant's rows in a content, and another offering's variants."""
    there = support.stock(world, world.bert)
    foreign = publish(world, world.bert, complete(there))
    [foreign_variant] = rows(database, "SELECT min(id) FROM variant WHERE tenant_id = %s", world.bert.id)[0]
    own = publish(world, world.anna, complete(stock))
    own_variant = live_variants(world, own)[0].id
    cases: list[tuple[dict[str, Any], str]] = [
        ({"subject_id": there.subject_id}, "subject_id"),
        ({"policy_id": there.policy_id}, "policy_id"),
        ({"tax_rate_id": there.tax_rate_id}, "tax_rate_id"),
        ({"image_key": f"t{world.bert.id}/offerings/{'a' * 32}"}, "image"),
        ({"image_key": f"t{world.anna.id}/receipts/{'a' * 32}"}, "image"),
        ({"variants": (dataclasses.replace(HOUR, id=foreign_variant),)}, "variant_1_name"),
        ({"variants": (dataclasses.replace(HOUR, id=own_variant),)}, "variant_1_name"),
    ]
    for changes, field in cases:
        with pytest.raises(Invalid) as caught:
            draft(world, world.anna, complete(stock, **changes))
        assert caught.value.field == field, changes
        if field != "image":
            assert str(caught.value) == "What you chose does not exist."
    for work in (
        lambda: queries.offering(foreign),
        lambda: queries.variant(foreign_variant),
        lambda: queries.published("calculus-9"),
    ):
        with pytest.raises(NotFound):
            look(world, world.anna, work)


# -- Policies, and whose turn it is ------------------------------------------------------------------------


def test_a_policy_is_the_offerings_own_else_the_companys_else_ours(world: World, stock: Stock) -> None:
    offering_id = publish(world, world.anna, complete(stock))
    other = publish(world, world.anna, complete(stock, policy_id=None))
    own = look(
        world,
        world.anna,
        lambda: policies.policy_snapshot(queries.published("calculus"), queries.default_policy()),
    )
    assert (own["name"], own["free_until_minutes"], own["late_refund_bp"]) == ("Strict", 2880, 0)
    plain = shown(world, other)
    ours = policies.policy_snapshot(plain, None)
    assert ours == {
        "name": "",
        "free_until_minutes": 1440,
        "late_refund_bp": 5000,
        "move_until_minutes": 720,
        "max_moves": 2,
    }
    assert policies.policy_snapshot(plain, shown(world, offering_id).policy)["name"] == "Strict"


def test_who_waits_longest_is_looked_at_first(world: World, stock: Stock) -> None:
    first = draft(world, world.anna, complete(stock, title="One"))
    second = draft(world, world.anna, complete(stock, title="Two"))
    with clock.frozen(dt.datetime(2026, 3, 1, tzinfo=dt.UTC)):
        late = submit(world, world.anna, second)
    with clock.frozen(dt.datetime(2026, 3, 2, tzinfo=dt.UTC)):
        later = submit(world, world.anna, first)

    def waiting() -> list[OfferingRevision]:
        return list(queries.waiting())

    assert [row.id for row in look(world, world.anna, waiting)] == [late, later]
