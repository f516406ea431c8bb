"""What an audit row carries of a change."""

import json
from typing import Any

from pydantic import BaseModel

from app.schemas.audit_logs import DETAIL_BYTES


def details(before: BaseModel | None, after: BaseModel | None) -> tuple[str | None, str | None]:
    """Return both sides of a change as JSON: what differs, in objects within objects too.

    A side of more than `DETAIL_BYTES` has `{"omitted_bytes": n}` in the place of its largest values.
    """
    was = before.model_dump(mode="json") if before is not None else None
    became = after.model_dump(mode="json") if after is not None else None
    if was is not None and became is not None:
        was, became = _differences(was, became)
    return _bounded(was), _bounded(became)


def _differences(was: dict[str, Any], became: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    left, right = dict[str, Any](), dict[str, Any]()
    for name in was.keys() | became.keys():
        old, new = was.get(name), became.get(name)
        # As JSON, for which `1` and `true` are two values.
        if name in was and name in became and _text(old) == _text(new):
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            old, new = _differences(old, new)
        if name in was:
            left[name] = old
        if name in became:
            right[name] = new
    return left, right


def _bounded(side: dict[str, Any] | None) -> str | None:
    if side is None:
        return None
    sizes = {name: _size(value) for name, value in side.items()}
    kept = dict(side)
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if _size(kept) <= DETAIL_BYTES:
            return _text(kept)
        kept[name] = {"omitted_bytes": sizes[name]}
    return _text(kept if _size(kept) <= DETAIL_BYTES else {"omitted_bytes": _size(side)})


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _size(value: Any) -> int:
    return len(_text(value).encode())
