"""What is asked of every answer: schemathesis's checks, and where they ask too little, ours."""

from typing import Any, Final

from schemathesis import CheckContext, CheckFunction, Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from fuzz.document import Case
from fuzz.excuses import excused
from tests.routes.requests import ROUTES

_API: Final = "/api/v1"
_PROBLEM: Final = "application/problem+json"
_REFUSALS: Final = {"bad-request", "invalid-request"}


@checks.skips_on_unexpected_http_status
def problem_is_described(_ctx: CheckContext, response: Response, case: Case) -> None:
    """The description of the status names the problem's code."""
    code = _problem_code(response)
    if code is None:
        return
    responses: dict[str, Any] = case.operation.definition.raw["responses"]
    described = responses.get(str(response.status_code), {}).get("description", "")
    # A path or a method that no route has is everywhere the same.
    routing = {"not-found", "method-not-allowed"}
    assert code in routing or f"`{code}`" in described, (
        f"{response.status_code} {code}, but the document says: {described or 'nothing'}"
    )


@checks.skips_on_unexpected_http_status
def what_fits_is_taken(_ctx: CheckContext, response: Response, case: Case) -> None:
    """What the document allows is understood, unless `excuses.py` says why it cannot tell."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if _problem_code(response) in _REFUSALS:
        unexcused = [each for each in response.json().get("errors", [{}]) if not excused(each)]
        assert not unexcused, f"it fits the document, but: {unexcused or response.text}"


def methods_are_described(ctx: CheckContext, response: Response, case: Case) -> None:
    """Another method is answered with 405, and `Allow` names those that there are."""
    path = case.path.partition(_API)[2]
    if any(route.path_format != path and route.path_regex.match(path) for route in ROUTES.values()):
        # `/invites/lookup` is also a `/invites/{invite_id}`, and has the methods of both.
        return
    checks.unsupported_method(ctx, response, case)
    checks.allow_header_conformance(ctx, response, case)


CHECKS: Final[list[CheckFunction]] = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.missing_required_header,
    # `positive_data_acceptance`, but with reasons, and not content with any status that might be one.
    what_fits_is_taken,
    # `unsupported_method` and `allow_header_conformance`, but for paths of which one is an example of the other.
    methods_are_described,
    problem_is_described,
]
"""Without `ignored_auth`: `test_operations.py` tries tokens on what was answered well."""


def _problem_code(response: Response) -> str | None:
    content_type = "".join(response.headers.get("content-type", []))
    if not content_type.startswith(_PROBLEM):
        return None
    code: str = response.json()["type"].removeprefix("/problems/")
    return code
