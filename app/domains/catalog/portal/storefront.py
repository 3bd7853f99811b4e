"""What visitors see: the company's first page, and its tutors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, redirect, render_template
from flask_babel import gettext as _

from app.core.errors import NotFound
from app.core.page_cache import FREE_TIMES
from app.core.viewer import Viewer
from app.core.web import kept_pages
from app.core.web.meta import Data, Meta, absolute, describe, organization, rating_data
from app.core.web.pages import ActionLink, Empty
from app.core.web.site import site
from app.core.web.viewing import on_tenant, viewer
from app.domains.accounts.models import GUARDIAN, STUDENT, TUTOR
from app.domains.catalog import policies, queries
from app.domains.catalog.models import CancellationPolicy, TutorProfile
from app.domains.catalog.policies.free_times import FreeTimes
from app.domains.catalog.policies.pictures import path_of
from app.domains.catalog.policies.review_words import rating_seen, review_seen, reviews_seen
from app.domains.catalog.policies.reviews import Rating
from app.domains.catalog.portal.cards import card_of, find_times, initial_of, spread, tutor_card
from app.domains.catalog.portal.search import search_url
from app.domains.catalog.queries import SearchArgs, TutorSeen, reviews

bp = Blueprint("catalog", __name__, template_folder="../templates")

ON_FIRST_PAGE = 6
TUTORS_ON_FIRST_PAGE = 8
QUOTES = 6
TIMES, TIMES_OF_EACH = 6, 3
FACES = 5
TIMES_OF_TUTOR = 6
REVIEWS_OF_TUTOR = 6
MOST_TUTORS = 60


@bp.get("/")
def first_page() -> Any:
    """The first page of a host: a company's storefront, or the operators' entrance."""
    if site().is_platform:
        return redirect("/admin/") if viewer() else render_template("accounts/platform_welcome.html")
    return kept_pages.kept(_first_page, kind=FREE_TIMES, args=())


def _first_page() -> str:
    found = queries.search(SearchArgs(sort="rating", size=ON_FIRST_PAGE))
    who = viewer()
    tutors = queries.tutors(TUTORS_ON_FIRST_PAGE) if found.count else []
    free = find_times()([tutor.person_id for tutor in tutors], each=TIMES_OF_EACH)
    cards = [tutor_card(tutor, free.first_of(tutor.person_id)) for tutor in tutors]
    subjects = [(f.label, search_url(subject=f.value), f.count) for f in found.facets["subject"]]
    return render_template(
        "catalog/storefront.html",
        meta=_meta([name for name, _url, _count in subjects if name]),
        links=home_links(who) if who else [],
        cards=[card_of(hit) for hit in found.hits],
        count=found.count,
        tutors=cards,
        faces=[card.image_url for card in cards if card.image_url][:FACES],
        more_tutors=len(found.facets["tutor"]) > len(tutors),
        rating=_rating_of_all(tutors),
        free=spread(free.times, TIMES),
        zone=free.zone,
        quotes=_quotes() if found.count else [],
        subjects=subjects,
        promise=_promise(queries.default_policy()) if found.count else "",
        empty_state=Empty(
            _("Lessons are coming"),
            _("%(company)s has not put anything up yet. Please look again soon.", company=site().name),
        ),
    )


def _meta(subjects: Sequence[str]) -> Meta:
    words = _("Lessons at %(company)s: find a tutor and a time that suits you.", company=site().name)
    if subjects:
        words = _(
            "%(subjects)s at %(company)s: find a tutor, see free times, and book at once.",
            subjects=", ".join(subjects[:6]),
            company=site().name,
        )
    return describe("/", words, data=[organization()])


def _rating_of_all(tutors: Sequence[TutorSeen]) -> Any:
    """Of those who are shown; each rating is theirs from all that they teach here."""
    return rating_seen(Rating(sum(t.rating.count for t in tutors), sum(t.rating.total for t in tutors)))


def _quotes() -> list[Any]:
    return [review_seen(row, tutor=row.offering.tutor.full_name) for row in reviews.quotes(QUOTES)]


def _promise(policy: CancellationPolicy | None) -> str:
    """The company's usual terms in one short line; what an offering says of its own counts there."""
    minutes = policy.free_until_minutes if policy else int(policies.BUILT_IN["free_until_minutes"])
    if not minutes:
        return _("Cancel free of charge until the lesson begins")
    return _(
        "Cancel free of charge until %(time)s before the lesson", time=policies.minutes_in_words(minutes)
    )


