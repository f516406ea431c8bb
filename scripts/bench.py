"""Render a service and run its benchmark; the default answers' full run is kept in docs/."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from render import ROOT, parse_answers, render


def main() -> None:
    """Exit as the benchmark does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", default="full")
    parser.add_argument("answers", nargs="*", metavar="question=answer")
    words = parser.parse_args()
    kept = ROOT / ("docs" if words.plan == "full" and not words.answers else "build/bench")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        service = Path(folder) / "service"
        try:
            render(service, parse_answers(words.answers))
        except ValueError as refused:
            sys.exit(f"lobby-saas: {refused}")
        done = subprocess.run(
            [sys.executable, "-m", "bench", "--plan", words.plan, "--into", str(kept)],
            cwd=service,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(service), str(service / "src")])},
            check=False,
        )
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
