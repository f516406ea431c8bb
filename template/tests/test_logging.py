"""One pipeline, no secrets."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from app.core.logging import configure_logging, mask_secrets
from app.core.settings import LoggingSettings
from tests.patience import PATIENCE_SECONDS

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logging(LoggingSettings(level="info"), stream)
    yield stream
    structlog.reset_defaults()


def last(stream: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return line


def test_both_worlds_write_the_same_lines(stream: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(request_id="r1")
    structlog.get_logger().info("ours", count=1)
    ours = last(stream)
    logging.getLogger("uvicorn.error").warning("theirs %s", 1)
    theirs = last(stream)
    structlog.contextvars.clear_contextvars()

    assert ours.keys() | {"logger"} == theirs.keys() | {"count"}
    assert (ours["event"], ours["level"], ours["request_id"]) == ("ours", "info", "r1")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == (
        "theirs 1",
        "warning",
        "uvicorn.error",
    )
    for line in (ours, theirs):
        stamp = datetime.fromisoformat(line["timestamp"])
        assert stamp.tzinfo == UTC
        assert abs((datetime.now(UTC) - stamp).total_seconds()) < PATIENCE_SECONDS


def test_tracebacks_are_kept(stream: io.StringIO) -> None:
    def fail() -> None:
        raise ValueError("no ada@acme.test")

    for log in (structlog.get_logger(), logging.getLogger("sqlalchemy.pool")):
        try:
            fail()
        except ValueError:
            log.exception("failed")
        line = last(stream)
        assert "Traceback" in line["exception"]
        assert "in fail" in line["exception"]
        assert line["exception"].endswith("ValueError: no [masked]")


def test_levels(stream: io.StringIO) -> None:
    structlog.get_logger().debug("quiet")
    logging.getLogger("alembic").debug("quiet")
    assert stream.getvalue() == ""


def test_uvicorns_access_log_is_off(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn.access").info('1.2.3.4 - "GET /?token=abc" 200')
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "hunter2"),
        ("smtp_password", "hunter2"),
        ("refresh_token", "hunter2"),
        ("Authorization", "Basic hunter2"),
        ("client_secret", "hunter2"),
        ("cookie", "hunter2"),
        ("api_key", "hunter2"),
        ("email", "hunter2"),
        ("body", {"user": {"password": "hunter2"}}),
        ("rows", [{"token": "hunter2"}]),
        ("text", "mail to hunter2@acme.test failed"),
        ("text", "Key (email)=(hunter2+x@acme.co.uk) already exists."),
        ("text", "postgresql://app:hunter2@db:5432/app is down"),
        ("text", "smtp://:hunter2@mail:587"),
        ("text", "Bearer hunter2"),
        ("text", "authorization: bearer hunter2"),
        ("text", "GET /accept-invite?token=hunter2&x=1"),
        ("text", "Token: hunter2"),
        ("text", "DETAIL:  Failing row contains (7, null, hunter2, 2030-01-01)."),
        ("text", "DETAIL:  Key (tenant_id, api_key)=(7, hunter2) already exists."),
        ("text", 'invalid input syntax for type uuid: "hunter2"'),
        ("text", "invalid input for query argument $2: 'hunter2' (expected a number)"),
        ("error", ValueError("hunter2@acme.test")),
        ("deep", {"a": {"b": {"c": {"d": {"e": "hunter2"}}}}}),
    ],
    ids=str,
)
def test_secrets_are_masked(stream: io.StringIO, name: str, value: Any) -> None:
    structlog.get_logger().info("event", **{name: value})
    assert "[masked]" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


@pytest.mark.parametrize("logger", ["structlog", "stdlib"])
def test_secrets_in_the_message_are_masked(stream: io.StringIO, logger: str) -> None:
    log = structlog.get_logger() if logger == "structlog" else logging.getLogger("x")
    log.warning("sent to %s with %s", "ada@acme.test", JWT)
    assert last(stream)["event"] == "sent to [masked] with [masked]"


@pytest.mark.parametrize(
    "value",
    ["@router.get", "a @ b", "10 tokens", "https://x.test/a?b=1", "eye", 1, 1.5, None, True],
)
def test_harmless_values_stay(stream: io.StringIO, value: Any) -> None:
    structlog.get_logger().info("event", value=value)
    assert last(stream)["value"] == value


@pytest.mark.parametrize("value", ["\ud800", 2**70, b"\xff", object(), {1, 2}, {"a": "\ud800"}])
def test_nothing_is_lost_because_it_cannot_be_encoded(stream: io.StringIO, value: Any) -> None:
    structlog.get_logger().info("event", value=value)
    assert last(stream)["event"] == "event"


def test_masking_takes_linear_time() -> None:
    text = ("a" * 50_000) + "@" + ("b." * 50_000) + "://" + ("c" * 50_000)
    event = mask_secrets(None, "info", {"event": text})
    assert len(event["event"]) > 0


def test_the_console_has_colours_and_masks_as_well() -> None:
    stream = io.StringIO()
    configure_logging(LoggingSettings(format="console", colors=True), stream)
    try:
        raise ValueError("ada@acme.test")
    except ValueError:
        structlog.get_logger().exception("failed", password="hunter2")
    structlog.reset_defaults()
    text = stream.getvalue()
    assert "\x1b[" in text
    assert "Traceback" in text
    assert "hunter2" not in text
    assert "ada@" not in text
