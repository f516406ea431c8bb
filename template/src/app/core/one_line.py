"""Text that is shown in one line, to people who do not know who wrote it."""

import re
from typing import Final

# What moves a terminal's cursor, ends a line, or turns the rest of one round (Unicode: Cc, Zl, Zp, and the embeddings,
# overrides and isolates of UAX #9). The marks that right-to-left text needs are none of these.
_STEERING: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def is_one_line(text: str) -> bool:
    """Tell whether `text` is one line that only shows characters."""
    return _STEERING.search(text) is None


def as_one_line(text: str) -> str:
    """Return `text` with a space for each run of white space, and without what does more than show a character."""
    return _STEERING.sub("", " ".join(text.split()))
