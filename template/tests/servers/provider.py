"""The development identity provider."""

from pathlib import Path
from typing import Final

from app.dev.servers.provider import Provider
from tests.servers.embedded import Embedded

VARIABLE: Final = "TEST_PROVIDER_URL"


def make(folder: Path) -> Embedded:
    """Return one that can be told to misbehave, and its URL."""
    provider = Provider(folder, controls=True)
    return provider, lambda: provider.url
