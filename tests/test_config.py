"""Every setting with junk in it: one line on stderr that names it, and the exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import Settings, SettingsError, load_settings

PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "k" * 40,
    "BASE_DOMAIN": "example.com",
    "PUBLIC_SCHEME": "https",
    "DATABASE_URL": "postgresql://wm_app:secret@db/wemaster?sslmode=verify-full",
    "REDIS_URL": "rediss://cache",
    "MAIL_PROVIDER": "smtp",
    "PAYMENT_PROVIDER": "stripe",
    "STRIPE_SECRET_KEY": "sk_live_x",
    "STRIPE_PUBLISHABLE_KEY": "pk_live_x",
    "STRIPE_WEBHOOK_SECRET": "whsec_x",
}
ANY_TEXT: list[str] = []  # what it is worth turns out where it is used
JUNK = {
    "ENVIRONMENT": ["prod"],
    "SECRET_KEY": ["short"],
    "SECRET_KEY_FALLBACKS": ["short", "k" * 40 + ",short", "k" * 40 + ","],
    "BASE_DOMAIN": ["https://example.com", "example.com:443", "a b", "-a.test", "a..b"],
    "BIND": ["eth0", "localhost", "127.0.0.1:8000"],
    "PORT": ["junk", "0", "65536"],
    "PUBLIC_SCHEME": ["ftp"],
    "PUBLIC_PORT": ["junk", "0", "65536"],
    "PLATFORM_HOST_ALIASES": ["a.test,b c", "a.test,http://b.test"],
    "TRUSTED_PROXY_HOPS": ["junk", "-1", "6"],
    "DATABASE_URL": [
        "junk",
        "mysql://db/wemaster",
        "postgresql://db:port/wemaster",
        "postgresql://db:70000/wemaster",
        "postgresql://db/wemaster?unknown=1",
        "postgresql://[::1/wemaster",
    ],
    "MIGRATION_DATABASE_URL": ["junk", "postgresql://db:port/wemaster"],
    "DATABASE_POOL_SIZE": ["junk", "0", "100000"],
    "REDIS_URL": ["junk", "http://cache", "redis://cache:port", "redis://cache?unknown=1", "redis://[::1"],
    "PAGE_CACHE_MB": ["junk", "-1", "5000"],
    "VAR_DIR": ANY_TEXT,  # names a place; where it can't be made, the commands say so
    "MAIL_PROVIDER": ["pigeon"],
    "MAIL_FROM": ["nobody", "House <no reply>", "House <>"],
    "SMTP_HOST": ["a b", "smtp://relay"],
    "SMTP_PORT": ["junk", "0", "65536"],
    "SMTP_USERNAME": ["alone"],
    "SMTP_PASSWORD": ["alone"],
    "SMTP_SECURITY": ["ssl"],
    "PAYMENT_PROVIDER": ["paypal"],
    "STRIPE_SECRET_KEY": ANY_TEXT,
    "STRIPE_PUBLISHABLE_KEY": ANY_TEXT,
    "STRIPE_WEBHOOK_SECRET": ANY_TEXT,
    "STRIPE_API_BASE": ANY_TEXT,
    "SIMULATOR_PORT": ["junk", "0", "65536"],
    "STORAGE_PROVIDER": ["floppy"],
    "S3_ENDPOINT_URL": ANY_TEXT,
    "S3_BUCKET": ANY_TEXT,
    "S3_ACCESS_KEY": ANY_TEXT,
    "S3_SECRET_KEY": ANY_TEXT,
    "S3_REGION": ANY_TEXT,
    "DEFAULT_LOCALE": ["xx", "junk"],
    "SEED": ["x" * 41],
    "WORLD": ["huge"],
    "LOG_FORMAT": ["xml"],
    "LOG_LEVEL": ["LOUD"],
    "OUTBOX_LEASE_SECONDS": ["junk", "0", "99999999999"],
    "SCHEDULE_TICK_SECONDS": ["junk", "0", "99999999999"],
    "WEB_WORKERS": ["junk", "0", "65"],
    "WEB_THREADS": ["junk", "0", "99999999999"],
    "WEB_SOCKETS": ["worker"],
    "SOCKETS_PORT": ["junk", "0", "65536"],
    "METRICS_TOKEN": ["too-short", "with blanks in between"],
}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name, raising=False)


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that is said when the settings are read."""
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert refused.value.code == 2
    said = capsys.readouterr().err
    assert said == f"{refused.value}\n"
    assert said.count("\n") == 1
    return said


def test_every_setting_is_tried() -> None:
    assert set(JUNK) == set(Settings.model_fields)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in JUNK for value in JUNK[name]])
def test_junk_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    said = refusal(capsys)
    assert said.startswith("configuration: ")
    assert name in said


def test_a_password_is_never_sent_in_clear(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("USERNAME", "house"), ("PASSWORD", "hidden"), ("SECURITY", "none")):
        monkeypatch.setenv(f"SMTP_{name}", value)
    assert refusal(capsys).startswith("configuration: SMTP_USERNAME: needs SMTP_SECURITY")


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_a_refusal_quotes_no_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    scheme = "postgresql" if name == "DATABASE_URL" else "redis"
    monkeypatch.setenv(name, f"{scheme}://house:hidden@host:port/0?hidden=hidden")
    assert "hidden" not in refusal(capsys)


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "REDIS_URL", "BASE_DOMAIN"])
@pytest.mark.parametrize("given", [None, ""])
def test_production_must_say_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, given: str | None
) -> None:
    for key, value in {**PRODUCTION, name: given}.items():
        if value is not None:
            monkeypatch.setenv(key, value)
    assert refusal(capsys) == f"configuration: {name}: must be set in production\n"


