"""The tenant named by `X-Tenant-ID`."""

import pytest

from app.api.context.tenant_header import TenantStrategy
from app.core.errors import TenantInvalid

ID = "0198c0de-0000-7000-8000-00000000000a"


def name(*values: bytes) -> str | None:
    headers = [(b"x-tenant-id", value) for value in values]
    return TenantStrategy().name_of({"headers": [(b"host", b"acme.example"), *headers]})


@pytest.mark.parametrize("value", ["acme", "acme-corp", "acme_corp", "republic", "a", "x" * 56, ID])
def test_slugs_and_ids(value: str) -> None:
    assert name(value.encode()) == value


def test_no_name() -> None:
    assert name() is None
    assert name(b"") is None


@pytest.mark.parametrize(
    "values",
    [
        [b"acme", b"globex"],
        [b"acme", b"acme"],
        [b"acme,globex"],
        [b"Acme"],
        [b"acme "],
        [b"-acme"],
        [b"a--b"],
        [b"x" * 57],
        [b"../public"],
        [b'acme"; drop schema public'],
        [b"acme\x00"],
        [b"acme\n"],
        [b"\xe4cme"],
        ["\uff41cme".encode()],
        [ID.upper().encode()],
        [ID.replace("-", "").encode()],
        [f"{{{ID}}}".encode()],
        [f"urn:uuid:{ID}".encode()],
    ],
)
def test_what_is_neither(values: list[bytes]) -> None:
    with pytest.raises(TenantInvalid):
        name(*values)
