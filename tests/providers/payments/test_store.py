"""Nothing that was answered is lost: not by a restart, a crash, a full disk or a second simulator."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from app.core.outside import ProviderUnavailable
from app.providers.payments import EVENTS
from app.providers.payments.controls import SimulatorControls
from app.providers.payments.mock import MockProvider
from app.providers.payments.simulator import Simulator, SimulatorSettings, StoreInUse, courier
from app.providers.payments.simulator.server import PortTaken
from app.providers.payments.simulator.store import Store
from tests.providers.payments.rig import (
    GOOD,
    KEYS,
    SECURE,
    Bench,
    Receiver,
    ask,
    eventually,
    refund,
    request,
    simulating,
)
from tests.support.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    with simulating(tmp_path) as first:
        paid = first.paid()
        given = first.provider.create_refund(refund(paid, 1500))
        asked = first.paid(SECURE, "order-2")
        dispute_id = first.controls.dispute(first.paid(reference="order-3").id)
        before, types = first.provider.retrieve_payment(paid.id), first.event_types()
    with simulating(tmp_path) as second:
        assert second.provider.retrieve_payment(paid.id) == before
        assert second.event_types() == types
        assert second.payment().id == paid.id, "the answer to the key is known still"
        assert second.provider.create_refund(refund(paid, 1500)) == given
        assert second.provider.refunds_of(paid.id) == (given,)
        second.controls.authenticate(asked.client_secret, passed=True)
        assert second.provider.retrieve_payment(asked.id).status == "succeeded"
        assert second.provider.retrieve_dispute(dispute_id).status == "needs_response"
        assert [intent.id for intent in second.client.v1.payment_intents.list().data][::-1][:2] == [
            paid.id,
            asked.id,
        ]
        assert second.simulator.faults.shown()["fail_calls"] == 0


def test_what_was_not_delivered_is_delivered_after_a_restart(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "FIRST_PAUSE_SECONDS", 60)
    receiver.answers[:] = [500] * 3
    with simulating(tmp_path, receiver) as first:
        first.paid()
        eventually(lambda: len(receiver.deliveries) == 3)
    with simulating(tmp_path, receiver) as second:
        eventually(lambda: len(receiver.deliveries) == 6)
        assert receiver.types()[3:] == second.event_types()
        eventually(lambda: not any(event["pending_webhooks"] for event in second.controls.events()))
    with simulating(tmp_path, receiver):
        time.sleep(0.2)
    assert len(receiver.deliveries) == 6, "what was taken is not sent again"


def test_a_line_that_a_crash_cut_off_never_was(tmp_path: Path) -> None:
    with simulating(tmp_path) as first:
        kept = first.payment("order-1")
        lost = first.payment("order-2")
    log = tmp_path / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    place = next(place for place, line in enumerate(lines) if lost.id.encode() in line)
    for length in (1, len(lines[place]) // 2, len(lines[place]) - 1):
        log.write_bytes(b"".join(lines[:place]) + lines[place][:length])
        with simulating(tmp_path) as second:
            assert second.provider.find_payment("order-2") is None
            assert second.provider.retrieve_payment(kept.id) == kept
            again = second.payment("order-2")
            assert again.id != lost.id
        with simulating(tmp_path) as third:
            assert third.provider.retrieve_payment(again.id) == again


def test_the_log_is_for_its_owner_only(bench: Bench, tmp_path: Path) -> None:
    bench.payment()
    assert (tmp_path / "events.jsonl").stat().st_mode & 0o077 == 0


def test_two_simulators_do_not_share_a_folder(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(StoreInUse), simulating(tmp_path):
        pass
    assert bench.payment().status == "requires_payment_method"


def test_a_port_that_is_taken(bench: Bench, tmp_path: Path) -> None:
    taken = SimulatorSettings(tmp_path / "other", KEYS, "shop.test", bench.simulator.port)
    with pytest.raises(PortTaken, match=str(bench.simulator.port)):
        Simulator(taken)
    assert bench.get("/health").status == 200


def test_a_disk_that_takes_no_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(28, "No space left on device")

    def fsync(_descriptor: int) -> None:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(ProviderUnavailable, match="500"):
            bench.payment()
        assert bench.provider.find_payment("order-1") is None
    made = bench.payment()
    assert bench.event_types() == ["payment_intent.created"]
    assert bench.provider.find_payment("order-1") == made


def test_a_change_that_fails_never_was(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail() -> None:
        with store.change() as change:
            change.put({"id": "pi_1", "object": "payment_intent"})
            assert change.get("pi_1") is not None
            assert store.get("pi_1") is None
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (store.get("pi_1"), store.all("payment_intent")) == (None, [])
    store.close()
    assert (tmp_path / "events.jsonl").read_bytes() == b""


_PROCESS = """
import json, sys, threading, signal
from pathlib import Path
from app.providers.payments.keys import SimulatorKeys
from app.providers.payments.simulator import SimulatorSettings, run
folder, port, secret = sys.argv[1:]
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
run(SimulatorSettings(Path(folder), SimulatorKeys.of(secret), "shop.test", int(port)), stop)
"""
SECRET = "a secret of the tests, long enough for one"


@contextlib.contextmanager
def process(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    arguments = [sys.executable, "-c", _PROCESS, str(folder), str(port), SECRET]
    running = subprocess.Popen(arguments, cwd=ROOT)
    try:
        eventually(lambda: _is_healthy(port), seconds=20)
        yield running
    finally:
        running.kill()
        running.wait(10)


def _is_healthy(port: int) -> bool:
    with contextlib.suppress(OSError):
        return ask(port, "GET", "/health").status == 200
    return False


def test_a_killed_process_has_lost_nothing_that_it_answered(tmp_path: Path) -> None:
    port = free_port()
    provider = MockProvider(
        keys=KEYS, api_base=f"http://127.0.0.1:{port}", page_base=f"http://shop.test:{port}"
    )
    controls = SimulatorControls(port, KEYS)
    with process(tmp_path, port) as first:
        payments = [provider.create_payment(request(f"order-{number}")) for number in range(20)]
        for payment in payments:
            controls.pay(payment.client_secret, GOOD)
        first.send_signal(signal.SIGKILL)
        first.wait(10)
    with process(tmp_path, port) as second:
        after = [provider.retrieve_payment(payment.id) for payment in payments]
        assert {payment.status for payment in after} == {"succeeded"}
        assert len(controls.events()) == 60
        second.terminate()
        assert second.wait(10) == 0


def test_settings_of_an_installation() -> None:
    installation: Any = SimpleNamespace(
        SECRET_KEY=SECRET, VAR_DIR=Path("/x/var"), BASE_DOMAIN="shop.test", PORT=8000, SIMULATOR_PORT=8002,
        DEFAULT_LOCALE="de",
    )  # fmt: skip
    local = SimulatorSettings.of(installation)
    assert (local.folder, local.keys, local.port, local.locale) == (
        Path("/x/var/simulator"),
        KEYS,
        8002,
        "de",
    )
    assert (local.hosts, local.webhook_url) == (("127.0.0.1",), "http://127.0.0.1:8000/webhooks/mock")
    assert (local.base_domain, local.webhook_host) == ("shop.test", "shop.test")
    assert local.webhook_events == EVENTS
    assert SimulatorSettings.of(installation, hosts=("127.0.0.1", "::1")).hosts == ("127.0.0.1", "::1")
    everywhere = SimulatorSettings.of(installation, hosts=("0.0.0.0",))
    assert (everywhere.hosts, everywhere.webhook_url) == (("0.0.0.0",), local.webhook_url)
    one = SimulatorSettings.of(installation, hosts=("192.0.2.7",))
    assert (one.hosts, one.webhook_url) == (("127.0.0.1", "192.0.2.7"), "http://192.0.2.7:8000/webhooks/mock")


def test_it_listens_on_both_loopback_addresses(tmp_path: Path) -> None:
    try:
        with simulating(tmp_path, hosts=("127.0.0.1", "::1")) as bench:
            assert bench.get("/health").status == 200
            six = http.client.HTTPConnection("::1", bench.simulator.port, timeout=5)
            six.request("GET", "/health")
            assert json.loads(six.getresponse().read()) == {"status": "ok"}
            six.close()
    except PortTaken as refusal:
        pytest.skip(f"this machine has no ::1: {refusal}")
