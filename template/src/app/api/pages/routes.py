"""Pages for a person with a browser: the start page, and in development where the links in mails lead."""

from collections.abc import Iterable
from html import escape
from importlib.resources import files
from string import Template
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.api.dependencies.components import ComponentsDep
from app.core import about
from app.core.errors import NotFound
from app.core.settings import DevSettings
from app.services.samples import SAMPLES, logins

_HIDDEN_INPUT: Final = '<label>{label} <input name="{name}" type="password" required autocomplete="new-password"></label>'

start_page = APIRouter(include_in_schema=False)
link_pages = APIRouter(include_in_schema=False)


@start_page.get("/")
async def start(components: ComponentsDep) -> Response:
    """Return the start page; outside development it says no more than what this is."""
    if components.settings.environment != "dev":
        return Response(f"{about.NAME}\n", media_type="text/plain")
    dev = components.settings.dev
    password = dev.seed_password.get_secret_value() if dev.seed_password else "—"
    return _page(
        "start.html",
        links="\n".join(_tile(*link) for link in _links(dev)),
        logins="\n".join(
            f"<tr>{_cells((login.email, login.tenant or '—', login.role))}</tr>"
            for login in logins()
        ),
        password=escape(password),
        hint=escape(components.tenant_strategy.hint(SAMPLES[0].slug, components.tenant_urls)),
    )


@link_pages.get("/verify-email")
async def verify_email() -> Response:
    """Let a person confirm an address."""
    return _link_page(
        "Verify your address",
        action="/api/v1/auth/verify-email",
        done="Verified. You can log in; your tenant is ready in a moment.",
        button="Verify",
    )


@link_pages.get("/reset-password")
async def reset_password() -> Response:
    """Let a person choose a new password."""
    return _link_page(
        "Choose a new password",
        action="/api/v1/auth/reset-password",
        done="Changed. Log in with the new password.",
        button="Change",
        fields=_HIDDEN_INPUT.format(label="New password", name="new_password"),
    )


@link_pages.get("/accept-invite")
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


@link_pages.get("/mailbox")
async def mailbox(components: ComponentsDep) -> Response:
    """Lead to the mailbox, which has a port of its own.

    Raises:
        NotFound: mail goes somewhere else.
    """
    url = components.settings.dev.pages.get("Mailbox")
    if url is None:
        raise NotFound
    return RedirectResponse(url)


@link_pages.get("/pages/pages.css")
async def css() -> Response:
    """Return the style of the pages."""
    return Response(_text("pages.css"), media_type="text/css")


@link_pages.get("/pages/pages.js")
async def script() -> Response:
    """Return the script of the pages."""
    return Response(_text("pages.js"), media_type="text/javascript")


def _links(dev: DevSettings) -> Iterable[tuple[str, str, str]]:
    yield "/docs", "API", "Try each route (Swagger UI)"
    yield "/redoc", "Reference", "Read about each route (ReDoc)"
    for title, url in dev.pages.items():
        yield url, title, "Started beside the service"
    yield "/metrics", "Metrics", "For Prometheus"
    yield "/health/ready", "Health", "Whether requests are answered"


def _tile(url: str, title: str, text: str) -> str:
    return (
        f'<li><a href="{escape(url)}"><strong>{escape(title)}</strong>'
        f"<span>{escape(text)}</span></a></li>"
    )


def _cells(values: Iterable[str]) -> str:
    return "".join(f"<td>{escape(value)}</td>" for value in values)


def _link_page(title: str, *, action: str, done: str, button: str, fields: str = "") -> Response:
    return _page("link.html", title=title, action=action, done=done, button=button, fields=fields)


def _page(file: str, **values: str) -> Response:
    fixed = {"name": escape(about.NAME), "description": escape(about.DESCRIPTION)}
    return HTMLResponse(Template(_text(file)).substitute(fixed, **values))


def _text(file: str) -> str:
    return files(__package__).joinpath(file).read_text(encoding="utf-8")
