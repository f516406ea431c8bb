"""Programs that come from no wheel: the tests that need one are left out where it is not installed."""

import os
import shutil
import sys
from typing import Final

# Debian puts both where the PATH of ordinary users does not lead.
_PATH: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"

PGBOUNCER: Final = shutil.which("pgbouncer", path=_PATH)
NGINX: Final = shutil.which("nginx", path=_PATH) if sys.platform == "linux" else None
"""Linux alone: a client needs a loopback address of its own."""
