"""The pages of a render under development, walked by a browser that clicks."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from conftest import BROWSER, Renderer
from matrix import Answers, name
from plan import in_turn

pytestmark = [
    pytest.mark.serial,
    pytest.mark.slow,
    pytest.mark.skipif(
        BROWSER is None,
        reason="no Chromium here, so nobody clicks through the pages: install the package chromium",
    ),
]

STARTED_SECONDS = 300
HAPPENS_MS = 60_000
PASSWORD = "kelp-orbit-brass-9"
# A host for each tenant is what the pages of each mode differ by; the other strategies share one text.
WALKS = [
    {"tenant_strategy": strategy, "auth_mode": mode}
    for strategy, mode in (
        ("subdomain", "both"),
        ("subdomain", "oidc"),
        ("subdomain", "password"),
        ("header", "both"),
        ("path", "oidc"),
        ("token", "password"),
    )
]
FEW = {"background_engine": "inline", "rate_limit_backend": "none"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=HAPPENS_MS)
    with sync_playwright() as playwright:
        # Chromium's sandbox needs what containers and root do not have; the pages are the project's own.
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@dataclass
class Walk:
    """A person with a browser, the service before them, and what its console tells."""

    page: Page
    answers: Answers
    port: int
    mailbox: str
    complaints: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(HAPPENS_MS)
        self.page.context.on("console", self._note)
        self.page.context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _note(self, message: Any) -> None:
        refused = re.search(r"responded with a status of (\d+)", message.text)
        # ReDoc would show its maker's logo, from a host that nothing here may ask.
        if message.type != "error" or "cdn.redoc.ly" in message.text:
            return
        if not (refused and int(refused[1]) in self.expected):
            self.complaints.append(f"{message.text} ({message.location.get('url')})")

    @contextlib.contextmanager
    def refusals(self, *statuses: int) -> Iterator[None]:
        """Expect answers of these statuses meanwhile, of which the browser's console complains."""
        self.expected |= set(statuses)
        yield
        self.page.wait_for_load_state("networkidle")
        self.expected -= set(statuses)

    @property
    def has_hosts(self) -> bool:
        return bool(self.answers["tenant_strategy"] == "subdomain")

    @property
    def mode(self) -> str:
        return str(self.answers["auth_mode"])

    def home(self, tenant: str | None = None) -> str:
        """Where a tenant's people start."""
        host = f"{tenant}.localhost" if tenant and self.has_hosts else "127.0.0.1"
        return f"http://{host}:{self.port}"

    def open(self, url: str) -> None:
        """Open a page, which has to be a tidy one."""
        self.page.goto(url, wait_until="networkidle")
        self.is_tidy()

    def is_tidy(self) -> None:
        """One heading, a title, a language, a name for each field, room on a phone, nothing on the console."""
        page = self.page
        assert page.locator("h1").count() == 1
        assert page.title()
        assert page.locator("html").get_attribute("lang") == "en"
        for field_ in page.locator("input:visible").all():
            assert field_.evaluate("field => field.labels.length"), field_
        page.set_viewport_size({"width": 360, "height": 780})
        wide = page.evaluate("document.documentElement.scrollWidth")
        page.set_viewport_size({"width": 1100, "height": 900})
        assert wide <= 360, f"{page.url} is {wide} pixels wide"
        self.is_quiet()

    def is_quiet(self) -> None:
        """Nothing stands on the console: no script failed, and no policy stopped anything."""
        assert self.complaints == [], self.page.url

    def fill(self, form: str, **values: str) -> Any:
        """Type into the fields of the section with this heading; return the section."""
        section = self.page.get_by_role("region", name=form)
        for label, value in values.items():
            section.get_by_label(label.replace("_", " "), exact=True).fill(value)
        return section

    def follow_mail(self, address: str) -> None:
        """Open the mailbox, the newest mail to an address and the link in it, as a person does."""
        waiting: dict[str, str | int] = {"to": address, "wait": 30}
        httpx.get(f"{self.mailbox}/messages.json", params=waiting, timeout=60).raise_for_status()
        self.page.goto(f"{self.mailbox}/?to={quote(address)}")
        self.page.locator("td a").first.click()
        with self.page.expect_popup() as opened:
            self.page.locator("pre a").first.click()
        link = opened.value
        link.wait_for_load_state("networkidle")
        self.page.close()
        self.page = link
        self.page.set_default_timeout(HAPPENS_MS)

    def call(self, method: str, path: str, body: Any, token: str | None = None) -> None:
        """Call the API as a client, for what no page is there for."""
        headers = {"X-Tenant-ID": "acme"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if self.answers["tenant_strategy"] == "path" and token is not None:
            path = f"/t/acme{path}"
        if self.has_hosts:
            headers["Host"] = f"acme.localhost:{self.port}"
        url = f"http://127.0.0.1:{self.port}{path}"
        httpx.request(method, url, json=body, headers=headers, timeout=60).raise_for_status()


@contextlib.contextmanager
def developed(service: Path) -> Iterator[tuple[int, str]]:
    """`make dev` of a render; the port and the mailbox's URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = service / "dev.log"
    with log.open("w") as output:
        dev = subprocess.Popen(
            [sys.executable, "-m", "app", "dev"],
            cwd=service,
            env=os.environ | {"PYTHONPATH": "src", "PORT": str(port), "SEED_PASSWORD": PASSWORD},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + STARTED_SECONDS
        while "Ready after" not in (text := log.read_text()) or "Mailbox" not in text:
            assert dev.poll() is None, text[-8000:]
            assert time.monotonic() < deadline, text[-8000:]
            time.sleep(0.1)
        mailbox = re.search(r"^Mailbox +(\S+)", text, re.MULTILINE)
        assert mailbox
        yield port, mailbox[1]
    finally:
        dev.send_signal(signal.SIGINT)
        dev.wait(60)


@pytest.mark.parametrize("answers", in_turn(WALKS), ids=name)
def test_each_page(render: Renderer, tmp_path: Path, browser: Browser, answers: Answers) -> None:
    service = tmp_path / "service"
    shutil.copytree(render(**FEW, **answers), service)
    with developed(service) as (port, mailbox), contextlib.closing(browser.new_context()) as person:
        walk = Walk(person.new_page(), answers, port, mailbox)
        try:
            _look_around(walk)
            if walk.mode != "oidc":
                _register(walk)
                _forget_password(walk)
            if walk.mode != "password":
                _sign_in(walk)
            _join(walk)
            _try_a_route(walk, _token(walk))
            walk.is_quiet()
        except BaseException:
            walk.page.screenshot(path=tmp_path / "page.png", full_page=True)
            print(f"{walk.page.url}: {tmp_path / 'page.png'}\n{walk.complaints}")
            raise


def _look_around(walk: Walk) -> None:
    walk.open(walk.home())
    for title in ("Reference", "Metrics", "Health", "Mailbox"):
        walk.page.get_by_role("link", name=title).click()
        walk.page.wait_for_load_state("networkidle")
        walk.is_quiet()
        walk.open(walk.home())
    if walk.has_hosts:
        for tenant in ("globex", "initech"):
            walk.open(walk.home(tenant))
            fields = walk.page.get_by_label("Tenant", exact=True)
            assert {field_.input_value() for field_ in fields.all()} == {tenant}
            if walk.mode != "oidc":
                owner = "owner@globex.test" if tenant == "globex" else ""
                login = walk.page.get_by_role("region", name="Log in")
                assert login.get_by_label("E-mail").input_value() == owner
    with walk.refusals(404):
        walk.open(walk.home() + "/problems/no-such-problem")
        assert "no-such-problem" in walk.page.locator("main").inner_text()


def _register(walk: Walk) -> None:
    walk.open(walk.home())
    typed = {
        "Tenant's_name": "Initrode",
        "Slug": "Not a slug",
        "Your_name": "Ada",
        "E-mail": "ada@example.com",
        "Password": PASSWORD,
    }
    register = walk.fill("Register", **typed)
    with walk.refusals(422):
        register.get_by_role("button").click()
        expect(register.locator("output")).to_contain_text("/body/tenant_slug")
    walk.is_tidy()
    register.get_by_role("link", name="About this problem").click()
    expect(walk.page.locator("h1")).to_have_text("The request does not fit its description")
    assert walk.page.locator("main p").first.inner_text().startswith("A field, a parameter")
    assert "`" not in walk.page.locator("main").inner_text()
    walk.is_tidy()

    walk.open(walk.home())
    register = walk.fill("Register", **typed | {"Slug": "initrode"})
    register.get_by_role("button").press("Enter")
    expect(register.locator("output")).to_contain_text("open the mailbox")
    walk.follow_mail("ada@example.com")
    facts = walk.page.locator("dl")
    expect(facts).to_contain_text("Initrode")
    _is_in_two_columns(walk)
    assert walk.page.url == walk.home() + "/verify-email"
    walk.page.reload()
    expect(facts).to_contain_text("Initrode")
    walk.is_tidy()
    walk.page.get_by_role("button", name="Verify").click()
    expect(walk.page.locator("form output")).to_contain_text("Verified")
    with walk.refusals(400):
        walk.open(walk.home() + "/verify-email?token=used")
        expect(walk.page.locator("main > output")).to_contain_text("unknown")
        expect(walk.page.get_by_role("button")).to_be_hidden()

    walk.open(walk.home("initrode"))
    login = walk.fill("Log in", **{"E-mail": "ada@example.com", "Password": "wrong-password-7"})
    if not walk.has_hosts:
        walk.fill("Log in", Tenant="initrode")
    with walk.refusals(401):
        login.get_by_role("button").click()
        expect(login.locator("output.failed")).to_be_visible()
    walk.fill("Log in", Password=PASSWORD)
    login.get_by_role("button").click()
    expect(login.locator("output")).to_contain_text("eyJ")
    walk.is_tidy()


def _forget_password(walk: Walk) -> None:
    walk.call("POST", "/api/v1/auth/forgot-password", {"email": "member@acme.test"})
    walk.follow_mail("member@acme.test")
    assert walk.page.url == walk.home() + "/reset-password"
    walk.page.get_by_label("New password").fill(PASSWORD + "-2")
    walk.is_tidy()
    walk.page.get_by_role("button", name="Change").click()
    expect(walk.page.locator("form output")).to_contain_text("Changed")
    walk.open(walk.home() + "/reset-password")
    expect(walk.page.locator("main")).to_contain_text("Open this page by the link in the mail")


def _sign_in(walk: Walk) -> None:
    walk.open(walk.home("acme"))
    form = walk.page.get_by_role("region", name="Sign in with the identity provider")
    if not walk.has_hosts:
        # What breaks the rule for slugs does not leave the page; nor does what the service refuses.
        walk.fill("Sign in with the identity provider", Tenant="Not a slug")
        form.get_by_role("button").click()
        assert walk.page.url == walk.home() + "/"
        walk.fill("Sign in with the identity provider", Tenant=32 * "0")
        with walk.refusals(422):
            form.get_by_role("button").click()
            expect(form.locator("output")).to_contain_text("/query/tenant")
        # At another name of this machine the page moves to its own, with what was typed.
        walk.open(f"http://localhost:{walk.port}/")
        walk.fill("Sign in with the identity provider", Tenant="acme")
        form.get_by_role("button").click()
        walk.page.wait_for_url(f"{walk.home()}/?tenant=acme")
        expect(form.get_by_label("Tenant")).to_have_value("acme")
    _through_the_provider(walk, form.get_by_role("button"), "owner@acme.test")
    expect(walk.page.locator("output")).to_contain_text("eyJ")
    assert walk.page.url == walk.home("acme") + "/signed-in"
    walk.is_tidy()

    walk.open(walk.home("globex"))
    if not walk.has_hosts:
        walk.fill("Sign in with the identity provider", Tenant="globex")
    form = walk.page.get_by_role("region", name="Sign in with the identity provider")
    _through_the_provider(walk, form.get_by_role("button"), "owner@acme.test")
    expect(walk.page.locator("output")).to_contain_text("Nobody was signed in")
    expect(walk.page.locator("h1")).to_have_text("Sign-in")
    walk.is_tidy()
    walk.page.get_by_role("link", name="About this problem").click()
    expect(walk.page.locator("h1")).to_contain_text("No such tenant")


def _through_the_provider(walk: Walk, button: Any, address: str) -> None:
    button.click()
    expect(walk.page.locator("h1")).to_have_text("Who are you?")
    walk.is_tidy()
    walk.page.get_by_label("Somebody else").fill(address)
    walk.page.get_by_role("button", name="Sign in").click()
    walk.page.wait_for_url(re.compile(r"/(signed-in|accept-invite)$"))


def _token(walk: Walk) -> str:
    """An access token of acme's owner, as the start page gives it."""
    walk.open(walk.home("acme"))
    if walk.mode == "password":
        login = walk.fill("Log in", Password=PASSWORD)
        login.get_by_role("button").click()
        output = login.locator("output")
    else:
        form = walk.page.get_by_role("region", name="Sign in with the identity provider")
        if not walk.has_hosts:
            walk.fill("Sign in with the identity provider", Tenant="acme")
        _through_the_provider(walk, form.get_by_role("button"), "owner@acme.test")
        output = walk.page.locator("output")
    expect(output).to_contain_text("eyJ")
    return str(output.inner_text())


def _join(walk: Walk) -> None:
    token = _token(walk)
    if walk.mode == "both":
        walk.call("PUT", "/api/v1/tenant/sign-in", {"requires_provider": True}, token)
    walk.call("POST", "/api/v1/invites", {"email": "grace@example.com", "role": "member"}, token)
    walk.follow_mail("grace@example.com")
    expect(walk.page.locator("dl")).to_contain_text("Acme")
    expect(walk.page.locator("dl")).to_contain_text("grace@example.com")
    # The token is not in it.
    assert walk.page.url.endswith("/accept-invite")
    _is_in_two_columns(walk)
    walk.is_tidy()
    if walk.mode != "oidc":
        walk.page.get_by_label("Your name").fill("Grace")
        walk.page.get_by_label("Password", exact=True).fill(PASSWORD)
        with walk.refusals(403):
            walk.page.get_by_role("button", name="Join", exact=True).click()
            told = walk.page.locator("form[data-action] output")
            expect(told).to_contain_text("provider" if walk.mode == "both" else "Welcome")
    if walk.mode != "password":
        button = walk.page.get_by_role("button", name="Sign in and join")
        if walk.mode == "both":
            expect(button).to_be_focused()
        _through_the_provider(walk, button, "grace@example.com")
        expect(walk.page.locator("output[data-result]")).to_contain_text("Welcome to Acme")
    walk.is_tidy()


def _is_in_two_columns(walk: Walk) -> None:
    term, fact = (walk.page.locator(f"dl {part}").first.bounding_box() for part in ("dt", "dd"))
    assert term
    assert fact
    assert term["x"] + term["width"] < fact["x"]
    assert abs(term["y"] - fact["y"]) < 5


def _try_a_route(walk: Walk, token: str) -> None:
    page = walk.page
    page.goto(walk.home("acme") + "/docs", wait_until="networkidle")
    page.get_by_role("button", name="Authorize").first.click()
    page.get_by_label("Value:").or_(page.locator(".auth-container input")).first.fill(token)
    page.locator(".auth-btn-wrapper").get_by_role("button", name="Apply credentials").click()
    page.get_by_role("button", name="Close").first.click()
    operation = page.locator("#operations-projects-list_projects")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table tr.response td.response-col_status")
    expect(answer).to_contain_text("200")
    servers = page.locator(".servers option").all_inner_texts()
    assert all(server.startswith("/") for server in servers), servers
