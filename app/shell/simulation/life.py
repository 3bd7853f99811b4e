"""Days of the market, one after the other: deeds by day, rest by night, and the books are compared.

Everything happens in this process and thread, at moments that the clock is set to, and chance comes from the
seed alone; so the same seed gives the same history, line by line of its journal.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import heapq
import itertools
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flask import Flask

from app.core import clock, schedule
from app.core.db import db
from app.core.outside import Breaker
from app.providers.mail.mock import MockMail
from app.providers.payments.keys import SimulatorKeys
from app.providers.payments.mock import MockProvider
from app.providers.payments.simulator import Simulator, SimulatorSettings
from app.shell.checks import broken_rules
from app.shell.simulation.deeds import Deed, Deeds
from app.shell.simulation.machinery import Machinery
from app.shell.simulation.market import open_market
from app.shell.simulation.model import Model
from app.shell.simulation.provider import Provider
from app.shell.simulation.rules import Difference
from app.shell.simulation.weather import FailingMail, FailingStorage, Killed, Weather
from app.shell.simulation.witness import Witness

# Spring and autumn: within a month each, the clocks change in Berlin, in Sydney and in New York.
BEGINNINGS = (dt.date(2027, 3, 8), dt.date(2027, 10, 4))
MORNING, EVENING = dt.timedelta(hours=1), dt.timedelta(hours=21)
MOST_NIGHT_ROUNDS = 14
PATIENCE_SECONDS = 0.4  # with a provider that keeps silent: real time, which nothing here waits for gladly

Say = Callable[[str], None]


@dataclass(frozen=True)
class Size:
    """How much happens."""

    customers: int = 6  # of each company
    deeds: int = 22  # a day
    ticks: int = 22  # of the scheduler, a day


@dataclass
class Told:
    """What a simulation has to say of itself. `digest` stands for the whole history."""

    seed: int
    days: int
    digest: str = ""
    deeds: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    post: dict[str, int] = field(default_factory=dict)
    killed: int = 0
    deliveries: int = 0
    rows: dict[str, int] = field(default_factory=dict)


class Stopped(Exception):
    """A difference, or a rule that does not hold: on which day, and what."""


def simulate(
    app: Flask, *, seed: int, days: int, size: Size | None = None, say: Say = lambda _line: None
) -> Told:
    """Live so many days on this empty database. Raises Stopped at the first thing that is not as it must
    be, and RuntimeError in production."""
    if app.config["ENVIRONMENT"] == "production":
        raise RuntimeError("nothing is simulated in production")
    random.seed(seed)  # what the house itself leaves to chance: the jitter of repeats
    size = size or Size()
    with (
        tempfile.TemporaryDirectory() as folder,
        _stage(app, seed, Path(folder)) as (simulator, storage, mail),
    ):
        return _Life(app, seed, size, say, simulator, storage, mail).live(days)


@contextmanager
def _stage(app: Flask, seed: int, folder: Path) -> Iterator[tuple[Simulator, FailingStorage, FailingMail]]:
    """Providers that fail on demand, and breakers that forget at once: real seconds mean nothing here."""
    keys = SimulatorKeys.of(app.config["SECRET_KEY"])
    base = app.config["BASE_DOMAIN"]
    simulator = Simulator(SimulatorSettings(folder=folder, keys=keys, base_domain=base, port=0)).start()
    payments = MockProvider(
        keys=keys,
        api_base=f"http://127.0.0.1:{simulator.port}",
        page_base=f"http://{base}:{simulator.port}",
        read_seconds=PATIENCE_SECONDS,
        guard=Breaker(f"simulated payments {seed}", reset_seconds=0.0),
    )
    with app.app_context():
        sender, engine = app.extensions["mail_sender"], db.engine
    guard = Breaker(f"simulated mail {seed}", reset_seconds=0.0)
    mail = FailingMail(MockMail(engine, sender=sender, guard=guard))
    storage = FailingStorage(app.extensions["storage"])
    replaced = {"payments": payments, "mail": mail, "storage": storage}
    before = {name: app.extensions[name] for name in replaced}
    app.extensions.update(replaced)
    try:
        yield simulator, storage, mail
    finally:
        app.extensions.update(before)
        simulator.stop()


class _Life:
    def __init__(
        self,
        app: Flask,
        seed: int,
        size: Size,
        say: Say,
        simulator: Simulator,
        storage: FailingStorage,
        mail: FailingMail,
    ) -> None:
        self._app, self._size, self._say = app, size, say
        self._rng = random.Random(seed)  # noqa: S311 - a history that can be told again, not a secret
        self._day = self._rng.choice(BEGINNINGS)
        self._journal, self._told = hashlib.sha256(), Told(seed, 0)
        self._model = Model()
        self._weather = Weather(self._chance(), simulator, mail, storage, app.config["ENVIRONMENT"])
        self._provider = Provider(app, simulator.port, self._chance(), self._weather)
        self._machinery = Machinery(
            self._chance(), self._weather, lambda: self._witness.due(clock.machine_now())
        )
        self._agenda: list[tuple[dt.datetime, int, Callable[[], None]]] = []
        self._number = itertools.count()

    def _chance(self) -> random.Random:
        """Each part draws from a source of its own."""
        return random.Random(self._rng.getrandbits(64))  # noqa: S311 - as above

    def live(self, days: int) -> Told:
        with ExitStack() as stack:
            stack.enter_context(self._app.app_context())
            opened_at = dt.datetime.combine(self._day, dt.time(), dt.UTC)
            with _at(opened_at):
                schedule.ensure()
                firms = open_market(self._model, opened_at, customers=self._size.customers)
            self._witness = Witness(self._app.config["SQLALCHEMY_DATABASE_URI"], self._model)
            stack.callback(self._witness.close)
            self._deeds = Deeds(
                self._chance(), firms, self._model, self._provider, self._weather, self._note, self._look, []
            )
            for number in range(1, days + 1):
                self._live_day(number)
                self._day += dt.timedelta(days=1)
                self._told.days = number
            return self._finish()

    @contextmanager
    def _at(self, moment: dt.datetime) -> Iterator[None]:
        """Both clocks stand at that moment. Raises Stopped, with when it was."""
        with _at(moment):
            try:
                yield
            except Difference as difference:
                raise Stopped(f"{moment:%Y-%m-%d %H:%M:%S}: {difference}") from difference

    # -- A day ---------------------------------------------------------------------------------------------

    def _live_day(self, number: int) -> None:
        begins = dt.datetime.combine(self._day, dt.time(), dt.UTC)
        self._note(f"day {number}, {self._day}")
        for _deed in range(self._size.deeds):
            at = begins + MORNING + self._rng.random() * (EVENING - MORNING)
            self._plan(at.replace(microsecond=0), self._begin_deed)
        for tick in range(self._size.ticks):
            self._plan(begins + MORNING + tick * (EVENING - MORNING) / self._size.ticks, self._tick)
        self._pass_until(begins + dt.timedelta(hours=22))
        self._sleep(begins + dt.timedelta(hours=22))
        if number % 7 == 1:
            self._analyze()

    def _plan(self, at: dt.datetime, what: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (at, next(self._number), what))

    def _pass_until(self, until: dt.datetime) -> None:
        while self._agenda and self._agenda[0][0] < until:
            at, _number, what = heapq.heappop(self._agenda)
            with self._at(at):
                what()
                self._look()

    def _begin_deed(self) -> None:
        self._told.deeds += 1
        self._go_on(self._deeds.any())

    def _go_on(self, deed: Deed) -> None:
        """As far as their next pause; then the house has some time to work."""
        pause = next(deed, None)
        self._take_post()
        if pause is not None:
            self._plan(clock.now() + pause, lambda: self._go_on(deed))
        if not self._weather.is_bad or self._rng.random() < 0.7:
            self._look()
            self._machinery.work()

    def _tick(self) -> None:
        """The scheduler ticks, unless everything is away for a while."""
        if self._rng.random() < 0.25:
            self._weather.turn()
        if self._machinery.stop_for_now():
            self._note("the machines are away")
            return
        self._machinery.tick()
        self._look()
        self._machinery.work()
        self._take_post()

    def _take_post(self) -> None:
        for delay, body in self._provider.new_post():
            self._plan(clock.now() + delay, lambda body=body: self._deliver(body))  # type: ignore[misc]

    def _deliver(self, body: str) -> None:
        self._weather.strike()
        again: dt.timedelta | None = dt.timedelta(minutes=5)
        try:
            with self._weather.deadly():
                again = self._provider.deliver(body)
        except Killed:
            self._machinery.killed += 1
        if again is not None:
            self._plan(clock.now() + again, lambda: self._deliver(body))
            return
        self._machinery.work()

    # -- A night -------------------------------------------------------------------------------------------

    def _sleep(self, begins: dt.datetime) -> None:
        """Nothing fails any more, and the house comes to rest; then everything must be as it should."""
        self._weather.calm()
        for number in range(MOST_NIGHT_ROUNDS):
            with self._at(begins + number * dt.timedelta(minutes=8)):
                self._machinery.tick()
                self._look()
                self._machinery.work()
                self._look()
                self._take_post()
                if number >= 2 and not self._witness.due(None) and not self._witness.unsettled():
                    break
        with self._at(begins + dt.timedelta(minutes=119)):
            self._machinery.tick()
            self._machinery.work()
            self._look()
            self._take_post()
            self._compare()
        self._weather.turn()

    def _compare(self) -> None:
        self._witness.compare()
        if waiting := self._witness.unsettled():
            raise Difference(f"{waiting} payments, refunds or orders have come to no end over night")
        if overdue := self._model.overdue():
            raise Difference("; ".join(overdue[:5]))
        self._compare_provider()
        broken = {rule: lines for rule, lines in broken_rules(self._app).items() if lines}
        if broken:
            raise Difference(f"broken rules: {broken}")
        for line in self._witness.balances():
            self._note(line)

    def _compare_provider(self) -> None:
        """Of every payment that it took money for, the books know how much, and what went back."""
        charges, known = self._provider.charges(), self._witness.payments()
        for ref, charge in charges.items():
            row = known.get(ref)
            if row is None or row["captured_minor"] != charge["captured"]:
                raise Difference(f"{ref}: the provider took {charge['captured']}, the books know of {row}")
            if row["fee_minor"] != charge["fee"]:
                raise Difference(f"{ref}: the provider kept {charge['fee']}, the books know of {row}")
            if row["back"] < charge["back"]:
                raise Difference(f"{ref}: the provider gave {charge['back']} back, the books know of {row}")
        for ref, row in known.items():
            if row["captured_minor"] and ref not in charges:
                raise Difference(f"{ref}: the books know of money that the provider never took")

    # -- What is kept --------------------------------------------------------------------------------------

    def _look(self) -> None:
        self._witness.look(clock.now())

    def _note(self, line: str) -> None:
        text = f"{clock.now():%m-%d %H:%M:%S} {line}" if clock.now().year > 2026 else line
        self._journal.update(text.encode() + b"\n")
        self._say(text)

    def _analyze(self) -> None:
        """As autovacuum would, which such a server has none of."""
        with db.engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE")

    def _finish(self) -> Told:
        told, model = self._told, self._model
        told.digest = self._journal.hexdigest()
        told.failures = dict(sorted(self._weather.happened.items()))
        told.post, told.killed = dict(self._provider.sent), self._machinery.killed
        told.deliveries = self._machinery.delivered
        told.rows = {
            "lessons": len(model.lessons),
            "seats": len(model.seats),
            "paid lines": sum(line.is_paid for line in model.lines.values()),
            "lost to others": sum(line.is_lost for line in model.lines.values()),
            "refunds": sum(len(line.refunds) for line in model.lines.values()),
            "disputes": len(model.disputes),
        }
        return told


@contextmanager
def _at(moment: dt.datetime) -> Iterator[None]:
    with clock.frozen(moment), clock.machine_frozen(moment):
        yield
