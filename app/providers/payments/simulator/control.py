"""What no payer and no application may do: faults, disputes, and events again. For this machine only."""

from __future__ import annotations

import hmac
import ipaddress
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from app.providers.payments.simulator import disputes, refunds
from app.providers.payments.simulator.courier import Courier
from app.providers.payments.simulator.faults import Faults
from app.providers.payments.simulator.refusals import Refusal, missing
from app.providers.payments.simulator.store import Object, Store

KEY_HEADER = "X-Simulator-Key"


class Control:
    """The controls of one simulator; every call needs the key and comes from this machine."""

    def __init__(self, store: Store, courier: Courier, faults: Faults, *, key: str) -> None:
        self._store, self._courier, self._faults, self._key = store, courier, faults, key

    def blueprint(self) -> Blueprint:
        control = Blueprint("control", __name__, url_prefix="/_control")
        control.before_request(self._guard)
        control.get("/faults")(self.faults)
        control.post("/faults")(self.set_faults)
        control.delete("/faults")(self.clear_faults)
        control.get("/events")(self.events)
        control.post("/events/<id>/send")(self.send_event)
        control.post("/payments/<id>/dispute")(self.dispute)
        control.post("/disputes/<id>/close")(self.close_dispute)
        control.post("/refunds/<id>/fail")(self.fail_refund)
        control.register_error_handler(Refusal, lambda refusal: (refusal.body, refusal.status))
        return control

    def _guard(self) -> ResponseReturnValue | None:
        request.get_data()  # a line that is closed with something unread loses its answer
        given = request.headers.get(KEY_HEADER, "")
        peer = ipaddress.ip_address(request.remote_addr or "0.0.0.0")  # noqa: S104 - compared, not bound
        if not peer.is_loopback or not hmac.compare_digest(given.encode(), self._key.encode()):
            return {"error": {"message": "Not for you."}}, 403
        return None

    def faults(self) -> ResponseReturnValue:
        return jsonify(self._faults.shown())

    def set_faults(self) -> ResponseReturnValue:
        try:
            self._faults.set(_sent())
        except ValueError as error:
            raise Refusal(400, str(error)) from error
        return self.faults()

    def clear_faults(self) -> ResponseReturnValue:
        self._faults.clear()
        return self.faults()

    def events(self) -> ResponseReturnValue:
        """Oldest first."""
        return jsonify(self._store.all("event")[::-1])

    def send_event(self, id: str) -> ResponseReturnValue:
        self._existing("event", id)
        return {"status": self._courier.send(id)}

    def dispute(self, id: str) -> ResponseReturnValue:
        intent = self._existing("payment_intent", id)
        with self._store.change() as change:
            charged = change.get(intent["latest_charge"] or "")
            if charged is None:
                raise Refusal(400, "Nothing was paid.")
            return disputes.open_dispute(change, charged, str(_sent().get("reason", "fraudulent")))

    def close_dispute(self, id: str) -> ResponseReturnValue:
        with self._store.change() as change:
            return disputes.close(change, self._existing("dispute", id), str(_sent().get("status")))

    def fail_refund(self, id: str) -> ResponseReturnValue:
        with self._store.change() as change:
            reason = str(_sent().get("reason", "lost_or_stolen_card"))
            return refunds.fail(change, self._existing("refund", id), reason)

    def _existing(self, kind: str, object_id: str) -> Object:
        found = self._store.get(object_id)
        if found is None or found["object"] != kind:
            raise missing(kind, object_id)
        return found


def _sent() -> dict[str, Any]:
    sent = request.get_json(silent=True)
    return sent if isinstance(sent, dict) else {}
