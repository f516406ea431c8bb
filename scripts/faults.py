"""Render a service and break what it runs on; what was measured is kept in build/faults."""

import argparse
import sys

from render import ROOT, rendered, run_module


def main() -> None:
    """Exit as the run does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("answers", nargs="*", metavar="question=answer")
    words = parser.parse_args()
    kept = str(ROOT / "build/faults")
    with rendered(words.answers) as service:
        failed = run_module(service, "faults", "--only", words.only, "--into", kept)
    sys.exit(failed)


if __name__ == "__main__":
    main()
