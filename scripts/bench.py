"""Render a service and run its benchmark; the default answers' full run is kept in docs/."""

import argparse
import sys

from render import ROOT, run_in_render


def main() -> None:
    """Exit as the benchmark does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", default="full")
    parser.add_argument("answers", nargs="*", metavar="question=answer")
    words = parser.parse_args()
    kept = ROOT / ("docs" if words.plan == "full" and not words.answers else "build/bench")
    failed = run_in_render("bench", words.answers, "--plan", words.plan, "--into", str(kept))
    if not failed and "auth_mode=oidc" not in words.answers:
        pairs = [] if words.plan == "full" else ["--pairs", "20"]
        failed = run_in_render("bench.addresses", words.answers, *pairs)
    sys.exit(failed)


if __name__ == "__main__":
    main()
