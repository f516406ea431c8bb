"""Workflows that began under an earlier release go on under this one.

Each file of `histories` is a run that was saved with
`temporal workflow show --workflow-id … --output json`. Save another one before a workflow changes; a change that
breaks the replay of an old one needs `workflow.patched` (https://docs.temporal.io/develop/python/versioning).
"""

from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from app.models.public.workflow_executions import WorkflowKind
from app.temporal.contract import Activity, Execution
from app.temporal.engine import WORKFLOWS
from app.temporal.workflows.steps import UNTIL_DONE, run_step

pytestmark = pytest.mark.slow

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))


def history(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(path.stem, path.read_text())


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_a_saved_run_replays(path: Path) -> None:
    await Replayer(workflows=WORKFLOWS).replay_workflow(history(path))


def test_every_kind_of_work_has_a_saved_run() -> None:
    names = {path.stem for path in HISTORIES}
    assert names >= {kind.value for kind in WorkflowKind}


@workflow.defn(name="send_email", sandboxed=False)
class ChangedSendEmail:
    @workflow.run
    async def run(self, execution: Execution) -> None:
        await run_step(Activity.COMPLETE_EXECUTION, execution, retries=UNTIL_DONE)


async def test_a_changed_order_of_steps_is_noticed() -> None:
    [saved] = [path for path in HISTORIES if path.stem == "send_email"]
    with pytest.raises(NondeterminismError):
        await Replayer(workflows=[ChangedSendEmail]).replay_workflow(history(saved))
