"""The render that is tried: the folder in which the command was started."""

from pathlib import Path
from typing import Final

import yaml

SERVICE: Final = Path.cwd()
ANSWERS: Final[dict[str, str]] = yaml.safe_load((SERVICE / ".copier-answers.yml").read_text())
