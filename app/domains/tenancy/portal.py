"""Pages of the place itself: its theme, and the manager's brand page."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from app.core.errors import DomainError
from app.core.transaction import transaction
from app.core.web.csrf import keeps_text
from app.core.web.forms import Form
from app.core.web.pages import FormPage
from app.core.web.site import site
from app.core.web.viewing import on_tenant, require, to_sign_in, viewer
from app.domains.tenancy import policies, queries, service
from app.domains.tenancy.forms import BrandForm

bp = Blueprint("tenancy", __name__, template_folder="templates")

BRAND_READ, BRAND_WRITE = "brand.read", "brand.write"


@bp.get("/theme/<int:revision>.css")
def theme(revision: int) -> Any:
    """The tenant's design tokens. The address changes with the brand, so what is at the present one may be
    kept for good. Another process may have named an address that this one has not heard of yet."""
    on_tenant()
    primary = site().primary_color
    radius = policies.CORNERS.get(site().corners, policies.CORNERS[policies.DEFAULT_CORNERS])
    body = render_template(
        "tenancy/theme.css", primary=primary, primary_rgb=policies.rgb(primary), radius=radius
    )
    kept = "public, max-age=31536000, immutable" if request.path == site().theme_url else "no-store"
    return Response(body, mimetype="text/css", headers={"Cache-Control": kept})


@bp.route("/admin/brand/", methods=["GET", "POST"])
@keeps_text
def brand() -> Any:
    """How the company looks and what it is called."""
    tenant_id = on_tenant()
    if viewer() is None and request.method == "GET":
        return to_sign_in()
    require(BRAND_WRITE if request.method == "POST" else BRAND_READ)
    tenant = queries.tenant(tenant_id)
    form = BrandForm(
        data={
            "name": tenant.name,
            "tagline": tenant.tagline,
            "primary": tenant.primary_color,
            "corners": tenant.corners or policies.DEFAULT_CORNERS,
            "timezone": tenant.timezone,
            "locale": tenant.locale,
            **tenant.contacts,
        }
    )
    if request.method == "POST" and form.validate():
        try:
            with transaction():
                service.rebrand(
                    tenant,
                    service.Brand(
                        name=form.name.data or "",
                        primary=(form.primary.data or "").lower(),
                        tagline=form.tagline.data or "",
                        corners=form.corners.data,
                        contacts={name: form[name].data or "" for name in policies.CONTACTS},
                    ),
                    timezone=form.timezone.data,
                    locale=form.locale.data,
                )
            flash(_("Your brand is saved; every page wears it from now on."), "success")
            return redirect(url_for("tenancy.brand"))
        except DomainError as error:
            form.show_refusal(error)
            return _brand_page(form), error.status
    return _brand_page(form), 422 if request.method == "POST" else 200


def _brand_page(form: Form) -> str:
    page = FormPage(
        title=_("Brand"),
        lead=_("How your company looks to everybody who visits it."),
        icon="palette",
        form=form,
        groups=[
            (_("What visitors see"), ("name", "tagline", "primary", "corners")),
            (_("How people reach you"), policies.CONTACTS),
            (_("Where you are"), ("timezone", "locale")),
        ],
        submit_label=_("Save"),
        cancel_url="/admin/",
        errors=form.refusals,
    )
    return render_template(
        "tenancy/brand.html", page=page, radii=policies.CORNERS, least_contrast=policies.MIN_CONTRAST
    )
