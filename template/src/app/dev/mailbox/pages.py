"""The mailbox's pages and its list for programs."""

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
)
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from app.dev.mailbox.messages import Message, Messages

FOLDER = Path(__file__).parent
MAX_WAIT_SECONDS = 30.0

# A page of this machine that any website may link to: it loads nothing and runs nothing.
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; frame-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
# Mail is a stranger's document: no scripts, no remote images, an origin of its own.
MAIL_HEADERS = PAGE_HEADERS | {
    "Content-Security-Policy": (
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none';"
        " style-src 'unsafe-inline'; img-src data:; font-src data:; form-action 'none';"
        " base-uri 'none'; frame-ancestors 'self'"
    ),
}


def create_app(
    messages: Messages, lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]]
) -> Starlette:
    """The application: answers only to names of this machine, so that no website can rebind to it."""
    pages = Pages(messages)
    return Starlette(
        routes=[
            Route("/", pages.list),
            Route("/messages.json", pages.list_json),
            Route("/messages/{id:int}", pages.show),
            Route("/messages/{id:int}/html", pages.html),
            Route("/messages/{id:int}/source", pages.source),
            Route("/mailbox.css", _stylesheet),
        ],
        middleware=[
            Middleware(
                TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"], www_redirect=False
            )
        ],
        exception_handlers={HTTPException: pages.problem},
        lifespan=lifespan,
    )


class Pages:
    """One method for each route."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._templates = Jinja2Templates(FOLDER / "templates")

    async def list(self, request: Request) -> Response:
        """All messages, or those to `?to=`."""
        to = request.query_params.get("to", "").strip()
        found = self._messages.list(to)
        return self._page(request, "list.html", {"messages": found, "to": to})

    async def list_json(self, request: Request) -> Response:
        """The same as JSON; with `?wait=` seconds it waits for the first message that matches."""
        to = request.query_params.get("to", "").strip()
        try:
            wait = float(request.query_params.get("wait", 0))
        except ValueError:
            wait = math.nan
        if not 0 <= wait <= MAX_WAIT_SECONDS:
            raise HTTPException(400, f"wait takes 0 to {MAX_WAIT_SECONDS:.0f} seconds.")
        found = self._messages.list(to) or await self._messages.wait(to, wait)
        return JSONResponse([_as_json(message) for message in found], headers=PAGE_HEADERS)

    async def show(self, request: Request) -> Response:
        """One message."""
        return self._page(request, "message.html", {"message": self._find(request)})

    async def html(self, request: Request) -> Response:
        """The HTML body alone, as the message page frames it."""
        message = self._find(request)
        if message.html is None:
            raise HTTPException(404, "This message has no HTML body.")
        # Links open beside the mailbox; inside the sandbox they would have nowhere to go.
        return HTMLResponse(f'<base target="_blank">{message.html}', headers=MAIL_HEADERS)

    async def source(self, request: Request) -> Response:
        """The mail as it came, with all headers."""
        return PlainTextResponse(self._find(request).source, headers=PAGE_HEADERS)

    async def problem(self, request: Request, exc: Exception) -> Response:
        """What went wrong, in a page."""
        assert isinstance(exc, HTTPException)  # noqa: S101  registered for no other
        return self._page(request, "problem.html", {"detail": exc.detail}, exc.status_code)

    def _find(self, request: Request) -> Message:
        message = self._messages.find(request.path_params["id"])
        if message is None:
            raise HTTPException(404, "This message is not here: it never came, or gave way.")
        return message

    def _page(
        self, request: Request, name: str, context: dict[str, object], status: int = 200
    ) -> Response:
        return self._templates.TemplateResponse(request, name, context, status, PAGE_HEADERS)


async def _stylesheet(_: Request) -> Response:
    return FileResponse(FOLDER / "mailbox.css", headers={"Cache-Control": "no-cache"})


def _as_json(message: Message) -> dict[str, object]:
    return {
        "id": message.id,
        "date": message.received_at.isoformat(),
        "from": message.sender,
        "to": list(message.recipients),
        "subject": message.subject,
        "text": message.text,
        "html": message.html,
    }
