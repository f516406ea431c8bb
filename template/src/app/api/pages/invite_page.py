"""Where the links of invites lead to in development."""

from html import escape

from fastapi import APIRouter
from fastapi.responses import Response

from app.api.dependencies.components import ComponentsDep
from app.api.pages.rendering import page

router = APIRouter(include_in_schema=False)


@router.get("/accept-invite")
async def accept_invite(components: ComponentsDep) -> Response:
    """Let an invited person sign in, and so join."""
    home = escape(components.settings.public_url)
    return page(
        "signed_in.html",
        title="Accept the invite",
        lead="Sign in with the invited address, and you belong to the tenant.",
        action=f'<form data-sign-in="{home}"><button>Sign in</button><output></output></form>',
    )
