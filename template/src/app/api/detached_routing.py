"""Routes that are admitted as others are, and then hold no connection while they work."""

from fastapi import Request, Response

from app.api.dependencies.admission import UNIT, admit, identify
from app.api.dependencies.components import Components
from app.api.dependencies.requirements import requirement_of
from app.api.routing import AdmittingRoute, Handler


class DetachedRoute(AdmittingRoute):
    """Ends the transaction after admission. The endpoint has no session; its service opens transactions of its own."""

    def admitting(self, handle: Handler) -> Handler:
        """Return `handle` with admission before it."""
        required = requirement_of(self)

        async def answer(request: Request) -> Response:
            identify(request, required)
            await self.read_body(request)
            components: Components = request.app.state.components
            async with components.database.unit() as unit:
                await admit(request, unit, required)
            # A session that is asked for all the same is an error, not a transaction that nobody ends.
            del request.scope["state"][UNIT]
            return await handle(request)

        return answer
