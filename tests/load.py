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


async def run(url: str, password: str, *, seconds: float) -> Outcome:
    """Let the clients read and write projects of both seeded tenants.

    Raises:
        httpx.HTTPStatusError: a login was refused.
    """
    outcome = Outcome()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", limits=limits, timeout=60) as client:
        tokens = {tenant: await _token(client, tenant, password) for tenant in ("acme", "globex")}
        until = time.monotonic() + seconds
        await asyncio.gather(
            *(
                _use(client, number, tenant, token, until, outcome)
                for number, (tenant, token) in zip(
                    range(CLIENTS), itertools.cycle(tokens.items()), strict=False
                )
            )
        )
    return outcome


async def _token(client: httpx.AsyncClient, tenant: str, password: str) -> str:
    body = {"email": f"owner@{tenant}.test", "password": password, "tenant": tenant}
    answer = await client.post("/auth/login", json=body)
    token: str = answer.raise_for_status().json()["access_token"]
    return token


async def _use(
    client: httpx.AsyncClient, number: int, tenant: str, token: str, until: float, outcome: Outcome
) -> None:
    headers = {
        "Authorization": f"Bearer {token}",
        "X-Tenant-ID": tenant,
        "X-Forwarded-For": f"198.51.100.{number + 1}",
    }
    own = "/projects"
    for turn in itertools.count():
        started = time.monotonic()
        if started >= until:
            return
        method, path, body = _step(turn, own, f"Load {number} {started}")
        try:
            answer = await client.request(method, path, json=body, headers=headers)
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
