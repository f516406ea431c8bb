"""Where the identity provider's users come back to in development, and a form to begin with."""

from html import escape
from typing import Final

from fastapi.responses import Response

from app.api.pages.rendering import fragment, page, text
from app.api.routing import PageRouter

ANYBODY: Final = "The development identity provider asks for no password: choose anybody."

router = PageRouter(include_in_schema=False)


def form(public_url: str) -> str:
    """Return the start page's form to sign in."""
    return fragment("start_provider.html", home=escape(public_url))


@router.get("/signed-in")
async def signed_in() -> Response:
    """Show the access token of who has signed in."""
    return page(
        "signed_in.html",
        title="Signed in",
        lead="Your access token, for “Authorize” in the documentation:",
        action="<output data-result></output>",
    )


@router.get("/pages/provider.js")
async def script() -> Response:
    """Return the script of these pages."""
    return Response(text("provider.js"), media_type="text/javascript")
