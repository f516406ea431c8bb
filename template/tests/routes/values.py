"""Values that fit a JSON schema: what it requires and no more, and each time other texts."""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from math import ceil, floor
from random import SystemRandom
from typing import Any, Final
from uuid import UUID

from rstr import Rstr

type Schema = Mapping[str, Any]

FORMATS: Final[Mapping[str, str]] = {
    "date": "2030-01-01",
    "date-time": "2030-01-01T00:00:00Z",
    "time": "12:00:00Z",
    "duration": "P1D",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "ipvanyaddress": "192.0.2.1",
    "ipv4network": "192.0.2.0/24",
    "ipv6network": "2001:db8::/32",
    "ipvanynetwork": "192.0.2.0/24",
    "ipvanyinterface": "192.0.2.1/24",
    "json-string": "{}",
}
"""Texts that may be the same each time."""

_DEPTH: Final = 8
"""A schema that contains itself ends here."""
_TRIES: Final = 60
_REPEATS: Final = (30, 8, 2)
"""How often at most `+` and `*` repeat, in turn: the longest that fits is the least likely to be made twice."""


class _Short(Rstr):
    most = 0

    def _handle_repeat(self, start_range: int, end_range: int, value: str) -> str:
        # The library's own limit is 100: nested, that is longer than any field.
        return super()._handle_repeat(start_range, min(end_range, start_range + self.most), value)


_MADE_OF: Final = _Short(
    SystemRandom(), whitespace=" ", printable="abcdefghijklmnopqrstuvwxyz0123456789"
)


