"""The simulator's keys. All follow from SECRET_KEY, so that app and simulator agree without a setting."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


@dataclass(frozen=True, slots=True)
class SimulatorKeys:
    """The API's two keys, the key that webhooks are signed with, and the one that opens the controls."""

    secret: str
    publishable: str
    webhook: str
    control: str

    @classmethod
    def of(cls, secret_key: str) -> SimulatorKeys:
        return cls(
            secret=f"sk_test_{_derived(secret_key, 'secret')}",
            publishable=f"pk_test_{_derived(secret_key, 'publishable')}",
            webhook=f"whsec_{_derived(secret_key, 'webhook')}",
            control=_derived(secret_key, "control"),
        )


def _derived(secret_key: str, purpose: str) -> str:
    hkdf = HKDF(SHA256(), length=24, salt=None, info=f"wemaster payment simulator {purpose}".encode())
    return hkdf.derive(secret_key.encode()).hex()
