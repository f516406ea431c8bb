"""Requests that come far: schemathesis makes them up, and what has to be somebody's or to exist is put in."""

import json
import random
from collections.abc import Mapping
from typing import Any, Final

import httpx
from schemathesis.core.parameters import ParameterLocation as Part

from app.core.identifiers import utcnow, uuid7
from app.schemas.base import Position
from fuzz.document import Case
from tests.routes.requests import ROUTES, Call, World
from tests.sending import naming

_TOKEN: Final = "Authorization"  # noqa: S105  the header's name
_PARTS: Final = (Part.PATH, Part.QUERY, Part.HEADER, Part.BODY)
_USES: Final = 10
_WITHOUT_WORK: Final = {401, 405, 422}
"""Who gets these has used nothing up."""


class Requests:
    """Those of one operation. What they are about is made once, and again when an answer has used it up."""

    def __init__(self, world: World, operation_id: str) -> None:
        self.world = world
        self._name = operation_id
        self._is_route = operation_id in ROUTES
        self.call: Call | None = None
        """One that succeeds, which lends a case what it cannot make up; `None` beside `api/v1`."""
        self._uses = 0
        self._succeeded = False

    async def send(self, case: Case) -> httpx.Response:
        """Send a case for somebody whom the operation admits."""
        if self._is_route and self._uses == 0:
            self.call = await self.world.prepare(self._name)
        if self.call is not None:
            _complete(case, self.call, whole=not self._succeeded)
        answer = await self.world.client.send(_on_the_wire(self.world.client, case))
        self._succeeded |= not answer.is_error
        kept = answer.status_code in _WITHOUT_WORK and self._uses < _USES
        self._uses = self._uses + 1 if kept else 0
        return answer

    async def send_without_token(self, sent: httpx.Request, token: str | None) -> httpx.Response:
        """Send a request again with another token, or none."""
        headers = [
            (name, value) for name, value in sent.headers.raw if name.lower() != b"authorization"
        ]
        if token is not None:
            headers.append((b"authorization", f"Bearer {token}".encode()))
        client = self.world.client
        return await client.send(
            client.build_request(sent.method, sent.url, headers=headers, content=sent.content)
        )


def _complete(case: Case, call: Call, *, whole: bool) -> None:
    # What is put in depends on what was made up: a seed repeats both.
    chance = random.Random(repr(case))  # noqa: S311  no secret
    wrong = {part for part in _PARTS if case.meta and case.meta.is_negative_at(part)}
    if Part.HEADER not in wrong or (chance.random() < 0.5 and not _is_about_the_token(case)):
        _introduce(case, call, names_tenant=Part.HEADER not in wrong)
    if Part.PATH not in wrong:
        known = {**call.path, "tenant": call.tenant or "acme"}
        _put(case.path_parameters, known, chance, 0.8)
    if Part.QUERY not in wrong:
        _put(case.query, call.query, chance, 0.8)
        _put(case.query, {"cursor": Position(utcnow(), uuid7()).encode()}, chance, 0.8)
    if Part.BODY not in wrong and isinstance(case.body, dict) and call.body:
        # Until one has come through, nothing else is tried.
        share = 1.0 if whole else chance.choice([0.0, 0.5, 0.9, 1.0])
        _put(case.body, call.body, chance, share)


def _introduce(case: Case, call: Call, *, names_tenant: bool) -> None:
    if call.token is None:
        return
    case.headers[_TOKEN] = f"Bearer {call.token}"
    if names_tenant:
        case.headers.update(naming(case.method, call.route.path_format, call.tenant))


def _is_about_the_token(case: Case) -> bool:
    if case.meta is None:
        return False
    phase = case.meta.phase.data
    parts = [phase, *getattr(phase, "mutations", ())]
    return any(getattr(part, "parameter", None) == _TOKEN for part in parts)


def _put(
    made_up: Any, known: Mapping[str, object], chance: random.Random, probability: float
) -> None:
    for name in made_up.keys() & known.keys():
        if chance.random() < probability:
            made_up[name] = known[name]


def _on_the_wire(client: httpx.AsyncClient, case: Case) -> httpx.Request:
    parts: dict[str, Any] = case.as_transport_kwargs(base_url=str(client.base_url))
    headers: dict[str, str] = dict(parts["headers"])
    content = parts.get("data")
    if "json" in parts:
        # Escaped as ASCII: half a surrogate pair can be sent, too.
        content = json.dumps(parts["json"])
        headers.setdefault("Content-Type", "application/json")
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return client.build_request(
        parts["method"],
        parts["url"],
        params=parts.get("params"),
        cookies=parts.get("cookies"),
        headers=raw,
        content=content,
    )
