"""The settings that the processes of `app dev` start with."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from app.dev.data_folder import Secrets
from app.dev.network import ANY_HOST, LOOPBACK
from app.dev.servers.base import Server

# Given only where the environment says nothing.
DEFAULTS: Final = {"LOGGING__FORMAT": "console", "MAIL__SENDER": "no-reply@example.com"}


def settings(
    own: Mapping[str, str], servers: Sequence[Server], secrets: Secrets, host: str, port: int
) -> dict[str, str]:
    """What has to be in a process's environment beside what this one got (`own`)."""
    values = dict(DEFAULTS)
    values["PUBLIC_URL"] = local_url(host, port)
    if "AUTH__KEYS" not in own:
        values["AUTH__KEYS"] = json.dumps({secrets.auth_kid: secrets.auth_key})
        values["AUTH__ACTIVE_KID"] = secrets.auth_kid
    values |= {name: own[name] for name in values if name in own and name != "AUTH__ACTIVE_KID"}
    for server in servers:
        values |= server.environment()
    return values | {
        "ENVIRONMENT": "dev",
        "HOST": host,
        "PORT": str(port),
        "DEV__SEED_PASSWORD": secrets.seed_password,
        # A free one: two sessions run side by side.
        "WORKER__HEALTH_PORT": "0",
    }


def local_url(host: str, port: int) -> str:
    """The service's URL in a browser on this machine."""
    name = LOOPBACK if host in ANY_HOST else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
