"""What no JSON schema can say: why a request that fits the document is refused all the same."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple


class Excuse(NamedTuple):
    pointer: str
    detail: str
    reason: str


EXCUSES: Final = [
    Excuse("/query/return_to", "no path of this service", "addresses are compared with settings"),
    Excuse("/query/code_challenge", "It comes with `return_to`", "one parameter needs another"),
    Excuse("/body/.*", "A new user", "a known user sends the token alone"),
    Excuse("/body/metadata", "must not contain the NUL character", "PostgreSQL cannot store it"),
    Excuse("/body/metadata", "must not be larger", "no schema says how long the JSON text is"),
]


def excused(error: Mapping[str, str]) -> bool:
    """Tell whether a refusal of one field has a reason here."""
    return any(
        re.fullmatch(excuse.pointer, error.get("pointer", ""))
        and re.search(excuse.detail, error.get("detail", ""))
        for excuse in EXCUSES
    )
