"""Which passwords outlive the link to the identity provider (ADR 0023)."""

from app.models.public.users import User
from app.services.address_proofs import AddressProofs


class LastingPasswords(AddressProofs):
    """Notes that the reader of the address's mail has chosen the password, and nobody before."""

    async def choose(
        self, user: User, password_hash: str, *, action: str, full_name: str | None = None
    ) -> None:
        """Make the password the account's that the reader of the mail has just chosen."""
        user.password_predates_proof = False
        await super().choose(user, password_hash, action=action, full_name=full_name)
