"""The clients: each sends its next request when the answer to the last one has come.

A process of its own, driven by lines of JSON: a `Job` in, an `Outcome` out. Requests come ready to send, so that the
clients cost little beside what they measure.
"""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import count, cycle
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import uvloop

SERIAL: Final = b"#" * 16
"""Where a request differs each time: a name that must be unique."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to send, how many at once, for how long."""

    port: int
    requests: str
    """A file with a request on each line, as a JSON string."""
    clients: int
    seconds: float = 0.0
    """0 sends each request once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    seconds: float
    statuses: dict[str, int]
    milliseconds: list[float]
    """Each answer's time."""

    @property
    def answers(self) -> int:
        """How many came."""
        return len(self.milliseconds)


class _Client(asyncio.Protocol):
    def __init__(self, run: "_Run") -> None:
        self.run = run
        self.done = asyncio.get_running_loop().create_future()
        self.unread = b""
        self.expected = -1
        self.sent_at = 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        request = self.run.next_request()
        if request is None:
            self.transport.close()
            self.done.set_result(None)
            return
        self.sent_at = perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.unread += data
        if self.expected < 0 and not self.read_head():
            return
        if len(self.unread) >= self.expected:
            self.run.milliseconds.append((perf_counter() - self.sent_at) * 1000)
            self.unread, self.expected = self.unread[self.expected :], -1
            self.send()

    def read_head(self) -> bool:
        head, ended, self.unread = self.unread.partition(b"\r\n\r\n")
        if not ended:
            self.unread = head
            return False
        self.run.statuses[head[9:12].decode()] += 1
        _, found, rest = head.lower().partition(b"\r\ncontent-length:")
        self.expected = int(rest.partition(b"\r\n")[0]) if found else 0
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server hung up"))


class _Run:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.statuses: Counter[str] = Counter()
        self.milliseconds: list[float] = []
        lines = Path(job.requests).read_text().splitlines()
        requests = [json.loads(line).encode("latin-1") for line in lines]
        self.requests = cycle(requests) if job.seconds else iter(requests)
        self.serials = count(int(perf_counter() * 1e6))
        self.until = 0.0

    async def result(self) -> Outcome:
        started = perf_counter()
        self.until = started + self.job.seconds
        loop = asyncio.get_running_loop()
        connected = await asyncio.gather(
            *(
                loop.create_connection(lambda: _Client(self), "127.0.0.1", self.job.port)
                for _ in range(self.job.clients)
            )
        )
        await asyncio.gather(*(client.done for _, client in connected))
        return Outcome(perf_counter() - started, dict(self.statuses), self.milliseconds)

    def next_request(self) -> bytes | None:
        if self.job.seconds and perf_counter() > self.until:
            return None
        request: bytes | None = next(self.requests, None)
        if request is not None and SERIAL in request:
            return request.replace(SERIAL, b"%016x" % next(self.serials))
        return request


class Load:
    """The clients' process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, job: Job) -> None:
        """Begin; `outcome` waits for the end."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()

    def outcome(self) -> Outcome:
        """Return what came of the job that was started.

        Raises:
            RuntimeError: an answer was no success, or a connection broke.
        """
        assert self._process.stdout
        line = self._process.stdout.readline()
        outcome = Outcome(**json.loads(line or '{"seconds":0,"statuses":{},"milliseconds":[]}'))
        bad = {status for status in outcome.statuses if not status.startswith("2")}
        if bad or not outcome.answers:
            raise RuntimeError(f"not every request succeeded: {outcome.statuses or 'no answer'}")
        return outcome

    def run(self, job: Job) -> Outcome:
        """Do a job."""
        self.start(job)
        return self.outcome()

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()


def write_requests(path: Path, requests: Sequence[bytes]) -> str:
    """Keep requests for jobs, and return the file's name."""
    path.write_text("".join(json.dumps(request.decode("latin-1")) + "\n" for request in requests))
    return str(path)


def main() -> None:
    """Do jobs until the input ends."""
    for line in sys.stdin:
        outcome = uvloop.run(_Run(Job(**json.loads(line))).result())
        print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    main()
