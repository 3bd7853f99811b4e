"""The API's tokens: rotation, replay, sign-out, forgeries and races (F35, F36)."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from werkzeug.test import TestResponse

from app.core import clock, signing
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts import policies, queries
from app.domains.accounts.events import RefreshTokenReused
from app.domains.accounts.service import signin, tokens
from tests.domains.accounts.support import NEW_PASSWORD, later, rows, run
from tests.support.databases import Database
from tests.support.world import PASSWORD, PLATFORM, Company, World

RACES = 1000


class App:
    """An app on somebody's phone: it holds tokens and no cookies."""

    def __init__(self, world: World, host: str) -> None:
        self.world, self.base = world, f"http://{host}"
        self.access = self.refresh = ""

    def call(
        self, path: str, body: Any = None, *, token: str | None = None, method: str = "POST"
    ) -> TestResponse:
        headers = {"Authorization": f"Bearer {token or self.access}"}
        client = self.world.app.test_client(use_cookies=False)
        return client.open(path, method=method, json=body, base_url=self.base, headers=headers)

    def sign_in(self, email: str, password: str = PASSWORD) -> App:
        return self.keep(self.call("/api/v1/auth/token", {"email": email, "password": password}))

    def keep(self, answer: TestResponse) -> App:
        assert answer.status_code == 200, answer.text
        self.access, self.refresh = answer.json["access_token"], answer.json["refresh_token"]
        return self

    def claims(self) -> dict[str, Any]:
        return jwt.decode(self.access, options={"verify_signature": False})

    def swap(self, token: str | None = None) -> TestResponse:
        return self.call("/api/v1/auth/refresh", {"refresh_token": token or self.refresh})

    def reads(self, token: str | None = None) -> int:
        return self.call("/api/v1/people/", method="GET", token=token).status_code

    def logout(self) -> TestResponse:
        return self.call("/api/v1/auth/logout")


@pytest.fixture
def phone(world: World) -> App:
    return App(world, world.anna.host).sign_in("manager@anna.test")


def live_tokens(database: Database) -> int:
    query = "SELECT count(*) FROM refresh_token r JOIN user_session s ON s.id = r.session_id"
    return rows(database, f"{query} WHERE r.used_at IS NULL AND s.ended_at IS NULL")[0][0]


def assert_refused(answer: TestResponse) -> dict[str, Any]:
    """401 with a problem JSON; returns it without the request's own id."""
    assert answer.status_code == 401, (answer.status_code, answer.text)
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    body = dict(answer.json)
    assert body.pop("request_id") == answer.headers["X-Request-Id"]
    return body


# -- The life of a chain -----------------------------------------------------------------------------------


def test_a_chain_of_tokens(phone: App, database: Database) -> None:
    first_access, first_refresh = phone.access, phone.refresh
    assert phone.reads() == 200
    answer = phone.swap()
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 600)
    assert answer.headers["Cache-Control"] == "no-store"
    phone.keep(answer)
    assert phone.access != first_access
    assert phone.refresh != first_refresh
    assert phone.reads() == 200
    assert live_tokens(database) == 1
    stored = b"".join(bytes(hash) for (hash,) in rows(database, "SELECT token_hash FROM refresh_token"))
    assert first_refresh.encode() not in stored
    kept = """
        SELECT r.tenant_id, r.expires_at - r.issued_at, s.kind, s.expires_at - s.last_seen_at
        FROM refresh_token r JOIN user_session s ON s.id = r.session_id WHERE r.used_at IS NULL
    """
    month = dt.timedelta(days=30)
    assert rows(database, kept) == [(phone.world.anna.id, month, "api", month)]
    with later(minutes=5):
        assert phone.swap().status_code == 200
        now = clock.machine_now()
        assert rows(database, "SELECT last_seen_at FROM user_session") == [(now,)]
        assert rows(database, "SELECT max(used_at), max(issued_at) FROM refresh_token") == [(now, now)]


def test_a_repeat_within_the_grace_gets_the_same_successor(phone: App, database: Database) -> None:
    """Two tabs of one app swap at the same time."""
    one, two = phone.swap(), phone.swap()
    assert (one.status_code, two.status_code) == (200, 200)
    assert one.json["refresh_token"] == two.json["refresh_token"]
    assert live_tokens(database) == 1


