"""The mail providers under their common contract, and what only one of them can show."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from app.core import outside, scope
from app.core.outside import Breaker, ProviderRefused, ProviderUnavailable
from app.providers.mail import build
from app.providers.mail.base import Attachment, CalendarPart, Mail
from app.providers.mail.mock import INVITATION, MockMail, MockMailMessage
from app.providers.mail.smtp import SmtpMail
from config import load_settings
from tests.providers.mail.contract import (
    FAIL_MAX,
    RESET_SECONDS,
    SENDER,
    Failure,
    MailContract,
    Received,
    mail,
    read,
)
from tests.providers.mail.relay import (
    DEFERRED,
    DROP,
    HANG,
    PASSWORD,
    REFUSED,
    USERNAME,
    Certificate,
    Relay,
    RelayServer,
    make_certificate,
)

if TYPE_CHECKING:
    from tests.support.databases import Database

TIMEOUT = 1.0


def own_breaker() -> Breaker:
    return Breaker("mail", fail_max=FAIL_MAX, reset_seconds=RESET_SECONDS)


@pytest.fixture(autouse=True)
def _of_no_application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "_redis", lambda: None)
    monkeypatch.setattr(outside, "_in_transaction", outside._never)


# -- The mock -----------------------------------------------------------------------------------------


class MockBench:
    def __init__(self, provider: MockMail, database: Database) -> None:
        self.provider, self.database = provider, database

    def fail_next(self, sends: int, failure: Failure) -> None:
        self.provider.fail_next(sends, failure)

    def lag(self, seconds: float) -> None:
        self.provider.lag_seconds = seconds

    def rows(self) -> list[dict[str, Any]]:
        with self.database.connect() as connection:
            rows = connection.execute("SELECT to_jsonb(mock_mail) FROM mock_mail ORDER BY id").fetchall()
        return [row for (row,) in rows]

    def received(self) -> list[Received]:
        return [self._received(row) for row in self.rows() for _copy in range(row["copies"])]

    def _received(self, row: dict[str, Any]) -> Received:
        headers = row["headers"]
        files = [
            (file["filename"], file["content_type"], base64.b64decode(file["data"]))
            for file in row["attachments"] or ()
        ]
        calendars = [file for file in files if file[0] == INVITATION]
        assert (headers["To"], headers["Subject"]) == (row["recipient"], row["subject"])
        return Received(
            recipient=row["recipient"],
            subject=row["subject"],
            text=row["text"],
            html=row["html"],
            sender=headers["From"],
            reply_to=headers.get("Reply-To"),
            message_id=headers["Message-ID"],
            headers=headers,
            files=[file for file in files if file not in calendars],
            calendar=calendars[0][1:] if calendars else None,
        )


class TestMock(MailContract):
    @pytest.fixture
    def bench(self, database: Database) -> Iterator[MockBench]:
        engine = create_engine(database.app_url, poolclass=NullPool)
        yield MockBench(MockMail(engine, sender=SENDER, guard=own_breaker()), database)
        engine.dispose()

    def test_a_second_send_is_counted_not_hidden(self, bench: MockBench) -> None:
        for _ in range(3):
            bench.provider.send(mail())
        bench.provider.send(mail(message_id="e2"))
        assert [(row["message_id"], row["copies"]) for row in bench.rows()] == [("e1.invite", 3), ("e2", 1)]

    def test_the_tenant_in_force_is_noted(self, bench: MockBench, monkeypatch: pytest.MonkeyPatch) -> None:
        scopes = [None, scope.TenantScope(7), scope.PlatformScope("test")]
        for number, present in enumerate(scopes):
            monkeypatch.setattr(scope, "current", lambda present=present: present)
            bench.provider.send(mail(message_id=f"e{number}"))
        assert [row["tenant_id"] for row in bench.rows()] == [None, 7, None]
        assert all(row["sent_at"] for row in bench.rows())

    def test_the_operator_sees_which_files_went_along(self, bench: MockBench, database: Database) -> None:
        file = Attachment("Receipt 7.pdf", "application/pdf", b"%PDF")
        calendar = CalendarPart("CANCEL", b"METHOD:CANCEL\r\n")
        bench.provider.send(mail(attachments=(file, file), calendar=calendar))
        bench.provider.send(mail(message_id="e2"))
        engine = create_engine(database.owner_url, poolclass=NullPool)
        with Session(engine) as session:
            session.execute(text("SET ROLE wm_platform"))
            first, second = session.scalars(select(MockMailMessage).order_by(MockMailMessage.id)).all()
            assert "attachments" not in vars(first)  # a list of mails does not read files
            assert first.attached == "Receipt 7.pdf, Receipt 7.pdf, invite.ics"
            assert (second.attached, second.attachments) == ("", None)
            nothing = text("SELECT count(*) FROM mock_mail WHERE attachments IS NULL")
            assert session.execute(nothing).scalar_one() == 1

    def test_it_takes_the_platforms_role_and_the_application_itself_may_not_look(
        self, bench: MockBench, database: Database
    ) -> None:
        bench.provider.send(mail())
        with database.connect("wm_app") as connection, pytest.raises(Exception, match="permission denied"):
            connection.execute("SELECT 1 FROM mock_mail")

    def test_its_database_being_away_is_an_outage(self) -> None:
        engine = create_engine("postgresql+psycopg://wm_app@127.0.0.1:1/x", poolclass=NullPool)
        with pytest.raises(ProviderUnavailable, match="database is away"):
            MockMail(engine, sender=SENDER, guard=own_breaker()).send(mail())


# -- SMTP ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def running(**smtp: Any) -> Iterator[RelayServer]:
    relay = Relay()
    if "auth_required" in smtp:
        smtp["authenticator"] = relay.authenticate
    server = RelayServer(relay, **smtp)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def client(server: RelayServer, **more: Any) -> SmtpMail:
    values: dict[str, Any] = {"security": "none", "timeout": TIMEOUT, "guard": own_breaker(), **more}
    return SmtpMail(host="127.0.0.1", port=server.port, sender=SENDER, **values)


class SmtpBench:
    PLANS = {
        "refused": {"RCPT": REFUSED},
        "deferred": {"RCPT": DEFERRED},
        "unavailable": {"EHLO": DROP},
        "reply_lost": {"KEPT": DROP},
    }

    def __init__(self, server: RelayServer, provider: SmtpMail) -> None:
        self.relay, self.provider = server.relay, provider

    def fail_next(self, sends: int, failure: Failure) -> None:
        self.relay.plan += [dict(self.PLANS[failure]) for _ in range(sends)]

    def lag(self, seconds: float) -> None:
        self.relay.lag = seconds

    def received(self) -> list[Received]:
        return [read(*item) for item in self.relay.kept]


class TestSmtp(MailContract):
    @pytest.fixture
    def bench(self) -> Iterator[SmtpBench]:
        with running() as server:
            yield SmtpBench(server, client(server))

    @pytest.mark.parametrize(
        ("plan", "error", "says"),
        [
            ({"EHLO": "421 busy"}, ProviderUnavailable, "busy"),
            ({"MAIL": "451 later"}, ProviderUnavailable, "sender: 451"),
            ({"MAIL": "553 not your sender"}, ProviderUnavailable, "sender: 553"),
            ({"MAIL": "530 log in first"}, ProviderUnavailable, "sender: 530"),
            ({"MAIL": "552 too large"}, ProviderRefused, "sender: 552"),
            ({"RCPT": "421 closing"}, ProviderUnavailable, "recipient: 421"),
            ({"RCPT": "530 log in first"}, ProviderUnavailable, "recipient: 530"),
            ({"RCPT": "550 nobody"}, ProviderRefused, "recipient: 550 nobody"),
            ({"DATA": "451 later"}, ProviderUnavailable, "data: 451"),
            ({"DATA": "554 no"}, ProviderRefused, "data: 554"),
            ({"TEXT": "452 disk full"}, ProviderUnavailable, "data: 452"),
            ({"TEXT": "554 this is spam"}, ProviderRefused, "data: 554 this is spam"),
            ({"TEXT": "not a reply"}, ProviderUnavailable, "mail: "),
        ],
    )
    def test_each_answer_of_a_relay(
        self, bench: SmtpBench, plan: dict[str, str], error: type[Exception], says: str
    ) -> None:
        bench.relay.plan.append(plan)
        with pytest.raises(error, match=says) as raised:
            bench.provider.send(mail())
        assert type(raised.value) is error
        assert bench.received() == []
        bench.provider.send(mail())
        assert len(bench.received()) == 1

    @pytest.mark.parametrize("how", [HANG, DROP])
    @pytest.mark.parametrize("step", ["EHLO", "MAIL", "RCPT", "DATA", "TEXT"])
    def test_a_relay_that_hangs_or_goes_away_at_any_step(self, bench: SmtpBench, step: str, how: str) -> None:
        bench.relay.plan.append({step: how})
        started = time.monotonic()
        with pytest.raises(ProviderUnavailable):
            bench.provider.send(mail())
        assert time.monotonic() - started < TIMEOUT * 3
        assert bench.received() == []
        bench.provider.send(mail())
        assert len(bench.received()) == 1

    @pytest.mark.parametrize("how", [HANG, DROP, "500 what?"])
    def test_what_happens_after_it_was_accepted_does_not_matter(self, bench: SmtpBench, how: str) -> None:
        bench.relay.plan.append({"QUIT": how})
        bench.provider.send(mail())
        assert len(bench.received()) == 1

    def test_one_connection_per_mail_and_none_left_open(self, bench: SmtpBench) -> None:
        for number in range(3):
            bench.provider.send(mail(message_id=f"e{number}"))
        bench.relay.plan.append({"RCPT": REFUSED})
        with pytest.raises(ProviderRefused):
            bench.provider.send(mail())
        assert bench.relay.connections == 4
        eventually(lambda: bench.relay.open == 0)

    def test_letters_beyond_ascii_in_an_address(self, bench: SmtpBench) -> None:
        bench.provider.send(mail(to="änna@schüle.test"))
        assert [got.recipient for got in bench.received()] == ["änna@schüle.test"]

    def test_a_relay_that_can_not_take_such_letters_is_no_outage(self) -> None:
        with running(enable_SMTPUTF8=False) as server:
            with pytest.raises(ProviderRefused, match="letters"):
                client(server).send(mail(to="änna@schüle.test"))
            assert server.relay.kept == []

    def test_nobody_there(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
            provider = SmtpMail(
                host="127.0.0.1",
                port=taken.getsockname()[1],
                sender=SENDER,
                security="none",
                guard=own_breaker(),
            )
            with pytest.raises(ProviderUnavailable, match="ConnectionRefused"):
                provider.send(mail())

    def test_nothing_but_silence(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            provider = SmtpMail(
                host="127.0.0.1", port=silent.getsockname()[1], sender=SENDER, security="none",
                timeout=0.3, guard=own_breaker(),
            )  # fmt: skip
            with pytest.raises(ProviderUnavailable, match="Timeout|timed out"):
                provider.send(mail())

    def test_a_chatterbox_that_never_comes_to_the_point(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as chatty:

            def chat() -> None:
                with chatty.accept()[0] as line, contextlib.suppress(OSError):
                    while True:
                        line.sendall(b"x" * 100_000)

            thread = threading.Thread(target=chat)
            thread.start()
            provider = SmtpMail(
                host="127.0.0.1", port=chatty.getsockname()[1], sender=SENDER, security="none",
                timeout=0.3, guard=own_breaker(),
            )  # fmt: skip
            with pytest.raises(ProviderUnavailable):
                provider.send(mail())
            thread.join(10)
            assert not thread.is_alive()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), host=None)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), host="relay.elsewhere.test")


class TestSmtpSecurity:
    def test_starttls(self, certificate: Certificate) -> None:
        with running(tls_context=certificate.server(), require_starttls=True) as server:
            client(server, security="starttls", tls=certificate.trusting_client()).send(mail())
            assert server.relay.encrypted == [True]

    def test_tls_from_the_first_byte(self, certificate: Certificate) -> None:
        with running(ssl_context=certificate.server()) as server:
            client(server, security="tls", tls=certificate.trusting_client()).send(mail())
            assert len(server.relay.kept) == 1

    def test_a_relay_without_starttls_gets_nothing(self) -> None:
        with running() as server:
            with pytest.raises(ProviderUnavailable, match="STARTTLS"):
                client(server, security="starttls").send(mail())
            assert server.relay.kept == []

    @pytest.mark.parametrize("security", ["starttls", "tls"])
    def test_a_certificate_that_is_not_trusted_gets_nothing(
        self, certificate: Certificate, security: str
    ) -> None:
        how = {"tls_context" if security == "starttls" else "ssl_context": certificate.server()}
        with running(auth_required=False, **how) as server:
            provider = client(server, security=security, username=USERNAME, password=PASSWORD)
            with pytest.raises(ProviderUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                provider.send(mail())
            assert (server.relay.kept, server.relay.logins) == ([], [])

    def test_a_certificate_for_another_host_gets_nothing(self, elsewhere: Certificate) -> None:
        with running(tls_context=elsewhere.server()) as server:
            with pytest.raises(ProviderUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                client(server, security="starttls", tls=elsewhere.trusting_client()).send(mail())
            assert server.relay.kept == []

    def test_login(self, certificate: Certificate) -> None:
        with running(tls_context=certificate.server(), auth_required=True) as server:
            how: dict[str, Any] = {"security": "starttls", "tls": certificate.trusting_client()}
            client(server, username=USERNAME, password=PASSWORD, **how).send(mail())
            assert len(server.relay.kept) == 1
            with pytest.raises(ProviderUnavailable, match="535"):
                client(server, username=USERNAME, password="wrong", **how).send(mail())
            with pytest.raises(ProviderUnavailable, match="530"):
                client(server, **how).send(mail())
            assert len(server.relay.kept) == 1

    def test_a_password_is_never_sent_in_clear(self) -> None:
        with pytest.raises(ValueError, match="SMTP_SECURITY"):
            SmtpMail(
                host="127.0.0.1",
                port=25,
                sender=SENDER,
                security="none",
                username=USERNAME,
                password=PASSWORD,
            )


# -- The choice ---------------------------------------------------------------------------------------


def test_the_settings_choose_the_provider() -> None:
    engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/x", poolclass=NullPool)
    common = {"SECRET_KEY": "x" * 40, "MAIL_FROM": "House <no-reply@house.test>"}
    assert isinstance(build(load_settings(MAIL_PROVIDER="mock", **common), engine), MockMail)
    with running() as server:
        settings = load_settings(
            MAIL_PROVIDER="smtp", SMTP_HOST="127.0.0.1", SMTP_PORT=server.port, SMTP_SECURITY="none", **common
        )
        provider = build(settings, engine)
        assert isinstance(provider, SmtpMail)
        provider.send(Mail(to="anna@school.test", subject="x", text="y", message_id="e1"))
        assert read(*server.relay.kept[0]).sender == "House <no-reply@house.test>"


def test_the_model_fits_its_table(database: Database) -> None:
    engine = create_engine(database.owner_url, poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SET ROLE wm_platform"))
        assert connection.execute(text("SELECT count(*) FROM mock_mail")).scalar_one() == 0
