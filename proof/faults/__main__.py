"""`make faults`: real servers and processes under load, and one fault after the other. Linux only."""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from faults import report
from faults.catalogue import FAULTS
from faults.clients import cast
from faults.fault import Fault
from faults.run import Result, run
from faults.stage import stage


def main() -> None:
    """Exit with 1 if a fault was not survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="faults whose names contain this, in any case")
    parser.add_argument(
        "--stretch",
        type=float,
        default=1,
        help="how many times longer everything may take, as beside other work; 1",
    )
    parser.add_argument("--into", type=Path, required=True, help="folder for what is kept")
    arguments = parser.parse_args()
    if sys.platform != "linux":
        sys.exit("The faults limit files and look at processes as only Linux lets them.")
    wanted = [f for f in FAULTS if arguments.only.lower() in f.name.lower()]
    if not wanted:
        sys.exit(f"There is no such fault; there are {', '.join(f.name for f in FAULTS)}.")
    into = arguments.into.absolute()
    results = asyncio.run(_make(wanted, arguments.stretch))
    print(report.summary(results))
    if wanted == list(FAULTS):
        report.write(results, into)
        print(f"Kept in {into}")
    sys.exit(not all(result.is_survived for result in results))


async def _make(faults: Sequence[Fault], stretch: float) -> list[Result]:
    began, results = time.monotonic(), []
    async with stage() as running, cast(running.url) as people:
        async for result in run(running, people, faults, stretch):
            results.append(result)
            print(f"faults: {time.monotonic() - began:3.0f} s, {report.line(result)}", flush=True)
        if not all(result.is_survived for result in results):
            print("\n".join(running.lines), file=sys.stderr)
    return results


if __name__ == "__main__":
    main()
