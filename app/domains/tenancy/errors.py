"""What tenancy refuses."""

from flask_babel import lazy_gettext as _l

from app.core.errors import AlreadyExists, Conflict, DomainError, Invalid


class SlugTaken(AlreadyExists):
    code, message = "slug_taken", _l("This address is taken already.")


class HostTaken(AlreadyExists):
    code, message = "host_taken", _l("This host name is in use already.")


class BadSlug(Invalid):
    code = "bad_slug"
    message = _l("Use 3 to 40 lower-case letters, digits and single hyphens; some names are reserved.")


class BadHost(Invalid):
    code, message = "bad_host", _l("This is not a host name that can be used here.")


class TooFaint(Invalid):
    code, message = "too_faint", _l("White text on this colour would be hard to read. Choose a darker one.")


class TenantSuspended(DomainError):
    code, status, message = "tenant_suspended", 403, _l("This company's pages are paused at the moment.")


class TenantNotActive(Conflict):
    code, message = "tenant_not_active", _l("This company is not active.")
