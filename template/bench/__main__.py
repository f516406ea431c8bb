"""`make bench`: the service beside two floors on this machine. Linux only, for /proc."""

import argparse
import sys
from pathlib import Path
from typing import Final

from bench import report
from bench.load import Load
from bench.run import Bench
from bench.scenarios import FULL, QUICK
from bench.stage import stage

RESULTS: Final = Path(__file__).resolve().parent / "results"


def main() -> None:
    """Measure, print the tables and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than two minutes, and rougher")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for what is kept")
    arguments = parser.parse_args()
    if sys.platform != "linux":
        sys.exit("The benchmark reads CPU time and memory from /proc, which only Linux has.")
    plan, folder = QUICK if arguments.quick else FULL, arguments.results.absolute()
    with stage() as prepared:
        load, other_load = Load(), Load()
        try:
            results = Bench(prepared, plan, load, other_load).run()
        finally:
            load.close()
            other_load.close()
    print(report.tables(results, plan))
    report.write(results, plan, folder)
    print(f"\nKept in {folder}")


if __name__ == "__main__":
    main()