def test_a_planned_change_of_the_key_ends_nothing(
    phone: App, world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens of the former key hold, also where the second of two swaps comes after the change."""
    first = phone.swap()
    config = world.app.config
    monkeypatch.setitem(config, "SECRET_KEY_FALLBACKS", [config["SECRET_KEY"]])
    monkeypatch.setitem(config, "SECRET_KEY", "the key that comes next, of 32 characters")
    assert phone.reads() == 200
    second = phone.swap()
    assert second.json["refresh_token"] == first.json["refresh_token"]
    former, present = phone.access, phone.keep(second).access
    assert former != present
    assert phone.reads() == 200
    assert live_tokens(database) == 1
    monkeypatch.setitem(config, "SECRET_KEY_FALLBACKS", [])
    assert phone.reads(former) == 401
    assert phone.reads(present) == 200


def test_a_replay_after_the_grace_ends_the_whole_family(
    phone: App, world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced: list[Any] = []
    monkeypatch.setitem(world.app.extensions["wiring"].now, RefreshTokenReused, (announced.append,))
    stolen = phone.refresh
    phone.keep(phone.swap())
    newest = phone.keep(phone.swap())
    with later(seconds=11):
        assert_refused(phone.swap(stolen))
        assert [(e.tenant_id, e.user_id) for e in announced] == [
            (world.anna.id, world.anna.accounts["manager"])
        ]
        assert_refused(newest.swap())
        assert newest.reads() == 401
        assert_refused(phone.swap(stolen))
    assert len(announced) == 1
    [(reason,)] = rows(database, "SELECT end_reason FROM user_session WHERE ended_at IS NOT NULL")
    assert reason == "refresh token reused"


def test_signing_out_kills_both_tokens_at_once(phone: App) -> None:
    access, refresh = phone.access, phone.refresh
    other = App(phone.world, phone.world.anna.host).sign_in("manager@anna.test")
    assert phone.logout().status_code == 204
    assert phone.reads(access) == 401
    assert_refused(phone.swap(refresh))
    assert_refused(phone.logout())
    assert other.reads() == 200


def test_tokens_end_in_time(phone: App) -> None:
    first = phone.refresh
    with later(days=29, hours=23):
        phone.keep(phone.swap())
    with later(days=30, minutes=1):
        assert_refused(phone.swap(first))
        phone.keep(phone.swap())  # what ran out long ago is no theft
    with later(days=60, hours=1):
        assert_refused(phone.swap())


def test_a_program_signs_in_anew_after_three_months(phone: App, database: Database) -> None:
    """However often it swaps its tokens."""
    for days in (25, 50, 75):
        with later(days=days):
            phone.keep(phone.swap())
    with later(days=89, hours=23):
        phone.keep(phone.swap())
    [(ends,)] = rows(database, "SELECT expires_at FROM user_session")
    assert rows(database, "SELECT expires_at - created_at FROM user_session") == [
        (policies.API_SESSION_LIFE,)
    ]
    with clock.machine_frozen(ends):
        assert_refused(phone.swap())
        assert phone.reads() == 401


def change_password(world: World) -> None:
    browser = world.manager()
    form = {"current": PASSWORD, "new": NEW_PASSWORD, "repeat": NEW_PASSWORD}
    assert browser.post("/account/password", page="/account/", **form).status_code == 302


def close_account(world: World) -> None:
    account_id = world.anna.accounts["manager"]
    assert world.operator().post(f"/admin/accounts/{account_id}/do/close").status_code == 302


@pytest.mark.parametrize(
    "what", ["password changed", "account closed", "membership ended", "signed out in the admin"]
)
def test_what_happens_elsewhere_ends_the_chain_at_once(phone: App, database: Database, what: str) -> None:
    world = phone.world
    if what == "password changed":
        change_password(world)
    elif what == "account closed":
        close_account(world)
    elif what == "membership ended":
        run(
            database,
            "UPDATE membership SET status = 'ended' WHERE id = %s",
            world.anna.memberships["manager"],
        )
    else:
        [(session_id,)] = rows(database, "SELECT id FROM user_session")
        assert world.operator().post(f"/admin/sign-ins/{session_id}/do/end").status_code == 302
    assert phone.reads() == 401
    assert_refused(phone.swap())


def test_tokens_are_good_on_their_own_host_only(phone: App, world: World) -> None:
    for host in (world.bert.host, PLATFORM):
        elsewhere = App(world, host)
        assert elsewhere.reads(phone.access) in {401, 404}
        assert_refused(elsewhere.swap(phone.refresh))
    assert phone.reads() == 200
    assert phone.swap().status_code == 200, "the refusals elsewhere cost nothing"


@pytest.mark.parametrize(
    "body",
    [
        None, [], "x", 7, {}, {"refresh_token": None}, {"refresh_token": 7}, {"refresh_token": ""},
        {"refresh_token": "x\0y"}, {"refresh_token": "x" * 5001}, {"refresh_token": ["x"]}, {"refresh_token": "\ud800"},
    ],
)  # fmt: skip
def test_a_body_that_is_none(world: World, body: Any) -> None:
    answer = App(world, world.anna.host).call("/api/v1/auth/refresh", body)
    assert answer.status_code in {400, 415}, answer.text
    assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize("token", ["x", "x" * 4999, "' OR 1=1 --", "ünïcödé", "../../etc/passwd"])
def test_an_invented_refresh_token(world: World, token: str) -> None:
    assert_refused(App(world, world.anna.host).swap(token))


# -- Forged access tokens ----------------------------------------------------------------------------------

Claims = dict[str, Any]
Forger = Callable[[Claims, Ed25519PrivateKey, str], str]
THIEF = Ed25519PrivateKey.generate()
URL = "URL-OF-THE-CANARY"


def encode(**changes: Any) -> Forger:
    """Signed with the right key, with some claims changed; None takes a claim away."""

    def forge(claims: Claims, key: Ed25519PrivateKey, _url: str) -> str:
        changed = {**claims, **{n: v(claims[n]) if callable(v) else v for n, v in changes.items()}}
        return jwt.encode({n: v for n, v in changed.items() if v is not None}, key, algorithm="EdDSA")

    return forge


def by_thief(**headers: Any) -> Forger:
    def forge(claims: Claims, _key: Ed25519PrivateKey, url: str) -> str:
        real = {name: url if value == URL else value for name, value in headers.items()}
        return jwt.encode(claims, THIEF, algorithm="EdDSA", headers=real)

    return forge


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hmac(secret: Callable[[Ed25519PrivateKey], bytes], algorithm: str = "HS256") -> Forger:
    """RS/HS confusion: the public key is no secret, and must not work as one."""

    def forge(claims: Claims, key: Ed25519PrivateKey, _url: str) -> str:
        head = b64(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
        signed = f"{head}.{b64(json.dumps(claims).encode())}"
        return f"{signed}.{b64(hmac.new(secret(key), signed.encode(), hashlib.sha256).digest())}"

    return forge


def raw(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def cut(keep: Callable[[str], str]) -> Forger:
    return lambda claims, key, _url: keep(jwt.encode(claims, key, algorithm="EdDSA"))


def swapped_alg(claims: Claims, key: Ed25519PrivateKey, _url: str) -> str:
    _head, body, signature = jwt.encode(claims, key, algorithm="EdDSA").split(".")
    return ".".join([b64(b'{"alg":"HS256","typ":"JWT"}'), body, signature])


JWK_OF_THIEF = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw(THIEF))}
FORGERIES: dict[str, Forger] = {
    "alg none": lambda claims, _key, _url: jwt.encode(claims, None, algorithm="none"),
    "alg None without a signature": lambda claims, _key, _url: (
        b64(b'{"alg":"None"}') + "." + b64(json.dumps(claims).encode()) + "."
    ),
    "HS256 with the raw public key": by_hmac(raw),
    "HS256 with the PEM of the public key": by_hmac(pem),
    "HS256 with an empty secret": by_hmac(lambda _key: b""),
    "EdDSA in name, HMAC in fact": by_hmac(raw, "EdDSA"),
    "alg swapped after signing": swapped_alg,
    "another key": by_thief(),
    "a kid that is a path": by_thief(kid="../../../../dev/null"),
    "a kid that is SQL": by_thief(kid="x' UNION SELECT 'a' --"),
    "a kid of 50 kB": by_thief(kid="k" * 50_000),
    "jku": by_thief(jku=URL),
    "x5u": by_thief(x5u=URL),
    "its own jwk": by_thief(jwk=JWK_OF_THIEF),
    "crit": by_thief(crit=["exp"]),
    "expired": encode(exp=lambda exp: exp - 3600),
    "not yet": encode(nbf=9_999_999_999),
    "issued in the future": encode(iat=9_999_999_999),
    "no end": encode(exp=None),
    "end is no number": encode(exp="tomorrow"),
    "other audience": encode(aud="http://bert.localhost:8000"),
    "many audiences": encode(aud=["http://bert.localhost:8000", "http://localhost:8000"]),
    "other issuer": encode(iss="http://bert.localhost:8000"),
    "no issuer": encode(iss=None),
    "refresh in type": encode(typ="refresh"),
    "no type": encode(typ=None),
    "no session": encode(sid=None),
    "a session that is not": encode(sid=987_654_321),
    "a session in words": encode(sid="1 OR 1=1"),
    "a list as session": encode(sid=[1]),
    "no subject": encode(sub=None),
    "cut in the middle": cut(lambda token: token[: len(token) // 2]),
    "without its last letter": cut(lambda token: token[:-1]),
    "without its signature": cut(lambda token: token.rsplit(".", 1)[0] + "."),
    "two parts": cut(lambda token: token.rsplit(".", 1)[0]),
    "four parts": cut(lambda token: token + ".x"),
    "100 kB": lambda _claims, _key, _url: "eyJ" + "A" * 100_000,
    "dots": lambda _claims, _key, _url: "." * 50,
    "not ASCII": lambda _claims, _key, _url: "tökén",
}


@contextmanager
def canary() -> Iterator[tuple[str, list[str]]]:
    """A server on loopback that nobody should call, and who did."""
    visits: list[str] = []

    class Visit(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            visits.append(self.path)
            self.send_error(404)

    with HTTPServer(("127.0.0.1", 0), Visit) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/jwks.json", visits
        finally:
            server.shutdown()
            thread.join()


def test_forged_access_tokens(phone: App, world: World) -> None:
    """All get one and the same answer, and none makes us fetch anything."""
    with world.app.app_context():
        key = signing.access_key()
    claims = jwt.decode(phone.access, options={"verify_signature": False})
    answers = {}
    with canary() as (url, visits):
        for name, forge in FORGERIES.items():
            token = forge(claims, key, url)
            answer = phone.call("/api/v1/people/", method="GET", token=token)
            assert (name, answer.status_code) == (name, 401)
            answers[name] = json.dumps(assert_refused(answer), sort_keys=True)
        answers["refresh as access"] = json.dumps(
            assert_refused(phone.call("/api/v1/people/", method="GET", token=phone.refresh)), sort_keys=True
        )
    assert visits == []
    assert len(set(answers.values())) == 1, answers
    assert phone.reads(encode()(claims, key, "")) == 200, "the table's own tool makes good tokens"


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic bWFuYWdlcg==", "Token {0}", "{0}", "Bearer, {0}"]
)
def test_other_ways_to_write_the_header(phone: App, header: str) -> None:
    headers = {"Authorization": header.format(phone.access)}
    answer = phone.world.app.test_client().get("/api/v1/people/", base_url=phone.base, headers=headers)
    assert_refused(answer)


def test_the_published_key_proves_our_tokens(phone: App) -> None:
    answer = phone.call("/.well-known/jwks.json", method="GET")
    [key] = answer.json["keys"]
    assert "d" not in key, "the private half stays at home"
    assert jwt.get_unverified_header(phone.access)["kid"] == key["kid"]
    claims = jwt.decode(
        phone.access, jwt.PyJWK(key), algorithms=["EdDSA"], audience=phone.base, issuer=phone.base
    )
    assert claims["sub"] == str(phone.world.anna.accounts["manager"])
    assert claims.keys() == {"iss", "aud", "sub", "sid", "typ", "jti", "iat", "exp"}
    assert (claims["typ"], claims["exp"] - claims["iat"], len(claims["jti"])) == ("access", 600, 16)
    assert phone.sign_in("manager@anna.test").claims()["jti"] != claims["jti"]


# -- Cookies and bearer tokens keep apart ------------------------------------------------------------------


def test_the_api_knows_no_cookies(world: World, database: Database) -> None:
    browser = world.manager()
    token = browser.csrf("/account/")
    for method, path in (
        ("GET", "/api/v1/people/"),
        ("POST", "/api/v1/people/"),
        ("POST", "/api/v1/auth/logout"),
    ):
        answer = browser.client.open(
            path,
            method=method,
            json={"full_name": "X"},
            base_url=browser.base,
            headers={"X-CSRFToken": token},
        )
        assert_refused(answer)
    assert rows(database, "SELECT count(*) FROM person WHERE full_name = 'X'") == [(0,)]
    assert browser.get("/account/").status_code == 200


def test_pages_know_no_bearer_tokens(phone: App) -> None:
    for path in ("/admin/", "/admin/people/", "/account/", "/admin/people/export.csv"):
        answer = phone.call(path, method="GET")
        assert (answer.status_code, answer.location.split("?")[0]) == (302, "/login/")
    assert phone.call("/logout/").status_code == 400
    assert phone.reads() == 200


# -- Races -------------------------------------------------------------------------------------------------


def many_apps(world: World, company: Company, number: int) -> list[App]:
    """Sign-ins made by the service: a thousand password hashes would take a minute."""
    made = []
    with world.app.app_context(), tenant_scope(company.id), transaction():
        user = queries.user(company.accounts["manager"])
        for _number in range(number):
            pair = tokens.issue(
                user,
                tenant_id=company.id,
                audience=f"http://{company.host}",
                device=signin.Device(None, None),
            )
            phone = App(world, company.host)
            phone.access, phone.refresh = pair.access_token, pair.refresh_token
            made.append(phone)
    return made


def race(apps: list[App], *deeds: Callable[[App], TestResponse]) -> list[list[TestResponse]]:
    """For each app all deeds at the same moment, each in a thread of its own."""
    start = threading.Barrier(len(deeds))

    def run_all(deed: Callable[[App], TestResponse]) -> list[TestResponse]:
        answers = []
        for app in apps:
            start.wait(60)
            answers.append(deed(app))
        return answers

    with ThreadPoolExecutor(len(deeds)) as threads:
        return list(threads.map(run_all, deeds))


def test_refresh_against_sign_out(world: World, database: Database) -> None:
    """1,000 races: the refresh gets 200 or 401, and whoever wins, nothing of the chain lives on."""
    apps = many_apps(world, world.anna, RACES)
    refreshed, ended = race(apps, App.swap, App.logout)
    statuses = [answer.status_code for answer in refreshed]
    assert set(statuses) <= {200, 401}, set(statuses)
    assert {answer.status_code for answer in ended} == {204}
    assert rows(database, "SELECT count(*) FROM user_session WHERE ended_at IS NULL") == [(0,)]
    winners = [answer.json for answer in refreshed if answer.status_code == 200]
    for pair in winners[:50]:
        assert_refused(apps[0].swap(pair["refresh_token"]))
        assert apps[0].reads(pair["access_token"]) == 401
    print(f"{RACES} races: the refresh was first in {len(winners)}")


def test_refresh_against_refresh(world: World, database: Database) -> None:
    """Three tabs at once: one successor, never two live chains."""
    apps = many_apps(world, world.anna, 100)
    for answers in zip(*race(apps, App.swap, App.swap, App.swap), strict=True):
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json["refresh_token"] for answer in answers}) == 1
    chains = rows(
        database,
        "SELECT count(*) FROM refresh_token WHERE used_at IS NULL GROUP BY session_id HAVING count(*) <> 1",
    )
    assert chains == []
    assert live_tokens(database) == 100
