"""No secret leaves the service but to whom it belongs: not in an answer, not in the log, however a request ends."""

import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, SecretStr

from app.core.logging import configure_logging
from app.core.settings import DatabaseSettings, LoggingSettings, MailSettings, Settings
from app.main import create_app
from tests import background
from tests.routes.operations import Operation
from tests.routes.requests import ROUTES, Call, World

ISSUED: Final = ("access_token", "refresh_token")
OF_ROWS: Final = ("argon2", "[parameters: ")
"""How a hash by Argon2 begins, and the values of a statement of SQLAlchemy's that failed."""


def secrets_in(value: object) -> Iterator[str]:
    """Yield the secrets of a section of the settings; of a URL its password."""
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        yield (urlsplit(text).password or text) if "://" in text else text
    elif isinstance(value, BaseModel):
        for _, field in value:
            yield from secrets_in(field)
    elif isinstance(value, dict):
        for each in value.values():
            yield from secrets_in(each)


@pytest.fixture(scope="module")
def secretive(settings: Settings) -> Settings:
    """Settings with a secret in each place that all services have."""
    smtp = "smtp://service:password-of-the-mail-server@127.0.0.1:1"
    mail = MailSettings.model_validate({"smtp_url": smtp, "sender": settings.mail.sender})
    return settings.model_copy(update={"mail": mail, "logging": LoggingSettings(level="debug")})


@pytest.fixture(scope="module")
async def services(secretive: Settings, admin_url: str) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Clients of a service that crashes at its first statement, of one without a database, and of one that works."""
    gone = DatabaseSettings.model_validate(
        {"url": "postgresql://app:password-of-a-database@127.0.0.1:1/none"}
    )
    async with AsyncExitStack() as stack:
        empty = await stack.enter_async_context(background.empty(secretive, admin_url))
        nowhere = secretive.model_copy(update={"database": gone})
        clients = []
        for each in (empty, nowhere, secretive):
            app = create_app(each)
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://testserver")
            clients.append(await stack.enter_async_context(client))
            stack.push_async_callback(app.state.components.database.close)
            stack.push_async_callback(app.state.components.sign_in.close)
        yield clients


@pytest.fixture
def log(secretive: Settings, settings: Settings) -> Iterator[io.StringIO]:
    """All that is logged."""
    stream = io.StringIO()
    configure_logging(secretive.logging, stream)
    yield stream
    configure_logging(settings.logging)


def malformed(request: Call, fields: list[str]) -> Iterator[Call]:
    """Yield requests that say their secrets and do not fit their description."""
    values = {field: request.body[field] for field in fields}
    yield request.adding({"unknown": " ".join(values.values())})
    yield request.adding({field: [value] for field, value in values.items()})
    yield request.adding({field: value * 512 for field, value in values.items()})
    yield replace(request, body=json.dumps(request.body))


async def test_secrets_of_requests(
    app: FastAPI, world: World, services: list[httpx.AsyncClient], log: io.StringIO
) -> None:
    crashing, unconnected, working = services
    sent, issued, answers = set[str](), set[str](), list[httpx.Response]()
    for name in ROUTES:
        secret = {place.name for place in Operation(app, name).texts() if place.secret}
        if not secret:
            continue
        request = await world.prepare(name)
        fields = [field for field in request.body if field in secret]
        sent |= {request.body[field] for field in fields}
        sent |= {request.token} if request.token else set()
        for wrong in malformed(request, fields):
            answers.append(await replace(wrong, client=working).send())
        for client in (crashing, unconnected, working):
            answers.append(await replace(request, client=client).send())
        if answers[-1].content:
            issued |= {value for key, value in answers[-1].json().items() if key in ISSUED}
    assert {422, 500, 503} < {answer.status_code for answer in answers}
    lines = log.getvalue().splitlines()
    assert any("Traceback" in line for line in lines)
    told = [f"{answer.url.path}: {answer.headers} {answer.text}" for answer in answers]
    assert not [text for text in (*told, *lines) if any(secret in text for secret in sent)]
    assert not [text for text in lines if any(secret in text for secret in (*OF_ROWS, *issued))]


async def test_secrets_of_the_settings(
    app: FastAPI, secretive: Settings, services: list[httpx.AsyncClient], log: io.StringIO
) -> None:
    shown: list[Any] = [repr(secretive), str(secretive), repr(dict(secretive))]
    for client in services:
        shown += [(await client.get(path)).text for path in ("/health/ready", "/metrics")]
    shown += [(await services[-1].get("/")).text, str(app.openapi())]
    known = {*secrets_in(secretive), "password-of-a-database"}
    assert len(known) >= 4
    for secret in known:
        assert not [text for text in (*shown, *log.getvalue().splitlines()) if secret in text]
