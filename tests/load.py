"""64 clients with addresses of their own use a running service at once, for half a minute."""

import asyncio
import itertools
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

CLIENTS = 64
PAUSE_SECONDS = 0.3
"""Between a client's requests: fast enough to queue for the pool, within the limit of each tenant."""


@dataclass
class Outcome:
    """What the clients saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0

    @property
    def total(self) -> int:
        """Requests that were sent."""
        return self.statuses.total() + self.failures.total()

    @property
    def good(self) -> float:
        """The share of 2xx answers."""
        good = sum(count for status, count in self.statuses.items() if status // 100 == 2)
        return good / self.total


async def run(url: str, password: str, *, tenant_strategy: str, seconds: float) -> Outcome:
    """Let the clients read and write projects of both seeded tenants.

    Requests name their tenants as the answer to `tenant_strategy` wants it.

    Raises:
        httpx.HTTPStatusError: a login was refused.
    """
    outcome = Outcome()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
        tokens = {tenant: await _token(client, tenant, password) for tenant in ("acme", "globex")}
        until = time.monotonic() + seconds
        await asyncio.gather(
            *(
                _use(_Member(client, number, tenant, token, tenant_strategy), until, outcome)
                for number, (tenant, token) in zip(
                    range(CLIENTS), itertools.cycle(tokens.items()), strict=False
                )
            )
        )
    return outcome


async def _token(client: httpx.AsyncClient, tenant: str, password: str) -> str:
    body = {"email": f"owner@{tenant}.test", "password": password, "tenant": tenant}
    answer = await client.post("/api/v1/auth/login", json=body)
    token: str = answer.raise_for_status().json()["access_token"]
    return token


@dataclass(frozen=True)
class _Member:
    client: httpx.AsyncClient
    number: int
    tenant: str
    token: str
    tenant_strategy: str

    async def send(self, method: str, path: str, body: dict[str, str] | None) -> httpx.Response:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "X-Forwarded-For": f"198.51.100.{self.number + 1}",
        }
        prefix = "/api/v1"
        if self.tenant_strategy == "header":
            headers["X-Tenant-ID"] = self.tenant
        elif self.tenant_strategy == "subdomain":
            headers["Host"] = f"{self.tenant}.localhost"
        elif self.tenant_strategy == "path" and path.startswith("/projects"):
            prefix = f"/t/{self.tenant}/api/v1"
        return await self.client.request(method, f"{prefix}{path}", json=body, headers=headers)


async def _use(member: _Member, until: float, outcome: Outcome) -> None:
    own = "/projects"
    for turn in itertools.count():
        started = time.monotonic()
        if started >= until:
            return
        method, path, body = _step(turn, own, f"Load {member.number} {started}")
        try:
            answer = await member.send(method, path, body)
        except httpx.HTTPError as exc:
            outcome.failures[type(exc).__name__] += 1
        else:
            outcome.statuses[answer.status_code] += 1
            if method == "POST" and answer.is_success:
                own = f"/projects/{answer.json()['id']}"
        elapsed = time.monotonic() - started
        outcome.slowest_seconds = max(outcome.slowest_seconds, elapsed)
        await asyncio.sleep(max(0.0, PAUSE_SECONDS - elapsed))


def _step(turn: int, own: str, name: str) -> tuple[str, str, dict[str, str] | None]:
    steps: list[tuple[str, str, dict[str, str] | None]] = [
        ("POST", "/projects", {"name": name}),
        ("GET", own, None),
        ("GET", "/projects?limit=20", None),
        ("GET", "/users/me", None),
        ("PATCH", own, {"description": name}),
        ("DELETE", own, None),
    ]
    return steps[turn % len(steps)]
