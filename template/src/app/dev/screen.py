"""The one screen that all processes share."""

import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

OWN_NAME: Final = "dev"
COLOURS: Final = ("cyan", "magenta", "green", "yellow", "blue", "bright_red", "bright_cyan")


class Screen:
    """Lines of many processes, each under its name; plain text where the output is no terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True, emoji=False)
        self._lock = threading.Lock()
        self._colours: dict[str, str] = {OWN_NAME: "bold"}

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it."""
        return self._console.is_terminal

    def line(self, name: str, line: str) -> None:
        """A line that a process wrote, with the colours that it chose."""
        text = Text(f"{name:>8} │ ", style=self._colour(name))
        self._print(text.append_text(Text.from_ansi(line, style="default")))

    def note(self, sentence: str) -> None:
        """A sentence of our own."""
        for line in sentence.splitlines():
            self.line(OWN_NAME, line)

    def confirms(self, question: str) -> bool:
        """Ask the person who looks at it; nobody agrees where there is none."""
        if not (self.is_terminal and sys.stdin.isatty()):
            return False
        self.note(f"{question} [y/N]")
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    def summary(
        self,
        title: str,
        pages: Mapping[str, str],
        logins: Mapping[str, str],
        *last: tuple[str, str],
    ) -> None:
        """Where everything is and who can sign in."""
        rows = [*pages.items(), ("", ""), *logins.items(), *last]
        if not self.is_terminal:
            lines = [title, *(f"{left:<20} {right}".rstrip() for left, right in rows)]
            self._print(Text("\n".join(lines)))
            return
        table = Table.grid(padding=(0, 3))
        for left, right in rows:
            table.add_row(Text(left, style="dim"), Text(right, style="bold"))
        table.caption = Text("Ctrl-C stops everything", style="dim")
        self._print(Panel(table, title=title, border_style="green", expand=False))

    def _colour(self, name: str) -> str:
        with self._lock:
            return self._colours.setdefault(name, COLOURS[(len(self._colours) - 1) % len(COLOURS)])

    def _print(self, what: Text | Table | Panel) -> None:
        # A reader that went away (`| head`) must not stop the processes' pipes from being emptied.
        with self._lock, suppress(OSError):
            self._console.print(what)
