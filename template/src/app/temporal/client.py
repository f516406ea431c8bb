"""Connections to Temporal."""

import logging
from datetime import timedelta
from functools import cache
from typing import Final

from temporalio.client import Client
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
from temporalio.service import RetryConfig

from app.core.settings_temporal import TemporalSettings

RPC_TIMEOUT: Final = timedelta(seconds=5)

_CONNECT_TIMEOUT: Final = timedelta(seconds=5)
_FAIL_FAST: Final = RetryConfig(max_elapsed_time_millis=2000, max_retries=3)


async def connect_worker_client(settings: TemporalSettings) -> Client:
    """Return a connection for a worker, which retries for itself what fails.

    Raises:
        RuntimeError: Temporal does not answer.
    """
    return await Client.connect(
        settings.address,
        namespace=settings.namespace,
        connect_timeout=_CONNECT_TIMEOUT,
        runtime=_runtime(),
    )


async def lazy_client(settings: TemporalSettings) -> Client:
    """Return a client that connects when it is used, again after each outage, and says soon if it cannot."""
    return await Client.connect(
        settings.address,
        namespace=settings.namespace,
        connect_timeout=_CONNECT_TIMEOUT,
        retry_config=_FAIL_FAST,
        lazy=True,
        runtime=_runtime(),
    )


@cache
def _runtime() -> Runtime:
    # One for the process; its log lines join ours instead of going to the console in a format of their own. Below
    # errors it repeats each retry of an outage, which the dispatcher reports once.
    forwarding = LogForwardingConfig(logger=logging.getLogger("temporalio.core"))
    levels = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    return Runtime(
        telemetry=TelemetryConfig(logging=LoggingConfig(filter=levels, forwarding=forwarding))
    )
