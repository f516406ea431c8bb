"""Text that breaks services, in every string that the OpenAPI document lists: kept as it came, or refused."""

from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI

from tests.routes.operations import Operation, Place
from tests.routes.requests import ROUTES, Call, World, shown_by

pytestmark = pytest.mark.thorough

REFUSED: Final = {"NUL": "a\x00b", "half a surrogate pair": "a\ud800b"}
"""What PostgreSQL or UTF-8 cannot hold. It may be accepted where it is not kept but hashed."""

# SQL, places for values, composed and decomposed, right to left, of no width, of three code points, no character.
KEPT: Final = "x' OR 1=1;\"--\\%s$1 \u00e9e\u0301\u05d0\u200f\u200b\U0001f469\u200d\U0001f680\uffff"

TEXTS: Final = {
    **REFUSED,
    "a way up": "../../etc/passwd\\..%2f",
    "a terminal's commands": "a\x1b]0;b\x07\x1b[2J\r\n\x9b31mc",
    "a text that is turned round": "a\u202eb\u2067c",
    "SQL and Unicode": KEPT,
}


@pytest.mark.parametrize("name", ROUTES)
async def test_every_string(app: FastAPI, world: World, name: str) -> None:
    request: Call | None = None
    for place in Operation(app, name).texts():
        for kind, text in TEXTS.items():
            if kind == "a way up" and place.part == "body":
                continue
            request = request or await world.prepare(name)
            answer = await place.saying(request, text).send()
            said = f"{kind} in {place}: {answer.status_code} {answer.text[:500]}"
            assert answer.status_code < 500, said
            if place.part == "body" and answer.is_success:
                assert await _is_kept(request, place, text, answer), said
                # It may be good for once.
                request = None


async def _is_kept(request: Call, place: Place, text: str, answer: httpx.Response) -> bool:
    shown = shown_by(answer)
    if place.secret:
        return text not in str(shown)
    stored = await request.read_back(shown)
    return all(
        _is_same(document[place.name], place.value(text))
        for document in (shown, stored or {})
        if place.name in document
    )


def _is_same(shown: Any, sent: Any) -> bool:
    # What is stored in small letters is kept, and an object may be what was made of the text.
    if isinstance(shown, str) and isinstance(sent, str):
        return shown.casefold() == sent.casefold()
    return type(shown) is not type(sent) or shown == sent
