"""Render a service and break what it runs on; what was measured is kept in build/faults."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from render import ROOT, parse_answers, render


def main() -> None:
    """Exit as the run does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("answers", nargs="*", metavar="question=answer")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        service = Path(folder) / "service"
        try:
            render(service, parse_answers(words.answers))
        except ValueError as refused:
            sys.exit(f"lobby-saas: {refused}")
        into = str(ROOT / "build/faults")
        done = subprocess.run(
            [sys.executable, "-m", "faults", "--only", words.only, "--into", into],
            cwd=service,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(service), str(service / "src")])},
            check=False,
        )
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
