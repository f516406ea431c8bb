"""Whatever is sent to an operation, its answer is one that the OpenAPI document describes."""

import asyncio
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus

import pytest
from hypothesis import HealthCheck, Phase, settings
from schemathesis.generation.hypothesis.builder import (
    HypothesisTestConfig,
    HypothesisTestMode,
    create_test,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

from fuzz.checks import CHECKS
from fuzz.completed import Requests
from fuzz.conftest import Plan
from fuzz.document import OPERATIONS, Case, operation_ids
from tests.routes.requests import World


def test_every_operation_is_fuzzed(schema: OpenApiSchema) -> None:
    assert operation_ids(schema) == set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_answers_fit_the_document(
    schema: OpenApiSchema,
    world: World,
    loop: asyncio.AbstractEventLoop,
    plan: Plan,
    name: str,
    record_property: Callable[[str, object], None],
) -> None:
    operation = schema.find_operation_by_id(name)
    requests = Requests(world, name)
    statuses: Counter[int] = Counter()

    def answered(case: Case) -> None:
        statuses.update(loop.run_until_complete(checked(case, requests)))

    project = schema.config
    configured = HypothesisTestConfig(
        project=project,
        modes=list(HypothesisTestMode),
        seed=plan.seed,
        settings=settings(
            max_examples=plan.cases,
            phases=[Phase.explicit, Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
        apply_ci_profile=False,
    )
    create_test(operation=operation, test_func=answered, config=configured)()
    record_property("operations", 1)
    record_property("requests", statuses.total())
    assert any(HTTPStatus(status).is_success or status == 303 for status in statuses), (
        f"nothing was answered well, so little was tried: {statuses}"
    )


async def checked(case: Case, requests: Requests) -> list[int]:
    """Send a case, and what is answered well once more without its token; return the statuses."""
    answer = await requests.send(case)
    case.validate_response(answer, checks=CHECKS)
    known = requests.call.token if requests.call else None
    if not answer.is_success or known is None:
        return [answer.status_code]
    token = [None, "x", known[:-4] + "AAAA"][len(answer.content) % 3]
    refused = await requests.send_without_token(answer.request, token)
    assert refused.status_code == 401, f"{case!r} with the token {token}: {refused.text}"
    return [answer.status_code, refused.status_code]
