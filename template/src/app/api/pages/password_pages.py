"""Where the links of mails lead to in development, and forms to register and log in."""

from html import escape
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import SecretStr

from app.api.pages.rendering import page, text

_HIDDEN_INPUT: Final = '<label>{label} <input name="{name}" type="password" required autocomplete="new-password"></label>'

router = APIRouter(include_in_schema=False)


def password_hint(seed_password: SecretStr | None) -> str:
    """Return what the start page says above its list of logins."""
    password = seed_password.get_secret_value() if seed_password else "—"
    return f"All have the password <code>{escape(password)}</code>."


def forms() -> str:
    """Return the start page's forms to register and log in."""
    return text("start_password.html")


@router.get("/verify-email")
async def verify_email() -> Response:
    """Let a person confirm an address."""
    return _link_page(
        "Verify your address",
        action="/api/v1/auth/verify-email",
        done="Verified. You can log in; your tenant is ready in a moment.",
        button="Verify",
    )


@router.get("/reset-password")
async def reset_password() -> Response:
    """Let a person choose a new password."""
    return _link_page(
        "Choose a new password",
        action="/api/v1/auth/reset-password",
        done="Changed. Log in with the new password.",
        button="Change",
        fields=_HIDDEN_INPUT.format(label="New password", name="new_password"),
    )


@router.get("/accept-invite")
async def accept_invite() -> Response:
    """Let a new user accept an invite."""
    return _link_page(
        "Accept the invite",
        action="/api/v1/invites/accept",
        done="Welcome. You can log in.",
        button="Join",
        fields='<label>Your name <input name="full_name" required maxlength="200"></label>'
        + _HIDDEN_INPUT.format(label="Password", name="password"),
    )


@router.get("/pages/pages.js")
async def script() -> Response:
    """Return the script of the pages."""
    return Response(text("pages.js"), media_type="text/javascript")


def _link_page(title: str, *, action: str, done: str, button: str, fields: str = "") -> Response:
    return page("link.html", title=title, action=action, done=done, button=button, fields=fields)
