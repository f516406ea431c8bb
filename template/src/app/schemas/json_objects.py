"""JSON objects that clients choose freely, within what PostgreSQL's `jsonb` can hold."""

import json
from typing import Any


def require_storable(value: dict[str, Any], *, max_bytes: int, max_depth: int) -> None:
    """Refuse what could not be stored and returned as it came; the object itself is level one.

    Raises:
        ValueError: it is too deep or too large, or holds the NUL character, half a surrogate pair or a number that
            JSON has no name for.
    """
    _require_depth(value, max_depth, max_depth)
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except UnicodeEncodeError:
        raise ValueError("must not contain half a surrogate pair") from None
    except ValueError:
        raise ValueError("must not contain NaN or an infinite number") from None
    if size > max_bytes:
        raise ValueError(f"must not be larger than {max_bytes} bytes")


def _require_depth(value: object, left: int, max_depth: int) -> None:
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("must not contain the NUL character")
    if not isinstance(value, dict | list):
        return
    if left == 0:
        raise ValueError(f"must not be nested deeper than {max_depth} levels")
    parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    for part in parts:
        _require_depth(part, left - 1, max_depth)
