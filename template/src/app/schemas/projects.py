"""Projects and their tasks as clients see them."""

from datetime import datetime
from uuid import UUID

from app.schemas.base import (
    Body,
    Change,
    Description,
    Name,
    RowRead,
    ShownDescription,
    ShownName,
)


class ProjectCreate(Body):
    name: Name
    description: Description | None = None


class ProjectUpdate(Change):
    name: Name = ""
    description: Description | None = None


class ProjectRead(RowRead):
    name: ShownName
    description: ShownDescription | None
    created_by: UUID
    updated_at: datetime


class ProjectTaskCreate(Body):
    title: Name


class ProjectTaskRead(RowRead):
    project_id: UUID
    title: ShownName
