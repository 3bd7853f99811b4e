"""How a tutor is shown, written by themselves."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from app.core.errors import DomainError
from app.core.transaction import transaction
from app.core.web.csrf import keeps_text
from app.core.web.uploads import takes_files
from app.core.web.viewing import login_required
from app.domains.accounts import queries as accounts
from app.domains.catalog import queries, service
from app.domains.catalog.forms import ProfileForm
from app.domains.catalog.policies.pictures import TUTORS, small_path_of
from app.domains.catalog.portal.media import keep_picture
from app.domains.catalog.portal.teach import tutor

bp = Blueprint("tutor_profile", __name__, template_folder="../templates")


@bp.route("/teach/profile/", methods=["GET", "POST"])
@login_required
@keeps_text
@takes_files
def edit() -> Any:
    _who, person_id = tutor()
    profile = queries.profile_of(person_id)
    image_key = profile.image_key if profile else None
    words = {name: getattr(profile, name, None) for name in ("headline", "bio", "languages")}
    form = ProfileForm(data=words)
    status = 200
    if request.method == "POST":
        status = 422
        if form.validate():
            try:
                _save(form, person_id, image_key)
                flash(_("Your profile is saved."), "success")
                return redirect(url_for("tutor_profile.edit"))
            except DomainError as error:
                form.show_refusal(error)
                status = error.status
    page = render_template(
        "catalog/teach/profile.html",
        form=form,
        image_url=small_path_of(image_key),
        public_url=f"/tutors/{profile.slug}" if profile else None,
    )
    return page, status


def _save(form: ProfileForm, person_id: int, image_key: str | None) -> None:
    if form.image.data:
        image_key = keep_picture(form.image.data, kind=TUTORS)
    elif form.without_image.data:
        image_key = None
    with transaction():
        service.describe_tutor(
            accounts.person(person_id),
            headline=form.headline.data,
            bio=form.bio.data,
            languages=form.languages.data,
            image_key=image_key,
        )
