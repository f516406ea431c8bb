"""What workflows and activities agree on. It imports nothing of the service, because workflows import it.

The sandbox loads what a workflow imports a second time, and a second asyncpg crashes the process (asyncpg #1292).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Activity(StrEnum):
    """Activities by name, so that a workflow need not import them."""

    CREATE_SCHEMA = "create_schema"
    MIGRATE_SCHEMA = "migrate_schema"
    COMPLETE_PROVISIONING = "complete_provisioning"
    DROP_UNREADY_SCHEMA = "drop_unready_schema"
    FAIL_PROVISIONING = "fail_provisioning"
    READ_DUE_DATE = "read_due_date"
    DROP_TENANT = "drop_tenant"
    FAIL_DELETION = "fail_deletion"
    SEND_EMAIL = "send_email"
    REQUEST_CLEAN_UP = "request_clean_up"
    CLEAN_UP = "clean_up"
    COMPLETE_EXECUTION = "complete_execution"
    FAIL_EXECUTION = "fail_execution"


@dataclass(frozen=True)
class Execution:
    """The row of `workflow_executions` that a workflow carries out."""

    id: UUID


@dataclass(frozen=True)
class Failure:
    """Why an execution was given up."""

    execution_id: UUID
    error: str


@dataclass(frozen=True)
class DueDate:
    """When a tenant is to be dropped; never, if it was restored."""

    at: datetime | None


@dataclass(frozen=True)
class DueDeletion:
    """A deletion whose grace period has ended."""

    execution_id: UUID
    due_at: datetime
