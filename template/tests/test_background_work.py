"""From a row to its outcome, by a running engine: the same whichever it is."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from app.core.logging import configure_logging
from app.core.settings import Settings
from app.services.background_work import BackgroundWork
from tests import background, outcomes
from tests.engines import TestedEngine
from tests.processes import process
from tests.smtp_server import SmtpServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def post() -> SmtpServer:
    return SmtpServer()


@pytest.fixture(scope="module")
async def separate(
    settings: Settings, admin_url: str, engine: TestedEngine, post: SmtpServer
) -> AsyncIterator[Settings]:
    async with background.separate(settings, admin_url) as separate:
        yield post.used_by(engine.alone(separate))


@pytest.fixture(scope="module")
async def work(separate: Settings) -> AsyncIterator[BackgroundWork]:
    configure_logging(separate.logging)
    async with background.working(separate) as work:
        yield work


@pytest.fixture(autouse=True)
async def nothing_waits(work: BackgroundWork) -> None:
    await background.end_all(work)


async def test_each_kind_of_work(
    engine: TestedEngine, work: BackgroundWork, separate: Settings, post: SmtpServer
) -> None:
    requested = await background.request_tenant(work)
    deleted, deletion_id = await background.request_deletion(work, separate, timedelta())
    clean_up_id, expired_id = await background.request_clean_up(work)
    invite, mail = await background.request_mail(work)
    ids = (requested.execution_id, deletion_id, clean_up_id, mail.id)

    async with post.open(), engine.running(work, separate):
        await background.eventually(lambda: background.have_ended(work, *ids))

    await outcomes.assert_provisioned(work, requested)
    await outcomes.assert_deleted(work, deleted.tenant_id, deletion_id)
    await outcomes.assert_cleaned_up(work, clean_up_id, expired_id)
    await outcomes.assert_completed(work, mail.id)
    assert [mail for mail in post.received if invite.email in mail]


async def test_many_mails_of_one_tenant_hold_up_nobody(
    engine: TestedEngine, work: BackgroundWork, separate: Settings, post: SmtpServer
) -> None:
    await background.request_mails(work, 40)
    invite, _ = await background.request_mail(work)
    post.received.clear()

    async with post.open(), engine.running(work, separate):
        await background.eventually(lambda: background.all_have_ended(work))

    [place] = [place for place, mail in enumerate(post.received) if invite.email in mail]
    # Those that were under way at the same time may come before it.
    assert place < 25
    assert len(post.received) == 41


async def test_two_engines_make_each_tenant_once(
    engine: TestedEngine, work: BackgroundWork, separate: Settings, post: SmtpServer
) -> None:
    requests = [await background.request_tenant(work) for _ in range(8)]
    post.received.clear()

    async with post.open(), engine.running(work, separate), engine.running(work, separate):
        await background.eventually(lambda: background.all_have_ended(work))

    for requested in requests:
        await outcomes.assert_provisioned(work, requested)
        to_owner = [mail for mail in post.received if requested.owner_email in mail]
        assert len(to_owner) == 1


async def test_a_restored_tenant_is_kept(
    engine: TestedEngine, work: BackgroundWork, separate: Settings
) -> None:
    deleted, deletion_id = await background.request_deletion(work, separate, timedelta(hours=1))
    async with engine.running(work, separate):
        await background.eventually(lambda: background.has_begun(work, deletion_id))
    async with work.database.lobby() as lobby:
        await background.lifecycle(lobby, separate).restore(deleted.tenant_id)
    await engine.make_due(work)

    async with engine.running(work, separate):
        other_id, _ = await background.request_clean_up(work)
        await background.eventually(lambda: background.have_ended(work, other_id))

    await outcomes.assert_kept(work, deleted.tenant_id, deletion_id)


async def test_postgres_comes_back_and_needs_nobody(
    engine: TestedEngine, work: BackgroundWork, separate: Settings
) -> None:
    async with (
        background.behind_a_gate(separate) as (gate, remote),
        engine.running(remote, separate),
    ):
        first = await background.request_tenant(work)
        await background.eventually(lambda: background.have_ended(work, first.execution_id))
        await gate.close()
        second = await background.request_tenant(work)
        await gate.open()
        await background.eventually(lambda: background.have_ended(work, second.execution_id))

    await outcomes.assert_provisioned(work, second)


async def test_what_a_killed_process_leaves_another_finishes_or_takes_back(
    engine: TestedEngine, work: BackgroundWork, separate: Settings
) -> None:
    broken = await background.request_tenant(work)
    await background.break_migrations(work, broken)
    requested = await background.request_tenant(work)
    ids = (broken.execution_id, requested.execution_id)
    async with (
        background.held_up(work, requested),
        process(separate, *engine.command) as started,
    ):
        # It is killed in the middle of the migration.
        await background.eventually(lambda: background.somebody_waits(work))
        started.kill()
        await started.wait()

    await engine.make_due(work)
    async with engine.running(work, separate):
        await background.eventually(lambda: background.have_ended(work, *ids))

    await outcomes.assert_provisioned(work, requested)
    await outcomes.assert_compensated(work, broken, "migrate_schema: UndefinedColumnError")
