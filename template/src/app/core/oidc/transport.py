"""HTTP to the identity provider: bounded in time and size, and to the hosts of the settings."""

import asyncio
import json
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import structlog

from app.core.oidc.settings import OidcSettings, is_loopback
from app.core.oidc_errors import ProviderUnavailable

_MAX_BYTES: Final = 512 * 1024
_MAX_CONNECTIONS: Final = 20

log = structlog.get_logger(__name__)


class Transport:
    """Sends requests to the provider. What a token says leads nowhere: only the settings and discovery do."""

    def __init__(self, settings: OidcSettings) -> None:
        self._timeout_seconds = settings.timeout.total_seconds()
        issuer = urlsplit(settings.issuer)
        self._scheme = issuer.scheme
        self._hosts = {issuer.netloc, *settings.trusted_hosts}
        self._client = httpx.AsyncClient(
            timeout=self._timeout_seconds,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=_MAX_CONNECTIONS),
            # A proxy of the environment cannot reach this machine.
            trust_env=not is_loopback(settings.issuer),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def checked(self, url: object) -> str:
        """Return a URL of the discovery document that this service may follow.

        Raises:
            ProviderUnavailable: its scheme or its host is another than the issuer's, and not trusted.
        """
        parts = urlsplit(url) if isinstance(url, str) else None
        if parts is None or parts.scheme != self._scheme or parts.netloc not in self._hosts:
            log.error("provider_endpoint_refused", host=parts.netloc if parts else None)
            raise ProviderUnavailable("Its discovery document names a host that is not trusted.")
        return parts.geturl()

    async def get(self, url: str, *, bearer: str | None = None) -> tuple[int, dict[str, Any]]:
        """Return status and content of a JSON document.

        Raises:
            ProviderUnavailable: no answer in time, or one that is no JSON object.
        """
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return await self._send(self._client.build_request("GET", url, headers=headers))

    async def post(
        self, url: str, form: dict[str, str], *, basic: tuple[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Send a form and return status and content of the JSON answer.

        Raises:
            ProviderUnavailable: no answer in time, or one that is no JSON object.
        """
        request = self._client.build_request("POST", url, data=form)
        if basic is not None:
            request = next(httpx.BasicAuth(*basic).auth_flow(request))
        return await self._send(request)

    async def _send(self, request: httpx.Request) -> tuple[int, dict[str, Any]]:
        request.headers["Accept"] = "application/json"
        # What unpacks to more than it weighs could not be bounded.
        request.headers["Accept-Encoding"] = "identity"
        try:
            # httpx's timeouts are for each read: a drop now and then would never end.
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._client.send(request, stream=True)
                try:
                    content = await _read(response)
                finally:
                    await response.aclose()
            # Of an error the status is enough.
            document = json.loads(content) if response.status_code == 200 else {}
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as exc:
            log.warning("provider_unavailable", reason=type(exc).__name__, path=request.url.path)
            raise ProviderUnavailable from exc
        if response.status_code >= 500 or not isinstance(document, dict):
            log.warning("provider_unavailable", status=response.status_code, path=request.url.path)
            raise ProviderUnavailable
        return response.status_code, document


async def _read(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > _MAX_BYTES:
            raise ValueError("the answer is too large")
    return bytes(content)
