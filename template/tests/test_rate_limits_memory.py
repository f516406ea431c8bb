"""Limits that one process keeps: it says so when it starts."""

from typing import Any

import pytest

from tests.probe import Probe
from tests.sections import probe_settings


@pytest.mark.parametrize("enabled", [True, False])
async def test_the_log_says_that_limits_are_this_processs(enabled: bool) -> None:
    limits: dict[str, Any] = {"enabled": enabled}
    probe = Probe(probe_settings(rate_limits=limits))
    async with probe.started():
        pass
    said = "rate limits are counted in this process: run one API process, no more"
    assert (said in probe.log.getvalue()) is enabled
