"""What can keep the development servers from running, each with a sentence for the person at the screen."""

import signal
from typing import Final

DROPS_REFUSED: Final = 3
"""With which `app migrate` ends when nobody has agreed to what it would drop."""


class DevError(Exception):
    """The development servers cannot run; the message says why and what to do."""


class PortUnavailable(DevError):
    """The address that was asked for cannot be listened on."""


class DataFolderInUse(DevError):
    """Another `app dev` works in the same data folder."""


class DataFolderUnusable(DevError):
    """The data folder holds something that this version cannot go on with."""


class ToolMissing(DevError):
    """A program of the `dev` dependency group is not installed."""


class CommandFailed(DevError):
    """A command that has to succeed did not."""

    def __init__(self, name: str, returncode: int, output: str = "") -> None:
        super().__init__("\n".join(filter(None, [f"{name} {ending(returncode)}.", output])))
        self.returncode = returncode


class ServerFailed(DevError):
    """A server did not become ready; the message ends with what it said last."""


class Stopping(DevError):
    """Everything is being stopped, so nothing is started any more."""

    def __init__(self) -> None:
        super().__init__("Stopped while starting.")


def ending(returncode: int) -> str:
    """How a process ended, in words."""
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    return f"was killed by {signal.Signals(-returncode).name}"
