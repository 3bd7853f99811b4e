"""Where tutors write their offerings and send them to be reviewed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from app.core.errors import DomainError, NotFound
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web.csrf import keeps_text
from app.core.web.once import hidden, once
from app.core.web.pages import Empty
from app.core.web.site import site
from app.core.web.uploads import takes_files
from app.core.web.viewing import login_required, on_tenant, signed_in
from app.domains.accounts import queries as accounts
from app.domains.accounts.models import TUTOR
from app.domains.catalog import queries, service
from app.domains.catalog.errors import ChangedMeanwhile, NotReady
from app.domains.catalog.forms import OfferingForm, fill, offering_form
from app.domains.catalog.models import (
    GROUP,
    KIND_NAMES,
    PUBLISHED,
    RETURNED,
    SUBMITTED,
    Offering,
    OfferingRevision,
)
from app.domains.catalog.policies.content import MISSING, Content, missing
from app.domains.catalog.policies.pictures import OFFERINGS, small_path_of
from app.domains.catalog.policies.standing import is_editable, standing
from app.domains.catalog.portal.media import keep_picture

bp = Blueprint("offerings", __name__, template_folder="../templates")


def tutor() -> tuple[Viewer, int]:
    """The viewer and who they are here. Raises NotFound for everybody who doesn't teach."""
    on_tenant()
    who = signed_in()
    if TUTOR not in who.role_keys or who.person_id is None:
        raise NotFound
    return who, who.person_id


@bp.get("/teach/offerings/")
@login_required
def index() -> Any:
    _who, person_id = tutor()
    rows = [
        (
            str(revision.content["title"]) if revision and not row.version else row.title,
            KIND_NAMES[row.kind],
            standing(row, revision),
            revision.review_reason if revision and revision.status == RETURNED else None,
            url_for("offerings.edit", offering_id=row.id),
        )
        for row, revision in queries.offerings_of(person_id)
    ]
    empty = Empty(
        _("Nothing yet"),
        _("Write down what you teach. %(company)s looks at it and publishes it.", company=site().name),
        url_for("offerings.new"),
        _("Write an offering"),
    )
    return render_template("catalog/teach/list.html", rows=rows, empty_state=empty)


@bp.route("/teach/offerings/new", methods=["GET", "POST"])
@login_required
@keeps_text
@takes_files
def new() -> Any:
    """A new draft; kept also where it is sent to be reviewed too early."""
    who, person_id = tutor()
    choices = _choices()
    form = offering_form(choices, data=_blank(choices))
    if request.method == "POST" and form.validate():
        try:
            image_key = _picture_of(form, None)
            with transaction():
                person = accounts.person(person_id)
                made = once(
                    who,
                    lambda: {
                        "id": service.draft_offering(
                            person, kind=form.kind.data, content=form.content(image_key)
                        ).id
                    },
                )
            return _saved(person_id, made["id"])
        except DomainError as error:
            form.show_refusal(error)
            return _form_page(form, Editor(), error.status)
    return _form_page(form, Editor(), 422 if request.method == "POST" else 200)


@bp.route("/teach/offerings/<id:offering_id>", methods=["GET", "POST"])
@login_required
@keeps_text
@takes_files
def edit(offering_id: int) -> Any:
    """Its open revision, or a new one of what is live."""
    _who, person_id = tutor()
    offering = queries.offering_of(person_id, offering_id)
    revision = queries.open_revision(offering_id)
    content = _content_of(offering, revision)
    form = offering_form(_choices(), data={**fill(content), "seen": _stamp(revision)})
    del form.kind  # it stays what it is
    if request.method == "POST" and form.validate():
        try:
            image_key = _picture_of(form, content.image_key)
            seen_at = _moment(form.seen.data)
            with transaction():
                own = queries.offering_of(person_id, offering_id)
                service.revise(own, content=form.content(image_key), seen_at=seen_at)
            return _saved(person_id, offering_id)
        except DomainError as error:
            form.show_refusal(error)
            if isinstance(error, ChangedMeanwhile):
                form.seen.data = _stamp(queries.open_revision(offering_id))  # sent again, it counts
            return _form_page(form, _editor(offering, revision, content), error.status)
    status = 422 if request.method == "POST" else 200
    return _form_page(form, _editor(offering, revision, content), status)


