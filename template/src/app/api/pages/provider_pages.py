"""Where the identity provider's users come back to in development, and forms to begin with."""

from html import escape
from typing import Final

from fastapi.responses import Response

from app.api.pages.rendering import Host, fragment, page, text
from app.api.routing import PageRouter

ANYBODY: Final = "The development identity provider asks for no password: choose anybody."
SCRIPT: Final = "/pages/provider.js"

_RETURN_TO: Final = "/signed-in"
_RESULT: Final = """<p data-lead>A sign-in that was begun on the start page ends here.</p>
    <output data-result="shown"></output>
    <p><a href="./">Start page</a></p>"""

router = PageRouter(include_in_schema=False)


def form(host: Host) -> str:
    """Return the start page's form to sign in."""
    return fragment(
        "start_provider.html",
        home=escape(host.url),
        # Only a sign-in to that tenant may come back to a tenant's host.
        return_to=escape(_RETURN_TO if host.tenant is None else f"{host.url}{_RETURN_TO}"),
        tenant=host.tenant or "",
        fixed="" if host.tenant is None else " readonly",
    )


def joining_form(public_url: str) -> str:
    """Return the invite page's form to sign in and join."""
    return (
        f'<form data-sign-in="{escape(public_url)}" data-return-to="/accept-invite">'
        '<button>Sign in and join</button><output data-result="joined"></output></form>'
    )


@router.get("/signed-in")
async def signed_in() -> Response:
    """Show the access token of who has signed in, or why nobody has."""
    return page("Sign-in", _RESULT, scripts=[SCRIPT])


@router.get(SCRIPT)
async def script() -> Response:
    """Return the script of these pages."""
    return Response(text("provider.js"), media_type="text/javascript")
