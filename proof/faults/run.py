"""One fault after the other: load, the fault, the way back, and what is left of it."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import asyncpg
import httpx

from app.dev.stack import PROCESSES
from faults.clients import Cast, Founding, use
from faults.fault import Fault, Scene
from faults.invariants import Findings, examine, is_settled, unfinished
from faults.ledger import Ledger
from faults.stage import API, Stage
from faults.waiting import PATIENCE_SECONDS, happens, now

IN_A_ROW: Final = 30
"""Good answers, over all clients, that make a service normal."""

_WARM_SECONDS: Final = 1.0
_USED: Final = re.compile(r'^db_pool_connections\{.*state="used".*\} (\d+)', re.MULTILINE)


@dataclass(slots=True)
class Result:
    """What one fault has led to."""

    name: str
    outcomes: dict[str, int]
    """How often each status, and each way to lose a connection, came while it lasted and until the end."""
    slowest_seconds: float
    requests_seconds: float | None
    """From its end until every request was answered as usual; None: that did not happen."""
    work_seconds: float | None
    """The same of background work: what waited was done, and a new tenant was made."""
    findings: Findings
    complaints: list[str] = field(default_factory=list)
    """Which bounds did not hold, and what was still open then."""

    @property
    def requests(self) -> int:
        """How many were sent."""
        return sum(self.outcomes.values())

    @property
    def is_survived(self) -> bool:
        """Whether nothing is wrong."""
        return not self.complaints and not self.findings.all()


async def run(
    stage: Stage, cast: Cast, faults: Sequence[Fault], stretch: float
) -> AsyncIterator[Result]:
    """Yield each fault's result as soon as it is known; its bounds are multiplied by `stretch`."""
    for fault in faults:
        scene = Scene(stage, cast, Ledger())
        async with AsyncExitStack() as around:
            if fault.before is not None:
                await around.enter_async_context(fault.before(scene))
            result = await _one(fault.stretched(stretch), scene)
        yield result


async def _one(fault: Fault, scene: Scene) -> Result:
    pids = scene.stage.pids()
    async with _load(scene, founding=fault.founding):
        await asyncio.sleep(_WARM_SECONDS)
        async with fault.made(scene):
            await asyncio.sleep(fault.lasts)
        ended = now()
        requests_seconds = await _until_normal(scene.ledger, ended)
        late = asyncio.create_task(_open_at(scene, ended + fault.work_within))
        work_seconds = await _until_work_is_done(scene, ended)
        late.cancel()
    connection = await asyncpg.connect(scene.stage.admin_url)
    await happens(partial(is_settled, connection), PATIENCE_SECONDS)
    findings = await examine(connection, scene.ledger)
    await connection.close()
    answers = scene.ledger.answers
    result = Result(
        fault.name,
        dict(Counter(answer.outcome for answer in answers)),
        max(answer.seconds for answer in answers),
        requests_seconds,
        work_seconds,
        findings,
    )
    result.complaints += _broken_bounds(fault, result)
    result.complaints += [] if late.cancelled() else late.result()
    result.complaints += await _unhealthy(fault, scene.stage, pids)
    return result


@asynccontextmanager
async def _load(scene: Scene, *, founding: bool) -> AsyncIterator[None]:
    stop, ledger = asyncio.Event(), scene.ledger
    clients = [asyncio.create_task(use(m, ledger, stop)) for m in scene.cast.members]
    if founding:
        clients.append(asyncio.create_task(Founding(scene.cast.founder, ledger).run(stop)))
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*clients)


async def _until_normal(ledger: Ledger, ended: float) -> float | None:
    async def is_normal() -> bool:
        return ledger.normal_at(ended, IN_A_ROW) is not None

    await happens(is_normal, PATIENCE_SECONDS)
    normal_at = ledger.normal_at(ended, IN_A_ROW)
    return None if normal_at is None else normal_at - ended


async def _until_work_is_done(scene: Scene, ended: float) -> float | None:
    founding = Founding(scene.cast.founder, scene.ledger)
    connection = await asyncpg.connect(scene.stage.admin_url)
    before = await connection.fetchval("SELECT now()")
    waiting = (
        "SELECT count(*) FROM public.workflow_executions"
        " WHERE finished_at IS NULL AND created_at < $1"
    )

    async def is_done() -> bool:
        return not await connection.fetchval(waiting, before)

    fresh = await founding.found()
    made = fresh.acknowledged and await founding.wait_until_ready(fresh)
    done = await happens(is_done, PATIENCE_SECONDS)
    await connection.close()
    return now() - ended if made and done else None


async def _open_at(scene: Scene, moment: float) -> list[str]:
    await asyncio.sleep(moment - now())
    connection = await asyncpg.connect(scene.stage.admin_url)
    try:
        return await unfinished(connection)
    finally:
        connection.terminate()


def _broken_bounds(fault: Fault, result: Result) -> list[str]:
    refused = [outcome for outcome in result.outcomes if outcome == "503"]
    lost = [outcome for outcome in result.outcomes if outcome.isidentifier()]
    others = [o for o in result.outcomes if o[0] != "2" and o not in (*refused, *lost)]
    complaints = [f"{result.outcomes[other]} times {other}" for other in others]
    if refused and not fault.refuses:
        complaints.append("clients got 503")
    if lost and not fault.hangs_up:
        complaints.append(f"connections were lost: {', '.join(lost)}")
    for what, measured, limit in (
        ("the slowest answer", result.slowest_seconds, fault.answers_within),
        ("requests: normal", result.requests_seconds, fault.requests_within),
        ("background work: normal", result.work_seconds, fault.work_within),
    ):
        if measured is None or measured > limit:
            told = "never" if measured is None else f"after {measured:.1f} s"
            complaints.append(f"{what} {told}, not within {limit:g} s")
    return complaints


async def _unhealthy(fault: Fault, stage: Stage, pids: dict[str, int]) -> list[str]:
    complaints = [
        f"{name} is not ready"
        for name in PROCESSES
        if not await happens(partial(asyncio.to_thread, stage.is_ready, name), PATIENCE_SECONDS)
    ]
    if stage.pids().keys() != pids.keys():
        complaints.append(f"of {', '.join(pids)} run {', '.join(stage.pids())}")
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(f"{stage.url}/metrics")).text
    used = _USED.search(metrics)
    if used is None or int(used[1]):
        complaints.append(f"{used and used[1]} connections of {API}'s pool are still taken")
    return complaints
