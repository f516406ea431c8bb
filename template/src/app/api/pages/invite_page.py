"""Where the links of invites lead to in development."""

from html import escape

from fastapi.responses import Response

from app.api.dependencies.components import ComponentsDep
from app.api.pages.rendering import page
from app.api.routing import PageRouter

router = PageRouter(include_in_schema=False)


@router.get("/accept-invite")
async def accept_invite(components: ComponentsDep) -> Response:
    """Let an invited person sign in and join."""
    home = escape(components.settings.public_url)
    return page(
        "signed_in.html",
        title="Accept the invite",
        lead="Sign in with the invited address to join the tenant.",
        action=f'<form data-sign-in="{home}" data-return-to="/accept-invite"><button>Sign in and join</button>'
        '<output data-result="joined"></output></form>',
    )
