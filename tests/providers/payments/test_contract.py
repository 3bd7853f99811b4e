"""The contract, held against our simulator and against localstripe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.providers.payments import localstripe
from tests.providers.payments.contract import StripeContract
from tests.providers.payments.rig import KEYS, Receiver, receiving, simulating

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Side:
    base: str
    key: str
    receiver: Receiver


class TestSimulator(StripeContract):
    @pytest.fixture(scope="class")
    @classmethod
    def judged(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
        with receiving() as receiver, simulating(tmp_path_factory.mktemp("simulator"), receiver) as bench:
            yield Side(bench.base, KEYS.secret, receiver)


@pytest.mark.skipif(not localstripe.is_installed(), reason="localstripe is not installed")
class TestLocalstripe(StripeContract):
    @pytest.fixture(scope="class")
    @classmethod
    def judged(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
        folder = tmp_path_factory.mktemp("localstripe")
        with receiving() as receiver, localstripe.running(folder, receiver.port) as base:
            yield Side(base, localstripe.KEY, receiver)
