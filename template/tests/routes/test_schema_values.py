"""The OpenAPI document says of each text what is taken: no more, and no less.

Formats (`email`, `date-time`, `uuid`) are only named there. Secrets have lengths alone.
"""

import random
import re
from typing import Any, Final

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from tests.routes.bodies import body_of
from tests.routes.operations import Operation
from tests.routes.requests import ROUTES

# What Python, Pydantic's engine and ECMA 262 read differently.
DIFFERS: Final = re.compile(r"\\[dDsSwWbBpPAZzX]|\(\?[^!:=]|(?<!\^)\.")
ODD: Final = (
    *(
        "a",
        " a ",
        "",
        " ",
        "\t",
        "\n",
        "a\n",
        "\na",
        "a\r",
        "a\x00",
        "\x00",
        "\x1c",
        "\x1fa",
        "a\x7f",
    ),
    *(
        "\x85",
        "\xa0",
        "a\xa0",
        "\u1680",
        "\u2003",
        "\u202f",
        "\u3000",
        "\ufeff",
        "\ufeffa",
        "\u200b",
    ),
    *("\u2028a", "a\u2029", "a\u202e", "\u2066a", "\u0663", "\uff11", "\xe9", "e\u0301", "ß", "İ"),
    *("0123456789abcdef" * 2, "01234567-89ab-cdef-0123-456789abcdef", "a" * 32, "A" * 32, "_" * 32),
    *(
        "A" + "v" * 31,
        "Aw" + "A" * 30,
        "B" * 32,
        "A" * 31 + "=",
        "-" * 32,
        "a-b",
        "a_b",
        "a--b",
        "a-",
    ),
    *("A" * 43, "\U0001f600" * 3, "1-" * 16, "0-123456789abcdef0123456789abcdef", "ab" * 20),
)
ALPHABETS: Final = (
    "ab01-_",
    "0123456789abcdef-",
    "AvwZ09-_",
    " \xa0\u3000\ufeffa",
    "\x00\x1f\x85\u2028a",
)


def candidates(schema: dict[str, Any]) -> set[str]:
    """Return texts at the edges of a schema, and some made at random, the same ones in each run."""
    chance = random.Random(0)  # noqa: S311  nothing secret
    made = {
        "".join(chance.choices(a, k=chance.randint(1, 40))) for a in ALPHABETS for _ in range(100)
    }
    edges = {schema.get("minLength", 0), schema.get("maxLength", 300)}
    lengths = {length + step for length in edges for step in (-1, 0, 1) if length + step >= 0}
    return {*ODD, *made, *(letter * n for n in lengths for letter in "a\U0001f600")}


def fits(schema: dict[str, Any], text: str) -> bool:
    """Tell what JSON Schema says: lengths are counted in code points (RFC 8259)."""
    if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text)):
        return False
    pattern = schema.get("pattern")
    # In ECMA 262 `$` is the end alone.
    return pattern is None or re.search(pattern.replace("$", r"\Z"), text) is not None


def disagreed(schema: dict[str, Any], accepted: Any) -> list[str]:
    """Return the texts that schema and validation judge differently."""
    tried = candidates(schema)
    try:
        re.compile(schema.get("pattern", ""))
    except re.error:
        # In words that only Pydantic's engine knows.
        return []
    if DIFFERS.search(schema.get("pattern", "")):
        # Of what people write, all of them say the same.
        tried = {text for text in tried if text.isascii() and text.isprintable()}
    return sorted(text for text in tried if fits(schema, text) != accepted(text))


def is_plain(schema: dict[str, Any]) -> bool:
    others = {"format", "enum", "const", "contentMediaType"}
    return schema.get("type") == "string" and not others & schema.keys()


@pytest.mark.parametrize("name", [name for name, route in ROUTES.items() if route.body_field])
def test_texts_of_a_body(app: FastAPI, name: str) -> None:
    route = ROUTES[name]
    assert route.body_field is not None
    model: Any = route.body_field.field_info.annotation
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return
    body = body_of(route)
    if not isinstance(body, dict):
        return

    def accepts(field: str, text: str) -> bool:
        try:
            model.model_validate({**body, field: text})
        except ValidationError as exc:
            return field not in {error["loc"][0] for error in exc.errors() if error["loc"]}
        return True

    for field, schema in Operation(app, name).fields().items():
        if is_plain(schema):
            wrong = disagreed(schema, lambda text, field=field: accepts(field, text))
            if field in body and not accepts(field, body[field]):
                # A check that no schema can say, such as that of an IBAN's digits, refuses more.
                wrong = [text for text in wrong if accepts(field, text)]
            assert wrong == [], field


@pytest.mark.parametrize("name", ROUTES)
def test_texts_of_a_query(app: FastAPI, name: str) -> None:
    for parameter in parameters(ROUTES[name]):
        schema = Operation(app, name).parameter(parameter.alias)
        if is_plain(schema):
            wrong = disagreed(schema, lambda text, p=parameter: not p.validate(text, {}, loc=())[1])
            assert wrong == [], parameter.alias


def parameters(route: APIRoute) -> list[Any]:
    subs = [route.dependant, *route.dependant.dependencies]
    found: list[Any] = [field for sub in subs for field in (*sub.query_params, *sub.path_params)]
    return [field for field in found if field.field_info.include_in_schema]
