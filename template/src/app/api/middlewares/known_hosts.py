"""Which hosts the service answers on."""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.context.public_path import PROBES, route_path_of
from app.api.context.tenant_subdomain import Hosts
from app.api.problems import problem_response
from app.core.host_errors import HostUnknown
from app.core.settings import Settings


class KnownHosts:
    """Answers 421 on a host that is neither the lobby's nor a tenant's; probes may use any."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._hosts = Hosts(settings)
        self._detail = (
            f"The service answers on {settings.public_url} and on subdomains of"
            f" {settings.base_domain}."
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and not route_path_of(scope).startswith(PROBES):
            try:
                self._hosts.note(scope)
            except HostUnknown:
                refusal = HostUnknown(self._detail)
                await problem_response(scope, refusal)(scope, receive, send)
                return
        await self.app(scope, receive, send)
