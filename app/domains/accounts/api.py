"""`POST /api/v1/auth/token`, `/refresh`, `/logout`, and the keys that prove our access tokens."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest

from app.core import signing, throttle
from app.core.db import db
from app.core.rights import PLATFORM, TENANT
from app.core.transaction import transaction
from app.core.web.api_view import BadBody
from app.core.web.describing import DONE, TEXT, WHOLE, Json, ok, operation, record, ref
from app.core.web.site import site
from app.core.web.viewing import signed_in
from app.domains.accounts import policies
from app.domains.accounts.errors import TokenRefused
from app.domains.accounts.service import signin, tokens

bp = Blueprint("auth_api", __name__)

MOST_TEXT = 5000  # characters


@bp.post("/api/v1/auth/token")
def token() -> Any:
    """Sign an app in with `email` and `password`: 200 with a pair of tokens, 401, or 429."""
    given = _texts("email", "password")
    signin.count_attempt(given["email"], request.remote_addr)
    with transaction():
        user = signin.authenticate(given["email"], given["password"], tenant_id=site().tenant_id)
        pair = tokens.issue(
            user,
            tenant_id=site().tenant_id,
            audience=site().url,
            device=signin.Device(request.remote_addr, request.headers.get("User-Agent")),
        )
    return _pair(pair)


@bp.post("/api/v1/auth/refresh")
def refresh() -> Any:
    """Swap a `refresh_token` for a new pair: 200 or 401. A token used twice ends the whole sign-in."""
    given = _texts("refresh_token")
    throttle.hit(db.engine, f"refresh ip {throttle.network(request.remote_addr)}", policies.REFRESHES)
    with transaction():
        pair = tokens.rotate(given["refresh_token"], tenant_id=site().tenant_id, audience=site().url)
    if isinstance(pair, tokens.Reused):
        raise TokenRefused
    return _pair(pair)


@bp.post("/api/v1/auth/logout")
def logout() -> Any:
    """End the sign-in of the bearer token: 204. Its access and refresh tokens are dead from now on."""
    who = signed_in()
    with transaction():
        signin.end_session(who.session_id, reason="signed out")
    return Response(status=204)


@bp.get("/.well-known/jwks.json")
def jwks() -> Any:
    """The public key of access tokens, as a JWK set (RFC 7517)."""
    response = jsonify({"keys": signing.public_jwks()})
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


def _texts(*names: str) -> dict[str, str]:
    try:
        body = request.get_json()
    except (BadRequest, RecursionError, UnicodeDecodeError):
        raise BadBody from None
    if not isinstance(body, dict):
        raise BadBody
    found = {name: body.get(name) for name in names}
    for name, value in found.items():
        if not isinstance(value, str) or not value or len(value) > MOST_TEXT or not _is_storable(value):
            raise BadBody(field=name)
    return {name: str(value) for name, value in found.items()}


def _is_storable(text: str) -> bool:
    """JSON can spell NUL and halves of surrogate pairs; UTF-8 and PostgreSQL know neither."""
    return "\x00" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def _pair(pair: tokens.TokenPair) -> Any:
    return jsonify(
        {
            "access_token": pair.access_token,
            "token_type": "Bearer",
            "expires_in": pair.expires_in,
            "refresh_token": pair.refresh_token,
        }
    )


# -- As OpenAPI describes it -------------------------------------------------------------------------------

SURFACES = frozenset({PLATFORM, TENANT})

_TAG = "Sign-in"
_GIVEN: Json = {**TEXT, "minLength": 1, "maxLength": MOST_TEXT}

SCHEMAS: Json = {
    "tokens": record(
        {
            "access_token": TEXT,
            "refresh_token": TEXT,
            "token_type": {"const": "Bearer"},
            "expires_in": {**WHOLE, "description": "Seconds."},
        }
    ),
}

PATHS: Json = {
    "/api/v1/auth/token": {
        "post": operation(
            _TAG,
            "Sign in",
            ok(ref("tokens")),
            body=record({"email": _GIVEN, "password": _GIVEN}),
            for_all=True,
        )
    },
    "/api/v1/auth/refresh": {
        "post": operation(
            _TAG,
            "Swap a refresh token",
            ok(ref("tokens")),
            body=record({"refresh_token": _GIVEN}),
            for_all=True,
        )
    },
    "/api/v1/auth/logout": {"post": operation(_TAG, "Sign out", DONE)},
}
