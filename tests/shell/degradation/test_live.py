"""The servers below hang, die, start empty or take nobody in, under traffic and without a restart of ours: what
people are answered meanwhile, and how soon all works again by itself (F11-F13, F15, F16, F22)."""

from __future__ import annotations

import random
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from app.core.db import db
from app.core.outside import ProviderUnavailable
from app.domains.payments.models import CAPTURED, PAID, UNKNOWN
from app.providers.payments.controls import SimulatorControls
from app.providers.payments.keys import SimulatorKeys
from app.shell import embedded
from app.shell.factory import create_app
from config import Settings
from tests.core.test_jobs import at_work, relay_at
from tests.domains.payments.support import GOOD, Till
from tests.providers.mail.relay import Relay
from tests.shell.degradation.ground import MANAGER, Ground, Traffic, ground, terminate
from tests.shell.degradation.support import wait_for
from tests.shell.http_racing import Client
from tests.support.databases import Clones, settings_for
from tests.support.servers import free_port, live_servers
from tests.support.world import make_world

PAGE_AFTER_POSTGRES, ALL_AFTER_POSTGRES = 5.0, 15.0
ALL_AFTER_REDIS = 30.0
MOST = 90.0  # then something is broken, however slow the machine


@pytest.fixture(scope="module")
def place(servers: embedded.Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(servers, tmp_path_factory.mktemp("ground")) as made:
        made.usual = made.seconds_to_work_again(made.client(), MOST)["mail"]
        yield made


@pytest.fixture(autouse=True)
def _nobody_did_too_much_yet(place: Ground) -> None:
    place.forget_limits()


def say(what: str, **seconds: object) -> None:
    found = ", ".join(
        f"{name} {value:.1f} s" if isinstance(value, float) else f"{name} {value}"
        for name, value in seconds.items()
    )
    sys.stdout.write(f"\n{what}: {found}\n")


# -- Redis -------------------------------------------------------------------------------------------------


def refuse_guesses(place: Ground) -> None:
    """The limits on guessing hold without Redis: they are counted in PostgreSQL."""
    client = Client(place.live.port)
    client.open("/login/")
    statuses = []
    for number in range(30):
        answer = client.ask("POST", "/login/", {"email": "tutor@anna.test", "password": f"guess {number}"})
        statuses.append(answer.status)
        if answer.status == 429:
            break
    assert statuses[-1] == 429, statuses
    assert set(statuses[:-1]) == {401} or set(statuses[:-1]) <= {200, 401, 422}, statuses


def waits(client: Client, times: int) -> list[float]:
    found = []
    for _ in range(times):
        begun = time.monotonic()
        assert client.ask("GET", "/account/").status == 200
        found.append(time.monotonic() - begun)
    return sorted(found)


def test_redis_hangs(place: Ground) -> None:
    client = place.client()
    usual = waits(client, 10)[5]
    with place.hung("valkey"):
        begun = time.monotonic()
        seconds = waits(client, 30)
        over = sum(second > usual + 0.4 for second in seconds)
        asked = 1 + (time.monotonic() - begun) / 3.0
        assert over <= 2 * asked, f"who asks again waits half a second, nobody else: {seconds}"
        assert seconds[15] < usual + 0.4
        email, answer = place.invite(client)
        assert answer.status == 302
        place.client()  # signing in needs no Redis
        refuse_guesses(place)
    begun = time.monotonic()
    wait_for("the mail", lambda: place.has_mail(email), MOST)
    mail = time.monotonic() - begun
    assert mail < ALL_AFTER_REDIS + 5 * place.usual
    place.seconds_to_work_again(client, MOST)
    place.assert_nobody_was_restarted()
    say("Redis hung", usual=usual, middle=seconds[15], longest=seconds[-1], mail_after=mail)


def test_redis_dies_and_comes_back_empty(place: Ground) -> None:
    """Jobs that were handed over are gone with it; the outbox hands them over again."""
    client = place.client()
    keeper = psutil.Process(place.live.processes["worker"].pid)
    worker = [keeper, *keeper.children()]
    for process in worker:
        process.send_signal(signal.SIGSTOP)
    lost = [place.invite(client)[0] for _ in range(3)]
    with redis.Redis.from_url(place.database.redis_url) as queue:
        wait_for("all are handed over", lambda: len(queue.keys("rq:job:delivery-*")) >= 3, MOST)
    place.end("valkey", signal.SIGKILL)
    for process in worker:
        process.send_signal(signal.SIGCONT)
    seconds = waits(client, 10)
    assert seconds[-1] < 2
    meanwhile, answer = place.invite(client)
    assert answer.status == 302
    refuse_guesses(place)
    time.sleep(3)
    place.servers.revive()
    begun = time.monotonic()
    wait_for("all mails", lambda: all(map(place.has_mail, [*lost, meanwhile])), MOST)
    mails = time.monotonic() - begun
    place.seconds_to_work_again(client, MOST)
    assert mails < ALL_AFTER_REDIS + 5 * place.usual
    copies = place.query("SELECT max(copies) FROM mock_mail WHERE recipient = ANY(%s)", [*lost, meanwhile])
    assert copies == [(1,)]
    place.assert_nobody_was_restarted()
    say("Redis killed, back empty", longest_page=seconds[-1], mails_after=mails)


def test_redis_is_emptied_under_traffic(place: Ground) -> None:
    client, other = place.client(), place.client()
    sent: list[tuple[str, int]] = []

    with (
        redis.Redis.from_url(place.database.redis_url) as queue,
        Traffic([lambda: client.ask("GET", "/account/"), place.invites(other, sent)]) as traffic,
    ):
        for _ in range(6):
            time.sleep(0.5)
            queue.flushall()
    assert not traffic.wrong
    assert traffic.statuses[503] == 0
    begun = time.monotonic()
    wait_for("all mails", lambda: all(place.has_mail(email) for email, _status in sent), MOST)
    after = time.monotonic() - begun
    assert after < ALL_AFTER_REDIS + 5 * place.usual
    say("Redis emptied six times", mails=len(sent), all_after=after, statuses=dict(traffic.statuses))


# -- PostgreSQL --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(signal.SIGINT, id="fast", marks=pytest.mark.soak),
        pytest.param(signal.SIGQUIT, id="immediate"),
    ],
)
def test_postgres_is_restarted(place: Ground, how: signal.Signals) -> None:
    reader, writer, client = place.client(), place.client(), place.client()
    sent: list[tuple[str, int]] = []

    asks = [
        lambda: reader.ask("GET", "/admin/people/"),
        lambda: client.ask("GET", "/account/"),
        place.invites(writer, sent),
    ]
    with Traffic(asks) as traffic:
        time.sleep(1)
        place.end("postgres", how)
        time.sleep(1)
        place.servers.revive()
        seconds = place.seconds_to_work_again(place_of(client), MOST)
        time.sleep(0.5)
    say(
        f"PostgreSQL restarted ({how.name})",
        longest_wait=traffic.longest,
        statuses=dict(traffic.statuses),
        **seconds,
    )
    assert not traffic.wrong, traffic.wrong[:3]
    assert traffic.statuses[503] > 0, "it was noticed"
    assert seconds["page"] < PAGE_AFTER_POSTGRES
    assert seconds["mail"] < ALL_AFTER_POSTGRES + 5 * place.usual
    assert_nothing_by_half(place, sent)
    place.assert_nobody_was_restarted()


