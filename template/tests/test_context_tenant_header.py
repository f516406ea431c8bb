"""The tenant named by `X-Tenant-ID`."""

import pytest
from fastapi import FastAPI

from app.api.context.tenant_header import TenantStrategy
from app.core.tenant_name_errors import TenantInvalid


def name(*values: bytes) -> str | None:
    headers = [(b"x-tenant-id", value) for value in values]
    return TenantStrategy().name_of({"headers": [(b"host", b"acme.example"), *headers]})


def test_the_headers_value_is_the_name() -> None:
    assert name(b"acme") == "acme"
    assert name("\uff41cme".encode()) not in {"acme", None}


def test_no_header_is_no_name() -> None:
    assert name() is None
    assert name(b"") is None


@pytest.mark.parametrize("values", [[b"acme", b"globex"], [b"acme", b"acme"], [b"", b"acme"]])
def test_several_headers_are_refused(values: list[bytes]) -> None:
    with pytest.raises(TenantInvalid):
        name(*values)


def test_openapi_lists_the_header_on_routes_of_tenants_alone(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    [parameter] = paths["/api/v1/projects"]["post"]["parameters"]
    assert (parameter["name"], parameter["in"], parameter["required"]) == (
        "X-Tenant-ID",
        "header",
        True,
    )
    assert "parameters" not in paths["/api/v1/users/me"]["get"]
