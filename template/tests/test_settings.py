"""Settings: a service that cannot run says which setting is wrong and why, and never repeats a secret."""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from pydantic import ValidationError

from app.cli.main import main
from app.core.settings import Section, Settings, SettingsError, load_settings

REQUIRED: Final = {
    "PUBLIC_URL": "https://app.example.com",
    "DATABASE__URL": "postgresql://app:hidden-database@db.internal/app",
    "REDIS__URL": "redis://:hidden-redis@redis.internal/0",
    "AUTH__KEYS": '{"a": "hidden-key-hidden-key-hidden-key-"}',
    "AUTH__ACTIVE_KID": "a",
    "MAIL__SMTP_URL": "smtp+starttls://user:hidden-mail@smtp.internal:587",
    "MAIL__SENDER": "no-reply@example.com",
}

WRONG: Final = [
    ("PUBLIC_URL", "app.example.com", "must look like https://"),
    ("PUBLIC_URL", "https://", "must look like https://"),
    ("ENVIRONMENT", "staging", "'dev', 'test' or 'production'"),
    ("DATABASE__URL", "mysql://app:hidden@db.internal/app", "must look like postgresql://"),
    ("DATABASE__URL", "postgresql://app:hid/den@db.internal/app", "must look like postgresql://"),
    ("DATABASE__URL", "postgresql://db.internal/app", "must look like postgresql://user"),
    ("DATABASE__OWNER_URL", "hidden", "must look like postgresql://"),
    ("DATABASE__POOL_SIZE", "0", "greater than 0"),
    ("DATABASE__POOL_SIZE", "five", "valid integer"),
    ("DATABASE__POOLER", "session", "'none' or 'transaction'"),
    ("DATABASE__STATEMENT_TIMEOUT", "30 seconds", "ISO 8601 duration such as PT30M"),
    ("DATABASE__STATEMENT_TIMEOUT", "-PT1S", "must not be negative"),
    ("DATABASE__UNKNOWN", "1", "not permitted"),
    ("DATABASE", "hidden", "DatabaseSettings"),
    ("REDIS__URL", "hidden.internal:6379", "must look like redis://"),
    ("AUTH__KEYS", "hidden-key-hidden-key-hidden-key-", "must be JSON"),
    ("AUTH__KEYS", '["hidden-key-hidden-key-hidden-key-"]', "valid dictionary"),
    ("AUTH__KEYS", '{"a": "hidden-key"}', "'a' is shorter than 32 bytes"),
    ("AUTH__KEYS", '{"b": "hidden-key-hidden-key-hidden-key-"}', "no key 'a' in AUTH__KEYS"),
    ("AUTH__ACTIVE_KID", "b", "no key 'b' in AUTH__KEYS"),
    ("AUTH__PASSWORD_MIN_SCORE", "5", "less than or equal to 4"),
    ("MAIL__SMTP_URL", "http://user:hidden@smtp.internal", "must look like smtp+starttls://"),
    ("MAIL__SENDER", "nobody", "@-sign"),
    ("HTTP__TRUSTED_PROXIES", "10.0.0.0/8", "must be JSON"),
    ("HTTP__TRUSTED_PROXIES", '["10.0.0.300"]', "IPv4 or IPv6 network"),
    ("RATE_LIMITS__CLIENT", "many", "`5 per 1 minute`"),
    ("LOGGING__LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Nothing but `REQUIRED`, and no `.env`."""
    sections = {name.upper() for name in Settings.model_fields}
    for name in os.environ:
        if name.partition("__")[0].upper() in sections:
            monkeypatch.delenv(name)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def test_what_is_required_is_enough() -> None:
    loaded = load_settings()
    assert loaded.environment == "production"
    assert loaded.auth.access_ttl == timedelta(minutes=30)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_setting_is_named(name: str, environment: pytest.MonkeyPatch) -> None:
    environment.delenv(name)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value) == f"{name} is not set; .env.example says what it is for."


def test_all_missing_settings_are_named_at_once(environment: pytest.MonkeyPatch) -> None:
    for name in REQUIRED:
        environment.delenv(name)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert [line.partition(" ")[0] for line in str(refused.value).splitlines()] == list(REQUIRED)


@pytest.mark.parametrize(("name", "value", "reason"), WRONG)
def test_a_wrong_setting_is_named_with_a_reason(
    name: str, value: str, reason: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    message = str(refused.value)
    assert len(message.splitlines()) == 1
    assert message.startswith(("AUTH__", name))
    assert reason in message
    assert "hid" not in message


def test_a_key_has_32_bytes_or_more(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AUTH__KEYS", '{"a": "%s"}' % ("é" * 16))
    load_settings()
    environment.setenv("AUTH__KEYS", '{"a": "%s"}' % ("é" * 15 + "e"))
    with pytest.raises(SettingsError, match="shorter than 32 bytes"):
        load_settings()


def test_a_command_that_cannot_start_says_why_and_nothing_else(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("MAIL__SENDER")
    environment.setenv("AUTH__KEYS", '{"a": "hidden-key"}')
    environment.setattr(sys, "argv", ["app", "api"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith("AUTH__KEYS: the key 'a' is shorter than 32 bytes")
    assert second.startswith("MAIL__SENDER is not set")


def test_a_file_gives_what_the_environment_does_not(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.delenv("MAIL__SENDER")
    written = "MAIL__SENDER=file@example.com\nPUBLIC_URL=https://file.example.com\nPORT=1\n"
    (tmp_path / ".env").write_text(written)
    loaded = load_settings()
    assert loaded.mail.sender == "file@example.com"
    assert loaded.public_url == REQUIRED["PUBLIC_URL"]


def test_json_and_durations_are_read(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTP__TRUSTED_PROXIES", '["10.0.0.0/8", "fd00::/8"]')
    environment.setenv("HTTP__CORS_ORIGINS", "[]")
    environment.setenv("AUTH__REFRESH_TTL", "P1DT30M")
    loaded = load_settings()
    assert [str(network) for network in loaded.http.trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]
    assert loaded.http.cors_origins == ()
    assert loaded.auth.refresh_ttl == timedelta(days=1, minutes=30)


def test_secrets_show_in_no_representation() -> None:
    assert "hidden" not in repr(load_settings())


def test_settings_do_not_change() -> None:
    loaded = load_settings()
    for section in (loaded, loaded.database):
        assert section.model_config.get("frozen")
    assert all(section.model_config.get("frozen") for section in Section.__subclasses__())
    with pytest.raises(ValidationError, match="frozen"):
        setattr(loaded.database, "pool_size", 1)  # noqa: B010  mypy knows that it is read-only


def test_commands_beside_app_dev_find_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in REQUIRED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dev").mkdir()
    lines = [f"{name}='{value}'" for name, value in REQUIRED.items()]
    (tmp_path / ".dev" / "env").write_text("\n".join(lines))
    assert load_settings().auth.active_kid == "a"