@bp.post("/teach/offerings/<id:offering_id>/submit")
@login_required
def submit(offering_id: int) -> Any:
    """Ask the company to look at what is saved."""
    _who, person_id = tutor()
    return _send(person_id, offering_id)


@bp.post("/teach/offerings/<id:offering_id>/withdraw")
@login_required
def withdraw(offering_id: int) -> Any:
    """Take it back before it is reviewed."""
    _who, person_id = tutor()
    with transaction():
        service.withdraw(queries.offering_of(person_id, offering_id))
    flash(_("Taken back. You can change it, and send it again."), "success")
    return redirect(url_for("offerings.edit", offering_id=offering_id))


def _saved(person_id: int, offering_id: int) -> Any:
    if request.form.get("then") == "submit":
        return _send(person_id, offering_id)
    flash(_("Saved. It is not sent to be reviewed yet."), "success")
    return redirect(url_for("offerings.edit", offering_id=offering_id))


def _send(person_id: int, offering_id: int) -> Any:
    """In a transaction of its own, so that what was saved stays where something is missing."""
    try:
        with transaction():
            service.submit(queries.offering_of(person_id, offering_id))
    except NotReady as error:
        words = ", ".join(str(MISSING[name]) for name in error.data["missing"])
        flash(_("It is saved, but not sent yet. Still missing: %(what)s.", what=words), "warning")
        return redirect(url_for("offerings.edit", offering_id=offering_id))
    flash(_("Sent. %(company)s looks at it now.", company=site().name), "success")
    return redirect(url_for("offerings.index"))


# -- The page ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Editor:
    """What the page says around the form; as it stands for an offering that does not exist yet."""

    offering: Offering | None = None
    standing: Any = None
    reason: str | None = None
    missing: tuple[Any, ...] = ()
    image_url: str | None = None
    may_edit: bool = True
    may_send: bool = False
    may_withdraw: bool = False
    has_seats: bool = True
    public_url: str | None = None


def _editor(offering: Offering, revision: OfferingRevision | None, content: Content) -> Editor:
    may_edit = is_editable(offering, revision)
    lacking = missing(content) if revision is not None and may_edit else []
    return Editor(
        offering=offering,
        standing=standing(offering, revision),
        reason=revision.review_reason if revision and revision.status == RETURNED else None,
        missing=tuple(MISSING[name] for name in lacking),
        image_url=small_path_of(content.image_key),
        may_edit=may_edit,
        may_send=revision is not None and may_edit and not lacking,
        may_withdraw=revision is not None and revision.status == SUBMITTED,
        has_seats=offering.kind == GROUP,
        public_url=f"/o/{offering.slug}" if offering.status == PUBLISHED else None,
    )


def _form_page(form: OfferingForm, editor: Editor, status: int) -> Any:
    page = render_template(
        "catalog/teach/form.html",
        form=form,
        editor=editor,
        currency=site().currency,
        hidden=hidden() if editor.offering is None else (),
    )
    return page, status


def _choices() -> tuple[list[tuple[str, str]], ...]:
    """(id, name) of subjects, policies and tax rates."""
    found = (queries.subjects(), queries.cancellation_policies(), queries.tax_rates())
    return tuple([(str(row.id), row.name) for row in rows] for rows in found)


def _blank(choices: tuple[list[tuple[str, str]], ...]) -> dict[str, Any]:
    """A new form: where a company has one tax rate only, it is that."""
    _subjects, _policies, taxes = choices
    only_tax = taxes[0][0] if len(taxes) == 1 else ""
    return {"kind": "one_to_one", "level": "all", "language": site().locale, "tax_rate_id": only_tax}


def _content_of(offering: Offering, revision: OfferingRevision | None) -> Content:
    if revision is not None:
        return Content.from_json(revision.content)
    return Content.of(offering, offering.variants)


def _picture_of(form: OfferingForm, kept: str | None) -> str | None:
    """The key of the picture that was sent, else of the one there is."""
    if form.image.data:
        return keep_picture(form.image.data, kind=OFFERINGS)
    return None if form.without_image.data else kept


def _stamp(revision: OfferingRevision | None) -> str:
    return revision.changed_at.isoformat() if revision is not None else ""


def _moment(text: str | None) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
