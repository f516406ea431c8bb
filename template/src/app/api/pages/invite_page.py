"""Where the links of invites lead to in development."""

from fastapi.responses import Response

from app.api.dependencies.components import ComponentsDep
from app.api.pages.provider_pages import SCRIPT, joining_form
from app.api.pages.rendering import fragment, page
from app.api.routing import PageRouter

router = PageRouter(include_in_schema=False)


@router.get("/accept-invite")
async def accept_invite(components: ComponentsDep) -> Response:
    """Let an invited person sign in and join."""
    ways = f"<p>Sign in with the invited address.</p>{joining_form(components.settings.public_url)}"
    return page("Accept the invite", fragment("invite.html", ways=ways), scripts=[SCRIPT])