def place_of(client: Client) -> Client:
    """The same person in another window: one connection at a time each."""
    return Client(client.port, client.slug, client.cookie, client.csrf)


def assert_nothing_by_half(place: Ground, sent: list[tuple[str, int]]) -> None:
    """What was answered with yes is there with all that belongs to it; of what was not, all or nothing."""
    kept = dict(
        place.query(
            "SELECT i.email, count(o.id) FROM invitation i LEFT JOIN outbox o ON"
            " (o.payload ->> 'invitation_id')::bigint = i.id GROUP BY 1"
        )
    )
    for email, status in sent:
        if status == 302:
            assert kept.get(email), f"{email} was promised"
    assert all(kept.values()), "an invitation without its delivery"
    assert any(status == 302 for _email, status in sent)


def test_postgres_takes_nobody_in(place: Ground) -> None:
    """At its limit of connections, while those that were open are cut."""
    client = place.client()
    asks = [lambda: client.ask("GET", "/account/"), lambda: place_of(client).ask("GET", "/admin/people/")]
    with Traffic(asks) as traffic, place.database.connect() as admin:  # type: ignore[arg-type]
        time.sleep(0.5)
        admin.execute("ALTER ROLE wm_app CONNECTION LIMIT 0")
        terminate(place.database)
        time.sleep(0.3)
        begun = time.monotonic()
        for _ in range(10):
            answer = client.ask("GET", "/account/")
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        each = (time.monotonic() - begun) / 10
        admin.execute("ALTER ROLE wm_app CONNECTION LIMIT -1")
        seconds = place.seconds_to_work_again(place_of(client), MOST)
    say("PostgreSQL at its limit", each_503=each, statuses=dict(traffic.statuses), **seconds)
    assert each < 1, "who can't be served is told so at once"
    assert not traffic.wrong, traffic.wrong[:3]
    assert seconds["page"] < PAGE_AFTER_POSTGRES
    place.assert_nobody_was_restarted()


