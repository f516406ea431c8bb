"""Faults that only some combinations have: what a mistake in one answer's file, or where answers meet, would leave there."""

from dataclasses import dataclass
from typing import Final

from matrix import Answers


@dataclass(frozen=True)
class Fault:
    """A text of a render that is another one where all of some answers are given."""

    answers: Answers
    path: str
    """Relative to the render."""
    before: str
    after: str
    found_by: str
    """The test file that finds it: below a render's tests/, or a test of it."""

    @property
    def name(self) -> str:
        """The answers, and the file."""
        return f"{'-'.join(self.answers.values())}: {self.path}: {self.after.strip()[:40]}"

    @property
    def test(self) -> str:
        """`found_by`, as pytest takes it."""
        return f"tests/{self.found_by}"

    def is_in(self, answers: Answers) -> bool:
        """Whether a combination has the fault."""
        return self.answers.items() <= answers.items()


def where(
    tenant_strategy: str = "",
    background_engine: str = "",
    rate_limit_backend: str = "",
    auth_mode: str = "",
) -> Answers:
    """Return the answers that are named."""
    named = {
        "tenant_strategy": tenant_strategy,
        "background_engine": background_engine,
        "rate_limit_backend": rate_limit_backend,
        "auth_mode": auth_mode,
    }
    return {question: answer for question, answer in named.items() if answer}


CONTEXT: Final = "src/app/api/context"
ATTACKS: Final = "routes/test_attacks.py::test_a_route_admits_nobody_else"
SENDERS: Final = (
    "test_invite_senders.py::test_an_acceptance_sees_a_role_that_is_changed_at_that_moment"
)
WORK: Final = "test_background_work.py::test_each_kind_of_work"

# What names the tenant is asked for nothing: the token alone decides.
UNNAMED = (
    "named_tenant(self.name_of(scope), claims, how=_HOW)",
    "named_tenant(claims.tenant_slug, claims, how=_HOW)",
)
OTHER_HOST = (
    "own = set() if tenant is None else {_origin(self._tenant_urls.of(tenant))}",
    "own: set[str] = set()",
)
ANY_ORIGIN = (
    "return _origin(url) in self._origins | own",
    "return bool(_origin(url)) or bool(own)",
)
NOT_MOVED = ('return request.headers.get("host", "").lower() != home', "return False")
NO_PASSWORD = ("if seen is None or not fits:", "if seen is None:")
UNCOUNTED_TENANT = (
    "await limiter_of(request.scope).enforce_tenant(str(claims.tenant_id))",
    "limiter_of(request.scope)",
)
ONE_FOR_ALL = ('await self.enforce("tenant", tenant_id)', 'await self.enforce("tenant", "")')
NO_READINESS = ("    app.include_router(readiness)\n", "")
NO_PAGES = ("for router in (pages.dev_pages, *SIGN_IN_PAGES):", "for router in (pages.dev_pages,):")
NOT_COMPLETED = (
    "await WorkflowQueue(session).close(execution_id, WorkflowStatus.COMPLETED)",
    "await WorkflowQueue(session).close(execution_id, WorkflowStatus.CANCELLED)",
)
LOCAL_LINK = (
    'return f"{self._scheme}://{host_label(slug)}.{self._domain}{self.path}"',
    'return f"{self._scheme}://{self._domain}{self.path}"',
)
NO_TENANT_IN_STATE = (
    "state = sign_in.states.new(tenant=tenant,",
    "state = sign_in.states.new(tenant=None,",
)
NO_INVITES = ("if user.email != invite.email:", "if user.email == invite.email:")
ANY_SENDER = ("if role is None or not role.may_invite(invite.role):", "if role is None:")
NO_RULE = (
    "if await self.rules.provider_required(facts.family_id, [tenant.id]):",
    "if not await self.rules.provider_required(facts.family_id, [tenant.id]):",
)
OTHERS_STAY_OPEN = ("if is_first and before is not None:", "if False:")
PASSWORD_STAYS = ("if user.password_predates_proof:", "if False:")
LOGIN_SHELL = ('if name != "mail"', 'if name != "post"')
BODY = (
    "max_body_bytes: int = Field(default=1024 * 1024, ge=256)",
    "max_body_bytes: int = Field(default=1024 * 2048, ge=256)",
)
NO_METRICS = ("    app.include_router(metrics.router)\n", "")
OPERATION_NAMES = ("generate_unique_id_function=_operation_id,", "")
SLASHES = ("redirect_slashes=False", "redirect_slashes=True")
PROXY = ("proxy_set_header Host", "proxy_set_header X-Host")

