"""Whom and what the requests of these tests are about."""

import httpx
import pytest
from fastapi import FastAPI

from tests.factories import Factory
from tests.routes.requests import World


@pytest.fixture(scope="session")
async def world(app: FastAPI, client: httpx.AsyncClient, factory: Factory) -> World:
    """People of acme, of the lobby and of the platform, and their requests."""
    return await World.of(app, client, factory)