def test_connections_are_cut_all_the_time(place: Ground) -> None:
    """One backend after the other is terminated: people hardly notice, and what they wrote is there once."""
    reader, writer = place.client(), place.client()
    sent: list[tuple[str, int]] = []

    with Traffic([lambda: reader.ask("GET", "/admin/people/"), place.invites(writer, sent)]) as traffic:
        cut = 0
        for _ in range(20):
            time.sleep(0.1)
            cut += terminate(place.database)
    say("connections cut", cut=cut, statuses=dict(traffic.statuses))
    assert not traffic.wrong, traffic.wrong[:3]
    assert cut > 20
    assert_nothing_by_half(place, sent)
    doubled = place.query("SELECT email FROM invitation GROUP BY 1 HAVING count(*) > 1")
    assert doubled == []
    place.seconds_to_work_again(reader, MOST)
    place.assert_nobody_was_restarted()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_one_thing_after_the_other(place: Ground, seed: int) -> None:
    """Twenty faults in a random order under traffic: nothing but 200, 302 and 503, and all works in the end."""
    rng = random.Random(seed)
    reader, writer, client = place.client(), place.client(), place.client()
    sent: list[tuple[str, int]] = []

    def restart(name: str, how: signal.Signals) -> None:
        place.end(name, how)
        time.sleep(rng.uniform(0, 2))
        place.servers.revive()

    def hang(name: str) -> None:
        with place.hung(name):
            time.sleep(rng.uniform(0.5, 4))

    faults = [
        lambda: restart("postgres", signal.SIGINT),
        lambda: restart("postgres", signal.SIGQUIT),
        lambda: restart("valkey", signal.SIGKILL),
        lambda: hang("valkey"),
        lambda: terminate(place.database),
    ]
    with Traffic([lambda: reader.ask("GET", "/admin/people/"), place.invites(writer, sent)]) as traffic:
        for _ in range(20):
            time.sleep(rng.uniform(0.5, 2))
            place.forget_limits()
            rng.choice(faults)()
    say(f"twenty faults (seed {seed})", statuses=dict(traffic.statuses), longest_wait=traffic.longest)
    assert not traffic.wrong, traffic.wrong[:3]
    assert_nothing_by_half(place, sent)
    place.seconds_to_work_again(place_of(client), MOST)
    promised = [email for email, status in sent if status == 302]
    wait_for("all mails", lambda: all(map(place.has_mail, promised)), 10 * MOST)
    place.assert_nobody_was_restarted()


@pytest.mark.soak
def test_a_dead_workers_job_runs_again_within_a_minute(clones: Clones, tmp_path: Path) -> None:
    """With the lease as it is set by default; worker and horse are killed in the midst of a mail."""
    port, lease = free_port(), Settings.model_fields["OUTBOX_LEASE_SECONDS"].default
    smtp = {"MAIL_PROVIDER": "smtp", "SMTP_HOST": "127.0.0.1", "SMTP_PORT": port, "SMTP_SECURITY": "none"}
    with (
        at_work(clones, tmp_path, OUTBOX_LEASE_SECONDS=lease, **smtp) as site,
        relay_at(port, Relay(plan=[{"KEPT": "hang"}])) as relay,
    ):
        site.invite(site.world.anna, "late@anna.test")
        wait_for("the relay has it", lambda: len(relay.kept) == 1, MOST)
        begun = time.monotonic()
        horses = psutil.Process(site.live.processes["worker"].pid).children()
        assert horses, "one is at work"
        site.live.kill("worker")
        for horse in horses:  # in a session of its own, it would go on as an orphan and fail by itself
            horse.kill()
        site.live.start("worker")
        wait_for("the relay has it again", lambda: len(relay.kept) == 2, MOST)
        again = time.monotonic() - begun
    say("worker killed in a job", run_again_after=again)
    assert again < 60


@pytest.mark.soak
def test_an_unknown_payment_is_known_within_two_minutes(clones: Clones, tmp_path: Path) -> None:
    """The provider's answer is lost after it took effect, and no webhook comes: what asks is the schedule."""
    port, database = free_port(), clones.make("unknown")
    app = create_app(settings_for(database, tmp_path, SIMULATOR_PORT=port))
    keys = SimulatorKeys.of(app.config["SECRET_KEY"])
    till = Till(app, make_world(app), SimulatorControls(port, keys), app.extensions["payments"], keys)
    # Without the web process, which would be told.
    names = ("simulator", "dispatcher", "worker", "scheduler")
    with live_servers(database, tmp_path, names=names, SIMULATOR_PORT=port):
        wait_for("the simulator", lambda: answers(port), MOST)
        bought = till.place()
        till.controls.set_faults(lose_answers=1)
        with pytest.raises(ProviderUnavailable):
            till.start(bought)
        begun = time.monotonic()
        assert till.payment(bought).status == UNKNOWN
        till.controls.pay(till.at_provider(till.payment(bought)).client_secret, GOOD)
        wait_for("the order is paid", lambda: till.order(bought).status == PAID, 120)
        seconds = time.monotonic() - begun
        assert till.payment(bought).status == CAPTURED
        assert len(till.events("charge.succeeded")) == 1
    say("payment unknown", known_after=seconds)
    with app.app_context():
        db.engine.dispose()
    app.extensions["redis"].close()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_who_was_signed_in_still_is(place: Ground) -> None:
    """Whatever happened before in this file."""
    assert place.client(MANAGER).ask("GET", "/account/").status == 200
