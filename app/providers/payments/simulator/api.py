"""Stripe's HTTP interface: keys, parameters, idempotency, expansion, lists and errors as Stripe has them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from flask import Blueprint, Response, request

from app.providers.payments.simulator import disputes, intents, refunds
from app.providers.payments.simulator.courier import Courier
from app.providers.payments.simulator.expansion import expanded
from app.providers.payments.simulator.faults import Faults
from app.providers.payments.simulator.lists import listed, searched
from app.providers.payments.simulator.params import Params
from app.providers.payments.simulator.refusals import Refusal, missing
from app.providers.payments.simulator.store import API_VERSION, Change, Object, Store, new_id

# A Refusal that is returned keeps what was done (a declined charge); one that is raised undoes it.
Act: TypeAlias = Callable[..., Object | Refusal]

HANG_SECONDS = 60.0
LONGEST_KEY = 255

_KINDS = {
    "payment_intents": "payment_intent",
    "payment_methods": "payment_method",
    "charges": "charge",
    "refunds": "refund",
    "disputes": "dispute",
    "events": "event",
    "balance_transactions": "balance_transaction",
}


class Api:
    """One account's API; `stopping` ends answers that are held back."""

    def __init__(
        self, store: Store, courier: Courier, faults: Faults, *, secret: str, stopping: threading.Event
    ) -> None:
        self._store, self._courier, self._faults = store, courier, faults
        self._secret, self._stopping = secret, stopping
        self._running: set[str] = set()
        self._lock = threading.Lock()

    def blueprint(self) -> Blueprint:
        api = Blueprint("api", __name__, url_prefix="/v1")
        writes: dict[str, Act] = {
            "/payment_intents": _create_intent,
            "/payment_intents/<id>/confirm": _confirm_intent,
            "/payment_intents/<id>/cancel": _cancel_intent,
            "/payment_methods": lambda change, params: intents.create_method(change, params),
            "/refunds": lambda change, params: refunds.create(change, params),
            "/disputes/<id>/close": _accept_dispute,
        }
        for path, act in writes.items():
            api.add_url_rule(path, path, self._writing(act), methods=["POST"])
        api.add_url_rule("/payment_intents/search", "search", self._reading(self._search), methods=["GET"])
        for plural, kind in _KINDS.items():
            api.add_url_rule(f"/{plural}", f"list {plural}", self._reading(_lister(kind)), methods=["GET"])
            one = self._reading(_retriever(kind))
            api.add_url_rule(f"/{plural}/<id>", f"get {plural}", one, methods=["GET"])
        api.add_url_rule("/<path:path>", "unknown", self._unknown, methods=["GET", "POST", "DELETE"])
        return api

    def _search(self, change: Change, params: Params) -> Object:
        return searched(change, params, blind=self._faults.search_blind)

    def _unknown(self, path: str) -> Response:
        url = f"{request.method}: /v1/{path}"
        refusal = Refusal(404, f"Unrecognized request URL ({url}). Please see https://stripe.com/docs.")
        return _answer(refusal.status, json.dumps(refusal.body), {})

    def _reading(self, act: Act) -> Callable[..., Response]:
        def view(**ids: str) -> Response:
            return self._answered(new_id("req"), lambda call: self._read(act, ids), may_be_lost=False)

        return view

    def _writing(self, act: Act) -> Callable[..., Response]:
        def view(**ids: str) -> Response:
            call = new_id("req")
            return self._answered(call, lambda call: self._write_once(act, ids, call), may_be_lost=True)

        return view

    def _answered(
        self, call: str, work: Callable[[str], tuple[int, str, dict[str, str]]], *, may_be_lost: bool
    ) -> Response:
        headers = {
            "Request-Id": call,
            "Stripe-Version": request.headers.get("Stripe-Version", API_VERSION),
        }
        try:
            self._authorize()
            self._fail_on_demand()
            status, body, more = work(call)
        except Refusal as refusal:
            status, body, more = refusal.status, _json(refusal.body), {}
        self._courier.send_early()
        if may_be_lost and status < 500 and self._faults.use_up("lose_answers"):
            self._lose()
        return _answer(status, body, {**headers, **more})

    def _read(self, act: Act, ids: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        params = Params.of(request.args.items(multi=True))
        paths = params.texts("expand")
        time.sleep(self._faults.slow)
        with self._store.change() as change:
            return *_rendered(act(change, params, **ids), paths, change), {}

    def _write_once(self, act: Act, ids: dict[str, str], call: str) -> tuple[int, str, dict[str, str]]:
        """Do it, or give the answer that was given for the same idempotency key."""
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            return *self._write(act, ids, call, key, ""), {}
        if len(key) > LONGEST_KEY:
            raise Refusal(400, "Keys for idempotent requests can be 255 characters at most.")
        fingerprint = _fingerprint(request.form.items(multi=True))
        echo = {"Idempotency-Key": key}
        with self._lock:
            known = self._store.answer(key)
            if known is not None:
                if known["fingerprint"] != fingerprint:
                    raise _other_parameters(key)
                replayed = {"Idempotent-Replayed": "true", "Original-Request": known["call"]}
                return known["status"], known["body"], {**echo, **replayed}
            if key in self._running:
                raise _in_progress(key)
            self._running.add(key)
        try:
            return *self._write(act, ids, call, key, fingerprint), echo
        finally:
            with self._lock:
                self._running.discard(key)

    def _write(self, act: Act, ids: dict[str, str], call: str, key: str, fingerprint: str) -> tuple[int, str]:
        def remember(change: Change, status: int, body: str) -> None:
            if key:
                answer = {"fingerprint": fingerprint, "status": status, "body": body, "call": call}
                change.remember(key, answer)

        params = Params.of(request.form.items(multi=True))
        paths = params.texts("expand")
        time.sleep(self._faults.slow)
        try:
            with self._store.change({"id": call, "idempotency_key": key or None}) as change:
                status, body = _rendered(act(change, params, **ids), paths, change)
                remember(change, status, body)
                return status, body
        except Refusal as refusal:
            if refusal.saved:
                with self._store.change() as change:
                    remember(change, refusal.status, _json(refusal.body))
            raise

    def _authorize(self) -> None:
        given = _given_key(request.headers.get("Authorization", ""))
        if not given:
            raise Refusal(401, "You did not provide an API key. You need to provide your API key in the "
                          "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
                          "YOUR_SECRET_KEY').")  # fmt: skip
        if not hmac.compare_digest(given.encode(), self._secret.encode()):
            raise Refusal(401, f"Invalid API Key provided: {given[:8]}****{given[-4:]}")

    def _fail_on_demand(self) -> None:
        if not self._faults.use_up("fail_calls"):
            return
        status = self._faults.fail_status
        if status == 429:
            raise Refusal(429, "Too many requests hit the API too quickly.", code="rate_limit")
        raise Refusal(status, "An unknown error occurred.", type="api_error")

    def _lose(self) -> None:
        if self._faults.lose_how == "hang":
            self._stopping.wait(HANG_SECONDS)
        line: socket.socket | None = request.environ.get("werkzeug.socket")
        if line is not None:
            line.shutdown(socket.SHUT_RDWR)


def _create_intent(change: Change, params: Params) -> Object | Refusal:
    intent = intents.create(change, params)
    return intents.declined(intent) or intent


def _confirm_intent(change: Change, params: Params, id: str) -> Object | Refusal:
    intent = intents.confirm(change, _found(change, "payment_intent", id, "intent"), params)
    refusal = intents.declined(intent) if intent["status"] == "requires_payment_method" else None
    return refusal or intent


def _cancel_intent(change: Change, params: Params, id: str) -> Object:
    return intents.cancel(change, _found(change, "payment_intent", id, "intent"), params)


def _accept_dispute(change: Change, params: Params, id: str) -> Object:
    params.done()
    return disputes.close(change, _found(change, "dispute", id, "dispute"), "lost")


def _retriever(kind: str) -> Act:
    def retrieve(change: Change, params: Params, id: str) -> Object:
        params.skip("client_secret")
        params.done()
        return _found(change, kind, id, "intent" if kind == "payment_intent" else "id")

    return retrieve


def _lister(kind: str) -> Act:
    return lambda change, params: listed(change, kind, params, request.path)


def _found(change: Change, kind: str, object_id: str, param: str) -> Object:
    found = change.get(object_id)
    if found is None or found["object"] != kind:
        raise missing(kind, object_id, param)
    return found


def _rendered(outcome: Object | Refusal, paths: list[str], change: Change) -> tuple[int, str]:
    if isinstance(outcome, Refusal):
        return outcome.status, _json(outcome.body)
    return 200, _json(expanded(outcome, paths, change.get))


def _given_key(authorization: str) -> str:
    scheme, _space, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return value.strip() if scheme.lower() == "bearer" else ""
    try:
        return base64.b64decode(value).decode().partition(":")[0]
    except (binascii.Error, UnicodeError):
        return ""


def _fingerprint(pairs: Iterable[tuple[str, str]]) -> str:
    text = json.dumps([request.path, sorted(pairs)])
    return hashlib.sha256(text.encode()).hexdigest()


def _other_parameters(key: str) -> Refusal:
    return Refusal(
        400,
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        f"Try using a key other than '{key}' if you meant to execute a different request.",
        type="idempotency_error",
    )


def _in_progress(key: str) -> Refusal:
    return Refusal(
        409,
        "There is currently another in-progress request using this Idempotent Key (that probably means you "
        f"submitted twice, and the other request is still going through): {key}. Please try again later.",
        type="idempotency_error",
        code="idempotency_key_in_use",
    )


def _json(body: Any) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False)


def _answer(status: int, body: str, headers: dict[str, str]) -> Response:
    answer = Response(body, status, mimetype="application/json")
    answer.headers.update({name: re.sub(r"[\r\n]", "", value) for name, value in headers.items()})
    return answer
