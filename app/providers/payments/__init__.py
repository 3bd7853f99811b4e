"""Money in and back: `build` makes the provider that the settings name."""

from __future__ import annotations

from typing import Protocol

from app.core.outside import Breaker
from app.providers.payments.base import (
    EVENTS,
    BadEvent,
    BadSignature,
    PaymentProvider,
    PaymentRefused,
    PaymentRequest,
    PaymentStatus,
    ProviderDispute,
    ProviderEvent,
    ProviderFee,
    ProviderPayment,
    ProviderRefund,
    RefundRequest,
    RefundStatus,
)
from app.providers.payments.keys import SimulatorKeys
from app.providers.payments.mock import MockProvider
from app.providers.payments.stripe import StripeProvider
from app.providers.payments.units import step

__all__ = [
    "EVENTS",
    "BadEvent",
    "BadSignature",
    "PaymentProvider",
    "PaymentRefused",
    "PaymentRequest",
    "PaymentSettings",
    "PaymentStatus",
    "ProviderDispute",
    "ProviderFee",
    "ProviderEvent",
    "ProviderPayment",
    "ProviderRefund",
    "RefundRequest",
    "RefundStatus",
    "build",
    "step",
]


class PaymentSettings(Protocol):
    """The settings of an installation that payments need."""

    @property
    def PAYMENT_PROVIDER(self) -> str: ...
    @property
    def STRIPE_SECRET_KEY(self) -> str: ...
    @property
    def STRIPE_PUBLISHABLE_KEY(self) -> str: ...
    @property
    def STRIPE_WEBHOOK_SECRET(self) -> str: ...
    @property
    def STRIPE_API_BASE(self) -> str: ...
    @property
    def SIMULATOR_PORT(self) -> int: ...
    @property
    def SECRET_KEY(self) -> str: ...
    @property
    def BASE_DOMAIN(self) -> str: ...


def build(settings: PaymentSettings, *, guard: Breaker | None = None) -> PaymentProvider:
    """The provider of this installation. The simulator is always asked on this machine, without TLS."""
    if settings.PAYMENT_PROVIDER == "mock":
        return MockProvider(
            keys=SimulatorKeys.of(settings.SECRET_KEY),
            api_base=f"http://127.0.0.1:{settings.SIMULATOR_PORT}",
            page_base=f"http://{settings.BASE_DOMAIN}:{settings.SIMULATOR_PORT}",
            guard=guard,
        )
    return StripeProvider(
        secret_key=settings.STRIPE_SECRET_KEY,
        publishable_key=settings.STRIPE_PUBLISHABLE_KEY,
        webhook_secret=settings.STRIPE_WEBHOOK_SECRET,
        api_base=settings.STRIPE_API_BASE,
        guard=guard,
    )