HEADER, SUBDOMAIN, PATH, TOKEN = (
    f"{CONTEXT}/tenant_{strategy}.py" for strategy in ("header", "subdomain", "path", "token")
)
RETURNS: Final = "src/app/core/oidc/return_addresses.py"
SIGN_IN: Final = "src/app/api/v1/auth_oidc.py"
MAIN: Final = "src/app/main.py"
SETTINGS: Final = "src/app/core/settings.py"
ACCEPTANCE: Final = "src/app/services/invite_acceptance.py"
LIMITER: Final = "src/app/core/rate_limit/limiter.py"
TENANT_LIMIT: Final = "src/app/api/dependencies/limited_tenants.py"

FAULTS: Final = [
    # One answer.
    Fault(
        where("header"),
        HEADER,
        "if len(values) > 1:",
        "if len(values) > 9:",
        "test_context_tenant_header.py",
    ),
    Fault(where("header"), HEADER, *UNNAMED, ATTACKS),
    Fault(
        where("subdomain"),
        SUBDOMAIN,
        "if len(hosts) != 1:",
        "if not hosts:",
        "test_context_tenant_subdomain.py",
    ),
    Fault(
        where("subdomain"),
        "src/app/core/tenant_urls.py",
        *LOCAL_LINK,
        "test_context_tenant_subdomain.py",
    ),
    Fault(where("path"), PATH, *UNNAMED, ATTACKS),
    Fault(where("token"), TOKEN, "if tenant is None:", "if False:", ATTACKS),
    Fault(
        where("", "inline"),
        "src/app/repositories/public/workflow_claims.py",
        "row.attempts)",
        "1)",
        "inline/test_workflow_claims.py",
    ),
    Fault(where("", "postgres"), "src/app/services/workflow_outcomes.py", *NOT_COMPLETED, WORK),
    Fault(where("", "", "memory"), LIMITER, *ONE_FOR_ALL, "test_rate_limits.py"),
    Fault(
        where("", "", "redis"),
        "src/app/core/rate_limit/backend_redis.py",
        "self.degraded = True",
        "self.degraded = False",
        "test_rate_limits_faults.py::test_without_the_backend_each_process_counts",
    ),
    Fault(
        where(auth_mode="password"),
        "src/app/services/auth_service.py",
        *NO_PASSWORD,
        "test_auth_login.py",
    ),
    Fault(
        where(auth_mode="password"),
        "src/app/services/address_proofs.py",
        *OTHERS_STAY_OPEN,
        "test_auth_verification.py",
    ),
    Fault(where(auth_mode="oidc"), SIGN_IN, *NO_TENANT_IN_STATE, "test_oidc_sign_in.py"),
    Fault(
        where(auth_mode="both"),
        "src/app/services/guarded_sessions.py",
        *NO_RULE,
        "test_sign_in_rules.py",
    ),
    Fault(where(auth_mode="both"), ACCEPTANCE, *ANY_SENDER, SENDERS),
    Fault(
        where(auth_mode="both"),
        "src/app/services/vouched_sign_in.py",
        *PASSWORD_STAYS,
        "test_sign_in_rules.py",
    ),
    # Two.
    Fault(where("subdomain", auth_mode="oidc"), RETURNS, *OTHER_HOST, "test_oidc_return.py"),
    Fault(where("subdomain", auth_mode="both"), RETURNS, *OTHER_HOST, "test_oidc_return.py"),
    Fault(where("subdomain", auth_mode="both"), SIGN_IN, *NOT_MOVED, "test_oidc_return.py"),
    Fault(where("path", auth_mode="oidc"), RETURNS, *ANY_ORIGIN, "test_oidc_return.py"),
    Fault(where("token", auth_mode="both"), SIGN_IN, *NO_TENANT_IN_STATE, "test_oidc_sign_in.py"),
    Fault(
        where("header", rate_limit_backend="memory"),
        TENANT_LIMIT,
        *UNCOUNTED_TENANT,
        "test_auth_rate_limits.py",
    ),
    Fault(
        where("path", rate_limit_backend="redis"),
        TENANT_LIMIT,
        *UNCOUNTED_TENANT,
        "test_auth_rate_limits.py",
    ),
    Fault(
        where("", "inline", auth_mode="password"),
        "src/app/services/workflow_outcomes.py",
        *NOT_COMPLETED,
        WORK,
    ),
    Fault(where("", "postgres", "redis"), MAIN, *NO_READINESS, "test_health.py"),
    Fault(where("token", "temporal"), MAIN, *NO_METRICS, "test_health.py"),
    Fault(
        where("", "temporal", auth_mode="oidc"),
        ACCEPTANCE,
        *NO_INVITES,
        "test_oidc_users.py::test_a_newcomer_signs_in_and_joins_by_the_invites_link",
    ),
    Fault(
        where("subdomain", "inline"),
        "src/app/core/tenant_urls.py",
        *LOCAL_LINK,
        "test_context_tenant_subdomain.py",
    ),
    Fault(
        where("path", auth_mode="both"),
        "src/app/services/guarded_sessions.py",
        *NO_RULE,
        "test_sign_in_rules.py",
    ),
    # Three, in combinations of which only some run whole, or none.
    Fault(where("header", "temporal", "", "both"), RETURNS, *ANY_ORIGIN, "test_oidc_return.py"),
    Fault(where("subdomain", "postgres", "", "oidc"), RETURNS, *OTHER_HOST, "test_oidc_return.py"),
    Fault(where("subdomain", "inline", "", "both"), SIGN_IN, *NOT_MOVED, "test_oidc_return.py"),
    Fault(where("header", "inline", "redis"), HEADER, *UNNAMED, ATTACKS),
    Fault(where("path", "postgres", "redis"), PATH, *UNNAMED, ATTACKS),
    Fault(where("path", "", "memory", "password"), LIMITER, *ONE_FOR_ALL, "test_rate_limits.py"),
    Fault(
        where("token", "", "redis", "password"),
        TENANT_LIMIT,
        *UNCOUNTED_TENANT,
        "test_auth_rate_limits.py",
    ),
    Fault(
        where("", "postgres", "redis", "password"),
        "src/app/services/workflow_outcomes.py",
        *NOT_COMPLETED,
        WORK,
    ),
    Fault(
        where("token", "inline", "", "both"),
        "src/app/services/workflow_outcomes.py",
        *NOT_COMPLETED,
        WORK,
    ),
    Fault(
        where("", "temporal", "memory", "password"),
        "src/app/services/auth_service.py",
        *NO_PASSWORD,
        "test_auth_login.py",
    ),
    Fault(
        where("subdomain", "temporal", "", "password"),
        "src/app/core/tenant_urls.py",
        *LOCAL_LINK,
        "test_context_tenant_subdomain.py",
    ),
    Fault(
        where("header", "", "redis", "oidc"), SIGN_IN, *NO_TENANT_IN_STATE, "test_oidc_sign_in.py"
    ),
    Fault(where("", "inline", "memory", "both"), MAIN, *NO_PAGES, "test_pages_provider.py"),
    Fault(where("subdomain", "", "memory", "oidc"), MAIN, *NO_READINESS, "test_health.py"),
    Fault(where("path", "inline", "redis"), MAIN, *SLASHES, "test_host_injection.py"),
    Fault(where("token", "postgres", "redis"), MAIN, *OPERATION_NAMES, "test_health.py"),
    Fault(where("", "postgres", "memory", "both"), SETTINGS, *BODY, "test_documents.py"),
    Fault(where("subdomain", "inline", "redis"), SETTINGS, *LOGIN_SHELL, "test_settings.py"),
    Fault(
        where("subdomain", "postgres", "none"),
        "docs/deployment.md",
        *PROXY,
        "test_reverse_proxy.py",
    ),
    Fault(where("header", "temporal", "memory", "oidc"), HEADER, *UNNAMED, ATTACKS),
    Fault(
        where("token", "temporal", "redis", "both"),
        "src/app/services/guarded_sessions.py",
        *NO_RULE,
        "test_sign_in_rules.py",
    ),
]
