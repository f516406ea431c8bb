"""Projects as clients see them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from app.schemas.base import Body, Change, Description, Name


class ProjectCreate(Body):
    name: Name
    description: Description | None = None


class ProjectUpdate(Change):
    name: Name = ""
    description: Description | None = None


class ProjectRead(BaseModel):
    id: UUID
    name: str
    description: str | None
    created_by: UUID
    created_at: datetime
    updated_at: datetime
