"""The life of tenants that also come of registrations."""

from dataclasses import dataclass
from typing import ClassVar, Final

from hypothesis.stateful import rule

from app.models.public.email_verifications import VerificationPurpose
from app.models.public.tenants import TenantStatus
from fuzz.life import PEOPLE, SLUGS, TENANTS, Life
from fuzz.model import SLUG_TAKEN, ModelTenant, Person, Refusal
from tests.mailbox import Mailbox
from tests.sign_in.password import PASSWORD

_AUTH: Final = "/api/v1/auth"
_WAITING: Final = "SELECT id FROM public.tenants WHERE slug = :slug AND status = 'pending'"
_PROOF: Final = "SELECT id FROM public.email_verifications WHERE tenant_id = :id"


@dataclass
class RegisteredTenant(ModelTenant):
    """A tenant that waits, if it comes of a registration, until the address is proven."""

    proven: bool = False

    @property
    def is_shown(self) -> bool:
        """Whether its members find it on their lists: all of them have proven their addresses."""
        return self.lives and self.status is not TenantStatus.PENDING

    def delete(self) -> Refusal | None:
        """Delete it, or return how that is refused."""
        if self.status is not TenantStatus.PENDING:
            return super().delete()
        self.status = TenantStatus.DELETED
        self.actions.append("tenant.deleted")
        return None


class RegisteredLife(Life):
    """People also register tenants."""

    tenants: ClassVar[type[ModelTenant]] = RegisteredTenant

    @rule(person=PEOPLE, suffix=SLUGS)
    def register(self, person: Person, suffix: str) -> None:
        """Register a tenant with the address of somebody who has an account."""
        slug = self.prefix + suffix
        body = {
            "email": self.people[person].email,
            "password": PASSWORD,
            "full_name": "Ada Lovelace",
            "tenant_name": "Analytical Engines",
            "tenant_slug": slug,
        }
        client = self.stage.world.client
        answer = self.now(client.post(f"{_AUTH}/register", json=body))
        if self.refused(answer, SLUG_TAKEN if self.is_taken(slug) else None):
            return
        # The mail makes the token.
        self.now(Mailbox(self.stage.world.components).of(""))
        [[id]] = self.now(self.stage.rows(_WAITING, slug=slug))
        self.begin(id, slug, person, TenantStatus.PENDING)

    @rule(tenant=TENANTS)
    def verify(self, tenant: RegisteredTenant) -> None:
        """Prove the address, be it for the first or the second time."""
        proofs = self.now(self.stage.rows(_PROOF, id=tenant.id))
        if not proofs:
            return
        tokens = self.stage.world.components.derived_tokens
        token = tokens.derive(VerificationPurpose.VERIFY_EMAIL, proofs[0].id)
        client = self.stage.world.client
        answer = self.now(client.post(f"{_AUTH}/verify-email", json={"token": token}))
        if self.refused(answer, (400, "token-invalid") if tenant.proven else None):
            return
        tenant.proven = True
        if tenant.status is TenantStatus.PENDING:
            tenant.status = TenantStatus.PROVISIONING
            tenant.actions.append("tenant.confirmed")