@dataclass(frozen=True, slots=True)
class Values:
    """What is made up for a schema."""

    definitions: Mapping[str, Schema]
    """What its references name, by `$defs`."""
    mark: str = ""
    """How each text begins that may begin with anything."""
    unique: Set[str] = frozenset()
    """Fields whose numbers are different each time, too."""
    by_example: bool = False
    """A field that has `examples` is the first of them."""

    def of(self, schema: Schema, name: str = "", *, turn: int = 0, depth: int = 0) -> Any:
        """Return a value for the field `name`; of a list's items, those of each `turn` differ."""
        whole = self.resolved(schema, ends=depth > _DEPTH)
        if given := self._given(whole):
            return given[turn % len(given)]
        match _kind(whole):
            case "object":
                return self._object(whole, depth + 1)
            case "array":
                return self._array(whole, name, depth + 1)
            case "string":
                return self._text(whole, name)
            case "integer" | "number" as kind:
                return self._number(whole, name, turn, is_integer=kind == "integer")
            case kind:
                return True if kind == "boolean" else None

    def resolved(self, schema: Schema, *, ends: bool = False) -> Schema:
        """Return the schema that a reference names, the first that may be chosen, and the sum of those that hold at once."""
        found = dict(schema)
        if "$ref" in found:
            found |= self.definitions[found.pop("$ref").rpartition("/")[2]]
        for part in found.pop("allOf", ()):
            found = _both(found, self.resolved(part))
        choices = found.pop("anyOf", ()) or found.pop("oneOf", ())
        if choices:
            last = next((each for each in choices if each.get("type") == "null"), choices[-1])
            found = _both(found, self.resolved(last if ends else choices[0], ends=ends))
        elif "$ref" in found:
            return self.resolved(found, ends=ends)
        if tells := found.get("discriminator", {}).get("propertyName"):
            found["required"] = list(dict.fromkeys([*found.get("required", ()), tells]))
        return found

    def _given(self, schema: Schema) -> Sequence[Any]:
        if "const" in schema:
            return [schema["const"]]
        if "enum" in schema:
            # Of roles, the least: what only the mightiest may ask for would be refused for another reason.
            return list(reversed(schema["enum"]))
        return schema.get("examples", ()) if self.by_example else ()

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        fields = schema.get("properties", {})
        names = schema.get("required") or (fields if depth <= _DEPTH else ())
        made = {name: self.of(fields.get(name, {}), name, depth=depth) for name in names}
        others = schema.get("additionalProperties")
        for _ in range(schema.get("minProperties", 0) - len(made)):
            key = self._text(schema.get("propertyNames", {}), "")
            made[key] = self.of(others if isinstance(others, Mapping) else {}, key, depth=depth)
        return made

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        first = [self.of(each, name, depth=depth) for each in schema.get("prefixItems", ())]
        count = max(schema.get("minItems", 0), depth <= _DEPTH)
        count = min(count, schema.get("maxItems", count)) if "items" in schema else 0
        items = schema.get("items", {})
        rest = range(len(first), count)
        return first + [self.of(items, name, turn=turn, depth=depth) for turn in rest]

    def _number(self, schema: Schema, name: str, turn: int, *, is_integer: bool) -> int | float:
        above, below = (_bound(schema, f"exclusive{end}") for end in ("Minimum", "Maximum"))
        lows = [b for b in (_bound(schema, "minimum"), above) if b is not None]
        highs = [b for b in (_bound(schema, "maximum"), below) if b is not None]
        low = max(lows, default=min([Fraction(1), *highs]))
        high = min(highs, default=None)
        step = _bound(schema, "multipleOf") or Fraction(1)
        if name in self.unique:
            room = floor((high - low) / step) if high is not None else 2**31 - 2
            turn = secrets.randbelow(max(room, 1))
        value = (ceil(low / step) + turn) * step
        value += step if value == above else 0
        if high is not None and (value > high or value == below):
            # Between two bounds without a whole number, or one below the first.
            middle = (low + high) / 2
            value = middle if not is_integer and "multipleOf" not in schema else high // step * step
            value -= step if value == below else 0
        return int(value) if value.denominator == 1 else float(value)

    def _text(self, schema: Schema, name: str) -> Any:
        texts = self._texts(schema, name)
        first = next(texts)
        if isinstance(first, bytes):
            return first
        return next((text for text in (first, *texts) if fits(text, schema)), first)

    def _texts(self, schema: Schema, name: str) -> Iterator[Any]:
        kind, unique = schema.get("format", ""), self.mark + secrets.token_hex(6)
        if kind == "binary" or schema.get("contentMediaType") == "application/octet-stream":
            yield unique.encode()
        if "json" in schema.get("contentMediaType", ""):
            kind = "json-string"
        if kind == "uuid":
            yield str(UUID(bytes=secrets.token_bytes(16)))
        if kind in {"uri", "url"}:
            yield f"https://example.test/{unique}"
        if kind in FORMATS:
            yield FORMATS[kind]
        if kind == "email" or "email" in name.lower():
            yield f"{unique}@example.com"
        if kind == "hostname":
            yield f"{unique}.example.test"
        yield unique.ljust(schema.get("minLength", 0), "x")
        length = schema.get("maxLength", 12)
        yield secrets.token_hex(max(length, 12))[:length]
        matching = (text for text in _matching(schema.get("pattern")) if fits(text, schema))
        yield from sorted(islice(matching, 3), key=len)[-1:]
        yield from schema.get("examples", ())


def fits(text: str, schema: Schema) -> bool:
    """Tell whether a text has the length and the pattern that a schema demands."""
    if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text)):
        return False
    try:
        return re.search(schema.get("pattern", ""), text) is not None
    except re.error:
        # In the words of another engine.
        return False


def _matching(pattern: str | None) -> Iterator[str]:
    try:
        for n in range(_TRIES if pattern else 0):
            _MADE_OF.most = _REPEATS[n % len(_REPEATS)]
            yield _MADE_OF.xeger(str(pattern))
    except (re.error, KeyError, IndexError):
        # What the library does not know, for one that Python does not.
        return


def _kind(schema: Schema) -> str:
    known: Mapping[str, str] = {"properties": "object", "items": "array", "pattern": "string"}
    kind = schema.get("type") or next((known[key] for key in known if key in schema), "integer")
    return next(each for each in kind if each != "null") if isinstance(kind, list) else str(kind)


def _both(schema: Schema, other: Schema) -> dict[str, Any]:
    """Return what fits both."""
    merged = {**schema, **other}
    for part in ("properties", "required"):
        if part in schema and part in other:
            of, more = schema[part], other[part]
            merged[part] = {**of, **more} if part == "properties" else [*of, *more]
    return merged


def _bound(schema: Schema, name: str) -> Fraction | None:
    return Fraction(str(schema[name])) if name in schema else None
