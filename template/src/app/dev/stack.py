"""What `app dev` runs: the one place that names its servers and processes."""

from typing import Final

from app.dev.servers.base import Server
from app.dev.servers.mailbox import Mailbox
from app.dev.servers.postgres import Postgres
from app.dev.servers.temporal import Temporal
from app.dev.servers.valkey import Valkey

# Each keeps its data in a folder of its name.
SERVERS: Final[tuple[type[Server], ...]] = (Postgres, Valkey, Mailbox, Temporal)

# Commands of `python -m app`, started in this order and restarted when the code changes.
PROCESSES: Final = ("worker", "api")
