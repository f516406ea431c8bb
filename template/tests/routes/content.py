"""What an answer tells: marks, secrets and numbers of rows, wherever in it they stand."""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx

from app.core.security.access_tokens import AccessTokens
from tests.routes.marks import forms
from tests.routes.requests import Call

UNIQUE: Final = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[\w.+-]+@[\w-]+\.[\w.-]+|[0-9a-f]{12,}"
)
"""What nobody but its owner can say by chance. A number is not: each tenant may have a row with that key."""

HASHES: Final = ("$argon2", "$2a$", "$2b$", "$2y$", "$scrypt$", "$pbkdf2")
"""How stored passwords begin."""

_NUMBER: Final = re.compile(r"(?<![\w.+/-])\d{3,9}(?![\w.:/-])")
_OF_THE_REQUEST: Final = re.compile(r"content-length|retry-after|(x-)?ratelimit", re.IGNORECASE)
"""Headers whose numbers count something else than rows."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """What one tenant is not told: what is another's, and what is nobody's to read."""

    texts: frozenset[str]
    kept: set[str] = field(default_factory=set)
    """What the one that is not told of it has said, and may read again."""

    @classmethod
    def of(cls, secret: str, marks: Iterable[str] = (), texts: Iterable[str] = ()) -> "Foreign":
        """Return texts, and marks in every form."""
        marked = {form for mark in (secret, *marks) for form in forms(mark)}
        return cls(frozenset({*HASHES, *marked, *texts}))

    def told(
        self,
        call: Call,
        answer: httpx.Response,
        *,
        also: Iterable[str] = (),
        numbers: Set[int] = frozenset(),
    ) -> list[str]:
        """Return what an answer tells of it that the request has not said itself; `also` are texts of this time alone."""
        text, told = content_of(answer), {*self.texts, *also}
        # One `in` for each is many times as fast as a pattern of them all.
        found = [each for each in told if each in text]
        if found:
            text = _without(text, said_by(call) | self.kept)
            found = [each for each in told if each in text]
        if numbers:
            counted = {int(number) for number in _NUMBER.findall(_counting(answer))}
            found += [f"{number} rows" for number in counted & numbers]
        return sorted(set(found))


def content_of(answer: httpx.Response) -> str:
    """Return all that a client sees of an answer; of an archive, as XLSX and DOCX are, its files."""
    head = [f"{answer.status_code} {answer.reason_phrase}", *_headers(answer), "", answer.text]
    if answer.content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            for name in archive.namelist():
                head += [name, archive.read(name).decode(errors="replace")]
    return "\n".join(head)


def is_json(answer: httpx.Response) -> bool:
    """Tell whether an answer is one JSON document."""
    kind: str = answer.headers.get("content-type", "").partition(";")[0]
    return kind == "application/json" or kind.endswith("+json")


def said_by(call: Call) -> set[str]:
    """Return every text that a request says."""
    parts = (call.path, call.query, call.headers, call.body)
    return {text for part in parts for text in _texts(part)} | ({call.tenant or ""} - {""})


def own_of(call: Call, tokens: AccessTokens) -> set[str]:
    """Return what is unique in a request: what it says, and who sends it."""
    found = {match[0] for text in said_by(call) for match in UNIQUE.finditer(text)}
    if call.token is not None:
        claims = tokens.verify(call.token)
        found |= {str(id) for id in (claims.user_id, claims.session_id, claims.tenant_id) if id}
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _texts(key)
            yield from _texts(each)
    elif isinstance(value, Iterable):
        for each in value:
            yield from _texts(each)


def _without(text: str, said: Iterable[str]) -> str:
    for each in sorted(said, key=len, reverse=True):
        # A short word is said by chance, and would take apart what is looked for.
        if len(each) >= 4:
            for form in (*forms(each), quote(each, safe="")):
                text = text.replace(form, "")
    return text


def _headers(answer: httpx.Response) -> list[str]:
    return [f"{name}: {value}" for name, value in answer.headers.multi_items()]


def _counting(answer: httpx.Response) -> str:
    counting = [line for line in _headers(answer) if not _OF_THE_REQUEST.match(line)]
    return "\n".join([*counting, answer.text])
