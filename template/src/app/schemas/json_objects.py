"""JSON objects that clients choose freely, within what PostgreSQL's `jsonb` can hold."""

import json
from decimal import Decimal
from typing import Any


def as_stored(value: dict[str, Any], *, max_bytes: int, max_depth: int) -> dict[str, Any]:
    """Return the object as PostgreSQL gives it back, within the limits; the object itself is level one.

    `jsonb` stores numbers in decimal: `1e300` comes back as 301 digits, and they count.

    Raises:
        ValueError: it is too deep or too large, or holds the NUL character, half a surrogate pair or a number that
            JSON has no name for.
    """
    _require_bounded(value, max_bytes, max_depth)
    # Before numbers are written out: of so small a text that is little work.
    _require_size(value, max_bytes)
    stored: dict[str, Any] = _in_decimal(value)
    _require_size(stored, max_bytes)
    return stored


def _require_bounded(value: dict[str, Any], max_bytes: int, max_depth: int) -> None:
    level: list[object] = [value]
    count = 0
    for _ in range(max_depth + 1):
        count += len(level)
        if count > max_bytes:
            # Each takes a byte at least: the largest bodies are not looked through.
            raise _too_large(max_bytes)
        if any(isinstance(part, str) and "\x00" in part for part in level):
            raise ValueError("must not contain the NUL character")
        parents = [part for part in level if isinstance(part, dict | list)]
        if not parents:
            return
        level = [part for parent in parents for part in _parts(parent)]
    raise ValueError(f"must not be nested deeper than {max_depth} levels")


def _parts(value: dict[Any, Any] | list[Any]) -> list[Any]:
    return [*value.keys(), *value.values()] if isinstance(value, dict) else value


def _require_size(value: dict[str, Any], max_bytes: int) -> None:
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except UnicodeEncodeError:
        raise ValueError("must not contain half a surrogate pair") from None
    except ValueError:
        raise ValueError("must not contain NaN or an infinite number") from None
    if size > max_bytes:
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> ValueError:
    return ValueError(f"must not be larger than {max_bytes} bytes, with its numbers written out")


def _in_decimal(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_decimal(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_in_decimal(part) for part in value]
    if not isinstance(value, float):
        return value
    text = repr(value)
    # There is no negative zero either.
    return int(Decimal(text)) if "e+" in text else value + 0.0
