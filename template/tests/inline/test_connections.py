"""What background work takes of PostgreSQL's connections counts when workers are started."""

import socket

import pytest

from tests.shell import Shell, rows

pytestmark = pytest.mark.thorough


def test_workers_whose_background_work_does_not_fit_are_refused(shell: Shell) -> None:
    ((limit,),) = rows(
        shell.settings, "SELECT setting::int FROM pg_settings WHERE name = 'max_connections'"
    )
    pool = {"DATABASE__POOL_SIZE": str(limit // 4), "DATABASE__MAX_OVERFLOW": "0"}
    background = {"BACKGROUND__CONCURRENCY": str(limit // 4)}

    with socket.create_server(("127.0.0.1", 0)) as taken:
        # Should it be let in, it does not serve.
        port = str(taken.getsockname()[1])
        outcome = shell.run("api", "--workers", "2", "--port", port, **background, **pool)

    # Of requests, of `/health/ready`, and of background work.
    each = limit // 4 + 1 + 2 * (limit // 4 + 1) + 2
    assert outcome.code == 1
    assert outcome.err.startswith(
        f"2 workers may open {each} connections each (DATABASE__POOL_SIZE"
    )
    assert "BACKGROUND__CONCURRENCY" in outcome.err