@pytest.mark.parametrize("given", [None, ""])
@pytest.mark.parametrize(
    ("provider", "name"),
    [
        *(("stripe", f"STRIPE_{name}") for name in ("SECRET_KEY", "PUBLISHABLE_KEY", "WEBHOOK_SECRET")),
        *(("s3", f"S3_{name}") for name in ("BUCKET", "ACCESS_KEY", "SECRET_KEY")),
    ],
)
def test_a_provider_that_is_chosen_has_all_it_needs(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    provider: str,
    name: str,
    given: str | None,
) -> None:
    storage = {"STORAGE_PROVIDER": "s3", "S3_BUCKET": "b", "S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "s"}
    for key, value in {**PRODUCTION, **storage, name: given}.items():
        if value is not None:
            monkeypatch.setenv(key, value)
    assert refusal(capsys) == f"configuration: {name}: is needed with {provider}\n"


@pytest.mark.parametrize(("name", "wanted"), [("MAIL_PROVIDER", "smtp"), ("PAYMENT_PROVIDER", "stripe")])
@pytest.mark.parametrize("given", [None, "mock"])
def test_production_pretends_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    wanted: str,
    given: str | None,
) -> None:
    for key, value in {**PRODUCTION, name: given}.items():
        if value is not None:
            monkeypatch.setenv(key, value)
    assert refusal(capsys) == f"configuration: {name}: must be {wanted} in production\n"


def test_production_as_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    found = load_settings()
    assert found.DATABASE_URL == "postgresql+psycopg://wm_app:secret@db/wemaster?sslmode=verify-full"
    assert found.platform_hosts == {"example.com"}
    assert found.BIND == "loopback"


OTHERS_DATABASE, OTHERS_RELAY = "needs sslmode=verify-full", "must be starttls or tls"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATABASE_URL", "postgresql://wm_app:secret@db/wemaster", OTHERS_DATABASE),
        ("DATABASE_URL", "postgresql://wm_app:secret@db/wemaster?sslmode=require", OTHERS_DATABASE),
        ("DATABASE_URL", "postgresql://wm_app@/wemaster?host=10.0.0.5", OTHERS_DATABASE),
        ("DATABASE_URL", "postgresql://wm_app@/wemaster?host=127.0.0.1,db", OTHERS_DATABASE),
        ("DATABASE_URL", "postgresql://wm_app@localhost/wemaster?hostaddr=10.0.0.5", OTHERS_DATABASE),
        ("MIGRATION_DATABASE_URL", "postgresql://wm_owner:secret@db/wemaster", OTHERS_DATABASE),
        ("REDIS_URL", "redis://cache", "must be rediss://"),
        ("REDIS_URL", "rediss://cache?ssl_cert_reqs=none", "must be rediss://"),
        ("SMTP_SECURITY", "none", OTHERS_RELAY),
        ("S3_ENDPOINT_URL", "http://store:9000", "must be https://"),
        ("STRIPE_API_BASE", "http://stripe.test", "must be https://"),
    ],
)
def test_other_machines_are_reached_by_tls_in_production(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, words: str
) -> None:
    for key, given in {**PRODUCTION, "SMTP_HOST": "relay.test", name: value}.items():
        monkeypatch.setenv(key, given)
    said = refusal(capsys)
    assert said.startswith(f"configuration: {name}: {words}")
    assert "secret" not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://wm_app@127.0.0.1/wemaster"),
        ("DATABASE_URL", "postgresql://wm_app@[::1]:5433/wemaster"),
        ("DATABASE_URL", "postgresql://wm_app@/wemaster?host=/run/postgresql"),
        ("DATABASE_URL", "postgresql://wm_app@/wemaster"),
        ("REDIS_URL", "redis://localhost:6379/0"),
        ("REDIS_URL", "unix:///run/valkey.sock"),
        ("SMTP_SECURITY", "none"),
        ("S3_ENDPOINT_URL", "http://127.0.0.1:9000"),
    ],
)
def test_nobody_listens_in_between_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for key, given in {**PRODUCTION, name: value}.items():
        monkeypatch.setenv(key, given)
    assert load_settings().ENVIRONMENT == "production"


def test_former_keys_are_read_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY_FALLBACKS", f"{'b' * 32},{'a' * 32}")
    assert load_settings().former_keys == ["b" * 32, "a" * 32]
    monkeypatch.delenv("SECRET_KEY_FALLBACKS")
    assert load_settings().former_keys == []


def test_an_empty_variable_is_like_none_and_names_take_their_plain_form(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PORT", "PUBLIC_PORT", "VAR_DIR", "MAIL_FROM"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("BASE_DOMAIN", "Example.Test")
    monkeypatch.setenv("PLATFORM_HOST_ALIASES", " Admin.Example.Test, ")
    found = load_settings()
    assert (found.PORT, found.PUBLIC_PORT, found.VAR_DIR) == (8000, None, Path("var"))
    assert {"example.test", "admin.example.test"} <= found.platform_hosts