def home_links(who: Viewer) -> list[ActionLink]:
    """Where somebody signed in has something to do."""
    links = []
    if who.rights:
        links.append(ActionLink("admin", _("Run the company"), "/admin/", "settings"))
    if TUTOR in who.role_keys:
        links.append(ActionLink("teach", _("My teaching"), "/teach/", "calendar"))
        links.append(ActionLink("offerings", _("My offerings"), "/teach/offerings/", "book"))
    if who.role_keys & {STUDENT, GUARDIAN}:
        links.append(ActionLink("learn", _("My lessons"), "/learn/", "school"))
    if GUARDIAN in who.role_keys:
        links.append(ActionLink("family", _("My family"), "/family/", "users-group"))
    links.append(ActionLink("account", _("My account"), "/account/", "user"))
    return links


# -- Tutors ------------------------------------------------------------------------------------------------


@bp.get("/tutors/")
def tutors() -> Any:
    """Everybody with something that can be booked, the best rated first."""
    on_tenant()
    return kept_pages.kept(_tutors, kind=FREE_TIMES, args=())


def _tutors() -> str:
    found = queries.tutors(MOST_TUTORS)
    free = find_times()([tutor.person_id for tutor in found], each=1)
    words = _("The tutors of %(company)s, with their subjects and reviews.", company=site().name)
    return render_template(
        "catalog/tutors.html",
        meta=describe("/tutors/", words),
        tutors=[tutor_card(tutor, free.first_of(tutor.person_id)) for tutor in found],
        zone=free.zone if free.times else "",
        empty_state=Empty(
            _("Nobody here yet"),
            _("%(company)s has not put anything up yet. Please look again soon.", company=site().name),
        ),
    )


@bp.get("/tutors/<slug>")
def tutor(slug: str) -> Any:
    """A tutor with all that can be booked of theirs; nobody without anything is shown."""
    on_tenant()
    return kept_pages.kept(lambda: _tutor(slug), kind=FREE_TIMES, args=())


def _tutor(slug: str) -> str:
    profile = queries.profile(slug)
    found = queries.search(SearchArgs(tutor=slug, sort="title"))
    if not found.hits:
        raise NotFound
    name = profile.person.full_name
    rating = reviews.rating_of_tutor(profile.person_id)
    said = reviews.reviews_of_tutor(profile.person_id, size=REVIEWS_OF_TUTOR) if rating.count else ()
    free: FreeTimes = find_times()([profile.person_id], each=TIMES_OF_TUTOR)
    return render_template(
        "catalog/tutor.html",
        meta=_tutor_meta(profile, rating),
        name=name,
        initial=initial_of(name),
        profile=profile,
        subjects=[(f.label, search_url(tutor=slug, subject=f.value)) for f in found.facets["subject"]],
        image_url=path_of(profile.image_key),
        rating=rating_seen(rating),
        reviews=reviews_seen(said, tutor=name),
        reviews_url=f"/tutors/{slug}/reviews",
        more_reviews=rating.count > len(said),
        free=free.times,
        zone=free.zone,
        cards=[card_of(hit) for hit in found.hits],
        more_url=search_url(tutor=slug) if found.pages > 1 else None,
    )


def _tutor_meta(profile: TutorProfile, rating: Rating) -> Meta:
    name = profile.person.full_name
    words = profile.headline or profile.bio or _("Lessons with %(name)s", name=name)
    image = path_of(profile.image_key)
    person: Data = {
        "@type": "Person",
        "name": name,
        "url": absolute(f"/tutors/{profile.slug}"),
        "worksFor": organization(),
        **({"description": profile.headline} if profile.headline else {}),
        **({"image": absolute(image)} if image else {}),
    }
    data = [person] if not rating.count else [_rated(person, rating)]
    return describe(f"/tutors/{profile.slug}", f"{name}: {words}", image=image, kind="profile", data=data)


def _rated(person: Data, rating: Rating) -> Data:
    """A person can't be rated by schema.org, what they do can."""
    return {
        "@type": "Service",
        "name": _("Lessons with %(name)s", name=person["name"]),
        "provider": person,
        **rating_data(rating.count, rating.average),
    }
