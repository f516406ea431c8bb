"""Render a service and break what it runs on; what was measured is kept in build/faults."""

import argparse
import sys

from render import ROOT, run_in_render


def main() -> None:
    """Exit as the run does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("answers", nargs="*", metavar="question=answer")
    words = parser.parse_args()
    sys.exit(
        run_in_render(
            "faults", words.answers, "--only", words.only, "--into", str(ROOT / "build/faults")
        )
    )


if __name__ == "__main__":
    main()
