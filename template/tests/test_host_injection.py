"""What a request says about the service's address leads nobody astray."""

import re
from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest

from app.core.settings import HttpSettings, Settings
from app.main import create_app
from tests.factories import SignedIn
from tests.invites import address
from tests.mailbox import Mailbox

EVIL: Final = "evil.test"
FORWARDED: Final = {
    "X-Forwarded-Host": EVIL,
    "X-Forwarded-Server": EVIL,
    "X-Forwarded-Port": "6666",
    "X-Forwarded-Proto": "evil",
    "X-Forwarded-Prefix": f"//{EVIL}",
    "Forwarded": f"for=127.0.0.1;host={EVIL};proto=evil",
    "X-Original-Host": EVIL,
    "X-Original-URL": f"//{EVIL}/",
    "X-Rewrite-URL": f"//{EVIL}/",
    "X-HTTP-Method-Override": "DELETE",
}


@pytest.fixture(scope="module")
async def behind_a_proxy(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose peer is a trusted proxy."""
    http = HttpSettings.model_validate({"trusted_proxies": ["127.0.0.0/8"]})
    app = create_app(settings.model_copy(update={"http": http}))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


@pytest.mark.parametrize("lie", [{"Host": EVIL}, FORWARDED], ids=["host", "forwarded"])
@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/redoc", "/openapi.json", "/accept-invite", "/api/v1/users/me/", "/nothing"],
)
async def test_no_answer_repeats_it(
    behind_a_proxy: httpx.AsyncClient, path: str, lie: dict[str, str]
) -> None:
    answer = await behind_a_proxy.get(path, headers=lie)
    assert "evil" not in f"{answer.headers} {answer.text}"
    assert not answer.is_redirect
    if lie is FORWARDED:
        honest = await behind_a_proxy.get(path)
        assert answer.status_code == honest.status_code


async def test_no_mail_leads_there(owner: SignedIn, mailbox: Mailbox) -> None:
    for lie in ({"Host": EVIL}, FORWARDED):
        email = address()
        answer = await owner.post("/invites", {"email": email, "role": "member"}, headers=lie)
        mails = await mailbox.of(email)
        # Where the host names the tenant, this one names none.
        assert answer.status_code == (201 if mails else 421), answer.text
        assert lie is not FORWARDED or mails
        for mail in mails:
            links = re.findall(r"https?://([^/\s]+)", mail.text)
            assert links
            assert all(host.endswith("testserver") for host in links), links
