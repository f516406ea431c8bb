"""Projects as clients see them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from app.schemas.base import Body, Change, Description, Name, ShownDescription, ShownName


class ProjectCreate(Body):
    name: Name
    description: Description | None = None


class ProjectUpdate(Change):
    name: Name = ""
    description: Description | None = None


class ProjectRead(BaseModel):
    id: UUID
    name: ShownName
    description: ShownDescription | None
    created_by: UUID
    created_at: datetime
    updated_at: datetime
