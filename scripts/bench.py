"""Time a render, and measure it beside the floors; the default answers' full run is kept in docs/."""

import argparse
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from render import ROOT, TEMPLATE, rendered, run_module, snapshot

RENDER_TARGET_SECONDS = 5.0


def processor_seconds_of_a_render(answers: list[str]) -> float:
    """What `copier copy` takes for answers, from a folder; the best of three, as the machine has other work."""
    program = shutil.which("copier", path=sysconfig.get_path("scripts")) or "copier"
    data = [argument for answer in answers for argument in ("--data", answer)]
    measured = []
    with tempfile.TemporaryDirectory(prefix="render-") as folder:
        template = Path(folder) / "template"
        snapshot(template, *TEMPLATE)
        for number in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            paths = [str(template), f"{folder}/service-{number}"]
            subprocess.run([program, "copy", "--quiet", "--defaults", *data, *paths], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            measured.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(measured)


def main() -> None:
    """Exit as the first benchmark that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", default="full")
    parser.add_argument("answers", nargs="*", metavar="question=answer")
    words = parser.parse_args()
    with rendered(words.answers) as service:
        seconds = processor_seconds_of_a_render(words.answers)
        print(
            f"A render takes {seconds:.1f} s of processor time; target: {RENDER_TARGET_SECONDS:.0f} s",
            flush=True,
        )
        kept = ROOT / ("docs" if words.plan == "full" and not words.answers else "build/bench")
        failed = run_module(service, "bench", "--plan", words.plan, "--into", str(kept))
        if not failed and "auth_mode=oidc" not in words.answers:
            pairs = [] if words.plan == "full" else ["--pairs", "20"]
            failed = run_module(service, "bench.addresses", *pairs)
    sys.exit(failed)


if __name__ == "__main__":
    main()
