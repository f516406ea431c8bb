"""Whether the time of an answer tells who has an account; `make bench` runs it after the benchmark. Linux only."""

import argparse
import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from statistics import median
from time import perf_counter
from typing import Any, Final

import httpx

from app.core.settings import load_settings
from app.dev import network
from app.dev.servers.postgres import SUPERUSER
from bench.scene import populate
from bench.stage import DATABASE, Application, stage
from tests import databases
from tests.sign_in.password import PASSWORD

ACCOUNTS: Final = 20
WARM_UP: Final = 5
"""Pairs that are sent before any is timed."""
PAIRS: Final = {"login": 100, "register": 100, "forgot-password": 400, "resend-verification": 400}
"""Of requests about a known and about an unknown address, by the route under `/api/v1/auth`."""
EXPECTED: Final = {"login": 401}
"""The answer's status, where it is not 202."""

_number = count()


@dataclass(slots=True)
class Pairs:
    """What one route took, in milliseconds, pair by pair."""

    known: list[float] = field(default_factory=list)
    unknown: list[float] = field(default_factory=list)

    @property
    def slower(self) -> float:
        """The share of pairs in which the known address took longer: 0.5 tells a stranger nothing."""
        longer = sum(k > u for k, u in zip(self.known, self.unknown, strict=True))
        return longer / len(self.known)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, help="of requests to each route; 100 or 400")
    wanted = parser.parse_args().pairs
    with stage() as prepared:
        asyncio.run(databases.clone(prepared.postgres.url(SUPERUSER, "postgres"), DATABASE))
        clients = asyncio.run(populate(load_settings(), range(ACCOUNTS)))
        emails = [client.signed_in.email for client in clients]
        service = prepared.start("service")
        try:
            _sign_in(service, emails)
            measured = {
                path: _measured(service, path, emails, wanted or PAIRS[path]) for path in PAIRS
            }
        finally:
            prepared.stop(service)
    print(*_table(measured), sep="\n")


def _client(service: Application) -> httpx.Client:
    return httpx.Client(
        base_url=f"http://{network.LOOPBACK}:{service.port}/api/v1/auth/", trust_env=False
    )


def _sign_in(service: Application, emails: list[str]) -> None:
    # Their passwords were hashed at the tests' low costs; a sign-in renews the hash.
    with _client(service) as client:
        for email in emails:
            client.post("login", json={"email": email, "password": PASSWORD}).raise_for_status()


def _measured(service: Application, path: str, emails: list[str], pairs: int) -> Pairs:
    found = Pairs()
    with _client(service) as client:
        for turn in range(-WARM_UP, pairs):
            asked = [
                (found.known, emails[turn % len(emails)]),
                (found.unknown, f"nobody-{next(_number)}@example.test"),
            ]
            # Each comes first in every other pair.
            for milliseconds, email in asked[:: 1 if turn % 2 else -1]:
                took = _timed(client, path, email)
                if turn >= 0:
                    milliseconds.append(took)
    return found


def _timed(client: httpx.Client, path: str, email: str) -> float:
    body = _body(path, email)
    began = perf_counter()
    answer = client.post(path, json=body)
    took = (perf_counter() - began) * 1000
    if answer.status_code != EXPECTED.get(path, 202):
        raise RuntimeError(f"{path} answered {answer.status_code}: {answer.text}")
    return took


def _body(path: str, email: str) -> dict[str, Any]:
    match path:
        case "login":
            return {"email": email, "password": "not the password"}
        case "register":
            slug = f"guess-{next(_number)}"
            return {
                "email": email,
                "password": PASSWORD,
                "full_name": "Ada Lovelace",
                "tenant_name": slug,
                "tenant_slug": slug,
            }
        case _:
            return {"email": email}


def _table(measured: Mapping[str, Pairs]) -> Iterator[str]:
    yield "| Request | Known address, p50 ms | Unknown, p50 ms | Known took longer |"
    yield "| --- | --- | --- | --- |"
    for path, pairs in measured.items():
        known, unknown = median(pairs.known), median(pairs.unknown)
        yield f"| {path} | {known:.2f} | {unknown:.2f} | {pairs.slower:.0%} of {len(pairs.known)} |"


if __name__ == "__main__":
    main()
