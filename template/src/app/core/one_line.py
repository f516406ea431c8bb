"""Text that is shown in one line, to people who do not know who wrote it."""

import re
from dataclasses import dataclass
from typing import Any, Final

from pydantic import GetJsonSchemaHandler

# What moves a terminal's cursor, ends a line, or turns the rest of one round (Unicode: Cc, Zl, Zp, and the embeddings,
# overrides and isolates of UAX #9). The marks that right-to-left text needs are none of these.
_STEERS: Final = r"\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069"
_STEERING: Final = re.compile(f"[{_STEERS}]")

# White space as `str.strip` knows it: ECMA 262 counts U+FEFF as well.
_SPACE: Final = (
    r"\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
)
_SHOWN: Final = f"[^{_STEERS}{_SPACE}]"

ONE_LINE_PATTERN: Final = f"^[{_SPACE}]*{_SHOWN}([^{_STEERS}]*{_SHOWN})?[{_SPACE}]*$"
"""One line within white space that is cut off, in the words that ECMA 262 and Python have in common."""


@dataclass(frozen=True, slots=True)
class Published:
    """The pattern of a text in the OpenAPI document, where Python or another pattern checks it."""

    pattern: str

    def __get_pydantic_json_schema__(
        self, schema: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema with this pattern."""
        return {**handler(schema), "pattern": self.pattern}


def is_one_line(text: str) -> bool:
    """Tell whether `text` is one line that only shows characters."""
    return _STEERING.search(text) is None


def as_one_line(text: str) -> str:
    """Return `text` with a space for each run of white space, and without what does more than show a character."""
    return _STEERING.sub("", " ".join(text.split()))
