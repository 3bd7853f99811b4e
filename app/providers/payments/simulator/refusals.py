"""What the API answers instead of an object, in Stripe's words and shape."""

from __future__ import annotations

from typing import Any

from app.providers.payments.simulator.cards import CardProblem


class Refusal(Exception):
    """An error answer. One that is `saved` is given again for the same idempotency key."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        saved: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status, self.saved = status, saved
        self.error: dict[str, Any] = {"type": type, "message": message}
        if code is not None:
            self.error |= {
                "code": code,
                "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
            }
        self.error |= {name: value for name, value in more.items() if value is not None}

    @property
    def body(self) -> dict[str, Any]:
        return {"error": self.error}


def missing(kind: str, object_id: str, param: str = "id") -> Refusal:
    return Refusal(404, f"No such {kind}: '{object_id}'", code="resource_missing", param=param)


def unexpected_state(message: str, intent: dict[str, Any]) -> Refusal:
    return Refusal(400, message, code="payment_intent_unexpected_state", payment_intent=intent, saved=True)


def card_refused(problem: CardProblem) -> Refusal:
    return Refusal(
        402,
        problem.message,
        type="card_error",
        code=problem.code,
        decline_code=problem.decline_code,
        param=problem.param,
        saved=True,
    )
