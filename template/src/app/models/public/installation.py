"""The one row that tells this database's roles from those of other databases in the cluster."""

from sqlmodel import Field

from app.models.base import PublicBase


class Installation(PublicBase, table=True):
    __tablename__ = "installation"

    id: str = Field(primary_key=True, max_length=8)
