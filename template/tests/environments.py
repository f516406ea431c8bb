"""Settings as a process of its own reads them."""

import json
from typing import Any

from pydantic import SecretStr, TypeAdapter

from app.core.sections import Section
from app.core.settings import Settings
from tests.sign_in.mode import PROCESS_VARIABLES

_ANY: TypeAdapter[Any] = TypeAdapter(Any)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the variables that make `settings`, as far as they are no defaults."""
    variables = {}
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        if isinstance(value, Section):
            for field in value.model_fields_set:
                variables[f"{name}__{field}".upper()] = _written(getattr(value, field))
        else:
            variables[name.upper()] = _written(value)
    return {name: text for name, text in variables.items() if text is not None} | PROCESS_VARIABLES


def _written(value: Any) -> str | None:
    plain = _ANY.dump_python(_revealed(value), mode="json")
    return plain if plain is None or isinstance(plain, str) else json.dumps(plain)


def _revealed(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return {key: _revealed(each) for key, each in value.items()}
    return value
