"""The simulator's controls from outside: what an operator, a demo or a test does to it."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlencode

from app.providers.payments.keys import SimulatorKeys
from app.providers.payments.simulator.control import KEY_HEADER

WAIT_SECONDS = 30.0


class SimulatorControls:
    """Talks to the simulator on this machine; raises OSError where there is none."""

    def __init__(self, port: int, keys: SimulatorKeys) -> None:
        self._port, self._key = port, keys.control

    def set_faults(self, **faults: Any) -> dict[str, Any]:
        """See `app.providers.payments.simulator.faults.Faults` for the names."""
        return dict(self._ask("POST", "/_control/faults", faults))

    def clear_faults(self) -> None:
        self._ask("DELETE", "/_control/faults")

    def events(self) -> list[dict[str, Any]]:
        """All events that ever were, oldest first."""
        return list(self._ask("GET", "/_control/events"))

    def send_event(self, event_id: str) -> int:
        """Once more, now; returns the status that the application answered, 0 for none."""
        return int(self._ask("POST", f"/_control/events/{event_id}/send")["status"])

    def dispute(self, payment_id: str, reason: str = "fraudulent") -> str:
        """Open a dispute; returns its id."""
        return str(self._ask("POST", f"/_control/payments/{payment_id}/dispute", {"reason": reason})["id"])

    def close_dispute(self, dispute_id: str, status: str) -> None:
        """`status` is won or lost."""
        self._ask("POST", f"/_control/disputes/{dispute_id}/close", {"status": status})

    def fail_refund(self, refund_id: str, reason: str = "lost_or_stolen_card") -> None:
        self._ask("POST", f"/_control/refunds/{refund_id}/fail", {"reason": reason})

    def pay(self, client_secret: str, number: str, return_url: str = "") -> tuple[int, str]:
        """What a payer does on the page; returns the answer's status and where it leads."""
        return self._submit(f"/pay/{client_secret}", return_url, number=number, expiry="12/34", cvc="123")

    def authenticate(self, client_secret: str, *, passed: bool, return_url: str = "") -> tuple[int, str]:
        """The answer to 3-D Secure."""
        outcome = "complete" if passed else "fail"
        return self._submit(f"/pay/{client_secret}/authenticate", return_url, outcome=outcome)

    def _ask(self, method: str, path: str, sent: dict[str, Any] | None = None) -> Any:
        headers = {KEY_HEADER: self._key, "Content-Type": "application/json"}
        status, _where, body = self._call(method, path, json.dumps(sent or {}), headers)
        if status != 200:
            raise ValueError(f"the simulator says {status}: {body.decode(errors='replace')[:300]}")
        return json.loads(body)

    def _submit(self, path: str, return_url: str, **form: str) -> tuple[int, str]:
        query = f"?{urlencode({'return_url': return_url})}" if return_url else ""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        status, where, _body = self._call("POST", path + query, urlencode(form), headers)
        return status, where

    def _call(self, method: str, path: str, body: str, headers: dict[str, str]) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=WAIT_SECONDS)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Location", ""), answer.read()
        finally:
            connection.close()
