"""Whom and what the requests of these tests are about."""

import httpx
import pytest
from fastapi import FastAPI

from tests.every_route.prepared import World, world_in
from tests.factories import Factory


@pytest.fixture(scope="session")
async def world(app: FastAPI, client: httpx.AsyncClient, factory: Factory) -> World:
    """An owner, a user and a superuser of the application that all tests share."""
    return await world_in(app, client, factory)
