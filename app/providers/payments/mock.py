"""Payments without money: Stripe's own library, talking to our simulator instead of Stripe.

What differs from the real thing is the address, the keys, and that the payer goes to a page of the
simulator's instead of a form in ours.
"""

from __future__ import annotations

from urllib.parse import urlencode

from app.core.outside import Breaker
from app.providers.payments.base import ProviderPayment
from app.providers.payments.keys import SimulatorKeys
from app.providers.payments.stripe import READ_SECONDS, StripeProvider


class MockProvider(StripeProvider):
    """`api_base` is where we reach the simulator, `page_base` where a browser does."""

    name = "mock"

    def __init__(
        self,
        *,
        keys: SimulatorKeys,
        api_base: str,
        page_base: str,
        read_seconds: float = READ_SECONDS,
        guard: Breaker | None = None,
    ) -> None:
        super().__init__(
            secret_key=keys.secret,
            publishable_key=keys.publishable,
            webhook_secret=keys.webhook,
            api_base=api_base,
            timeout=(2.0, read_seconds),
            proxies=False,
            guard=guard,
        )
        self._page_base = page_base.rstrip("/")

    def checkout_url(self, payment: ProviderPayment, return_url: str) -> str | None:
        return f"{self._page_base}/pay/{payment.client_secret}?{urlencode({'return_url': return_url})}"
