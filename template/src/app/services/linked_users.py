"""Who a person at the identity provider is here: found, linked by a verified address, or made just in time."""

from typing import Any, Final
from uuid import UUID

from app.core.db.sessions import LobbySession
from app.core.errors import EmailNotVerified, EmailTaken
from app.core.identifiers import utcnow
from app.core.oidc.identity_provider import Person
from app.core.oidc_errors import IdentityConflict
from app.models.public.user_identities import UserIdentity
from app.models.public.users import User
from app.repositories.public.user_identities import UserIdentityRepository
from app.repositories.public.users import UserRepository, user_read
from app.schemas.provider import IdentityRecord
from app.services.identity import Identity

_NO_ADDRESS: Final = "The identity provider names no address that it has verified."


class LinkedUsers:
    """Works inside the caller's transaction; never commits (ADR 0003)."""

    def __init__(self, session: LobbySession, identity: Identity) -> None:
        self.session = session
        self.users = UserRepository(session)
        self.identities = UserIdentityRepository(session)
        self.sessions = identity.sessions(session)
        self.audit = identity.audit(session)

    async def get(self, person: Person) -> User:
        """Return the person's user, locked.

        Raises:
            EmailNotVerified: nobody is linked to the person, and there is no verified address to go by.
            IdentityConflict: the address belongs to a user who is linked to another person.
        """
        user_id = await self.identities.user_of(person.issuer, person.subject)
        if user_id is None:
            return await self._link(person)
        return await self._at_address(person.verified_email, await self.users.get(user_id))

    async def unlink(self, user_id: UUID) -> int:
        """Remove the user's links, end every session, and return how many links there were.

        Who signs in with the address next is linked to the user.
        """
        await self.users.get(user_id)
        removed = await self.identities.remove_of(user_id)
        for id in removed:
            await self.audit.record("identity.unlinked", "identity", id, user_id=user_id)
        if removed:
            await self.sessions.end_all(user_id, "identity_linked")
        return len(removed)

    async def _link(self, person: Person) -> User:
        if person.verified_email is None:
            raise EmailNotVerified(_NO_ADDRESS)
        new = User(email=person.verified_email, **self._proven(person.full_name))
        account = await self.users.find_or_add(new)
        user, is_new = await self.users.get(account.id), account.id == new.id
        linked_to = await self.identities.subject_of(user.id, person.issuer)
        if linked_to == person.subject:
            return user
        if linked_to is not None:
            raise IdentityConflict
        if is_new:
            created = user_read(user)
            await self.audit.record("user.created", "user", user.id, after=created, user_id=user.id)
        elif user.email_verified_at is None:
            await self._hand_over(user, person.full_name)
        await self._add_identity(user, person)
        return user

    def _proven(self, full_name: str) -> dict[str, Any]:
        return {"full_name": full_name, "email_verified_at": utcnow()}

    async def _hand_over(self, user: User, full_name: str) -> None:
        # Somebody has made an account for the address and never proven it: nothing of theirs may stay.
        before = user_read(user)
        await self.users.update(user, self._proven(full_name))
        await self.sessions.end_all(user.id, "identity_linked")
        await self.audit.record(
            "user.verified", "user", user.id, before=before, after=user_read(user), user_id=user.id
        )

    async def _add_identity(self, user: User, person: Person) -> None:
        link = UserIdentity(user_id=user.id, issuer=person.issuer, subject=person.subject)
        await self.identities.add(link)
        await self.audit.record(
            "identity.linked",
            "identity",
            link.id,
            after=IdentityRecord(issuer=link.issuer, subject=link.subject, user_id=user.id),
            user_id=user.id,
        )

    async def _at_address(self, email: str | None, user: User) -> User:
        if email is None or email == user.email or await self.users.account(email) is not None:
            return user
        user_id = user.id
        try:
            async with self.session.savepoint():
                await self._change_address(user, email)
        except EmailTaken:
            # Somebody has got the address meanwhile, and the row is not loaded any more.
            return await self.users.get(user_id)
        return user

    async def _change_address(self, user: User, email: str) -> None:
        before = user_read(user)
        await self.users.update(user, {"email": email, "email_verified_at": utcnow()})
        await self.audit.record(
            "user.updated", "user", user.id, before=before, after=user_read(user), user_id=user.id
        )
