"""Behind nginx with the documented settings: what it keeps away from the service, and what it hands on."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from app.cli.api import SERVER
from app.core.settings import HttpSettings
from app.dev.network import reserve_port
from app.dev.servers.base import running
from tests.background import eventually
from tests.http_server import served
from tests.patience import PATIENCE_SECONDS
from tests.probe import Probe
from tests.reverse_proxy import TRUSTED, Nginx, value_of
from tests.sections import probe_settings

pytestmark = pytest.mark.slow

CLIENT: Final = "127.0.0.2"
PROCESSES: Final = 3
HEAD: Final = b"POST /raw HTTP/1.1\r\nHost: testserver\r\n"
BODY: Final = 100_000


class Process:
    """One of the service's, and what has reached it."""

    def __init__(self) -> None:
        self.probe = Probe(probe_settings(http={"trusted_proxies": [TRUSTED]}))
        self.state = ServerState()
        self.requests: list[Scope] = []
        self.port = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests.append(scope)
        await self.probe.app(scope, receive, send)


class Service:
    """All of its processes."""

    def __init__(self, processes: list[Process]) -> None:
        self.processes = processes

    def received(self) -> list[Scope]:
        """Return what has reached them since this was last asked."""
        received = [scope for process in self.processes for scope in process.requests]
        for process in self.processes:
            process.requests.clear()
        return received

    def connections(self) -> set[object]:
        """Return those that they have."""
        return {each for process in self.processes for each in process.state.connections}


@pytest.fixture(scope="module")
async def served_by_all() -> AsyncIterator[Service]:
    async with AsyncExitStack() as stack:
        processes = [Process() for _ in range(PROCESSES)]
        for process in processes:
            process.port = await stack.enter_async_context(served(process, process.state))
        yield Service(processes)


@pytest.fixture
def service(served_by_all: Service) -> Service:
    """Nothing has reached it yet."""
    served_by_all.received()
    return served_by_all


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tests-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def nginx(served_by_all: Service, folder: Path) -> Iterator[Nginx]:
    with running_before(served_by_all, folder / "patient") as nginx:
        yield nginx


@pytest.fixture
def impatient(service: Service, folder: Path) -> Iterator[Nginx]:
    """One that nobody has to wait for."""
    times = {"client_header_timeout": "500ms", "client_body_timeout": "500ms"}
    with running_before(service, folder / "impatient", **times, keepalive_timeout="300ms") as nginx:
        yield nginx


@contextmanager
def running_before(service: Service, folder: Path, **times: str) -> Iterator[Nginx]:
    nginx = Nginx(folder, *(process.port for process in service.processes), times=times)
    with running(nginx):
        yield nginx


def client_of(nginx: Nginx) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        # Nothing is encrypted here, and reading the certificates of authorities takes longer than a test.
        transport=httpx.AsyncHTTPTransport(verify=False, local_address=CLIENT),
        base_url=f"http://127.0.0.1:{nginx.port}",
        headers={"Host": "testserver"},
        timeout=PATIENCE_SECONDS,
    )


@pytest.fixture
async def client(nginx: Nginx) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(nginx) as client:
        yield client


async def begun(nginx: Nginx, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
    writer.write(data)
    await writer.drain()
    return reader, writer


async def ask(nginx: Nginx, head: str) -> int:
    """Send what an HTTP client would not; return the status."""
    reader, writer = await begun(nginx, f"{head}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


async def test_a_slow_body_reaches_the_service_when_it_is_whole(
    nginx: Nginx, service: Service, client: httpx.AsyncClient
) -> None:
    head = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % BODY
    reader, writer = await begun(nginx, head + b"a" * (BODY // 2))
    # What came before this has been read.
    await client.get("/whoami")
    assert [scope["path"] for scope in service.received()] == ["/whoami"]

    writer.write(b"a" * (BODY // 2))
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n%d" % BODY)
    assert len(service.received()) == 1
    writer.close()


async def test_who_goes_silent_is_hung_up_on_and_has_reached_nothing(
    impatient: Nginx, service: Service
) -> None:
    before = service.connections()

    async def silent_after(data: bytes) -> bytes:
        reader, writer = await begun(impatient, data)
        answer = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
        writer.close()
        return answer

    sent = [b"", HEAD, HEAD + b"Content-Length: %d\r\n\r\n" % BODY + b"a" * (BODY // 2)]
    answers = await asyncio.gather(*(silent_after(data) for data in sent))
    assert not any(answer.startswith(b"HTTP/1.1 200") for answer in answers), answers
    assert not service.received()
    assert service.connections() <= before


async def test_connections_are_used_again_and_closed_by_the_proxy(
    client: httpx.AsyncClient, impatient: Nginx, service: Service
) -> None:
    for _ in range(3 * PROCESSES):
        await client.get("/whoami")
    received = service.received()
    connections = {(scope["client"], scope["server"]) for scope in received}
    assert len(connections) < len(received) == 3 * PROCESSES

    before = service.connections()

    async def none_is_left() -> bool:
        return service.connections() <= before

    async with client_of(impatient) as another:
        await another.get("/whoami")
    assert len(service.received()) == 1
    await eventually(none_is_left)
    assert 0 < int(value_of("keepalive_timeout").removesuffix("s")) < SERVER["timeout_keep_alive"]


@pytest.mark.parametrize("forged", ["6.6.6.6", "6.6.6.6, 127.0.0.1", "127.0.0.1", "rubbish", ""])
async def test_a_client_does_not_choose_its_address(client: httpx.AsyncClient, forged: str) -> None:
    answer = await client.get("/whoami", headers={"X-Forwarded-For": forged})
    assert answer.json()["address"] == CLIENT


async def test_what_is_too_large_reaches_nothing(
    client: httpx.AsyncClient, nginx: Nginx, service: Service
) -> None:
    most = HttpSettings().max_body_bytes

    async def in_pieces() -> AsyncIterator[bytes]:
        for _ in range(most // BODY + 1):
            yield b"a" * BODY

    for content in (b"a" * (most + 1), in_pieces()):
        refused = await client.post("/raw", content=content)
        assert (refused.status_code, refused.headers["Content-Type"]) == (413, "text/html")
    header = "X-Long: " + "a" * 9000
    short = "\r\n".join(f"X-{n}: {'a' * 4000}" for n in range(9))
    for head in (f"{header}\r\nHost: testserver", f"Host: testserver\r\n{short}"):
        assert await ask(nginx, f"GET /whoami HTTP/1.1\r\n{head}") == 400
    assert await ask(nginx, f"GET /{'a' * 9000} HTTP/1.1\r\nHost: testserver") == 414
    assert not service.received()

    fits = await client.post("/raw", content=b"a" * most, headers={"X-Long": "a" * 8000})
    assert (fits.status_code, fits.text) == (200, str(most))


async def test_the_sizes_are_those_of_the_service() -> None:
    http = HttpSettings()
    assert value_of("client_max_body_size") == f"{http.max_body_bytes // 2**20}m"
    count, kibibytes = value_of("large_client_header_buffers").removesuffix("k").split()
    assert int(count) * int(kibibytes) * 1024 == http.max_header_bytes


@pytest.mark.parametrize(
    ("target", "host", "handed_on"),
    [
        ("/whoami", "testserver", b"testserver"),
        ("/whoami", "ACME.testserver:8443", b"acme.testserver"),
        ("http://evil.test/whoami", "testserver", b"evil.test"),
    ],
)
async def test_the_host_that_is_asked_reaches_the_service(
    nginx: Nginx, service: Service, target: str, host: str, handed_on: bytes
) -> None:
    await ask(nginx, f"GET {target} HTTP/1.1\r\nHost: {host}")
    [scope] = service.received()
    assert [value for name, value in scope["headers"] if name == b"host"] == [handed_on]


@pytest.mark.parametrize(
    "target",
    ["/metrics", "/metrics?a=b", "//metrics", "/%6detrics", "/a/../metrics", "http://x/metrics"],
)
async def test_metrics_are_not_for_the_outside(nginx: Nginx, service: Service, target: str) -> None:
    assert await ask(nginx, f"GET {target} HTTP/1.1\r\nHost: testserver") == 404
    assert not service.received()


@pytest.fixture
def draining(service: Service) -> Iterator[None]:
    """One process is shutting down."""
    service.processes[0].probe.running.draining = True
    yield
    service.processes[0].probe.running.draining = False


@pytest.mark.usefixtures("draining")
async def test_another_process_is_asked_what_may_be_repeated(
    client: httpx.AsyncClient, service: Service
) -> None:
    for _ in range(2 * PROCESSES):
        assert (await client.get("/whoami")).status_code == 200
    assert len(service.received()) > 2 * PROCESSES, "the first has refused some"

    for method, path in (("POST", "/raw"), ("PATCH", "/whoami")):
        answers = [await client.request(method, path) for _ in range(2 * PROCESSES)]
        assert 503 in {answer.status_code for answer in answers}
        assert len(service.received()) == 2 * PROCESSES, method


async def test_a_tenant_that_is_not_ready_takes_no_process_from_others(
    client: httpx.AsyncClient, service: Service
) -> None:
    for _ in range(PROCESSES):
        assert (await client.get("/busy")).status_code == 503
        assert len(service.received()) == 2
    for _ in range(2 * PROCESSES):
        assert (await client.get("/whoami")).status_code == 200
    assert all(process.requests for process in service.processes)


@pytest.mark.parametrize("strips", [False, True])
async def test_the_service_is_below_a_path(folder: Path, strips: bool) -> None:
    http = {"proxy_strips_path": strips}
    probe = Probe(probe_settings(public_url="http://testserver/svc", http=http))
    async with served(probe.app, ServerState()) as port:
        nginx = Nginx(folder / f"path-{strips}", port, path="/svc", strips=strips)
        with running(nginx):
            async with client_of(nginx) as client:
                paths = ("/svc/whoami", "/svc/metrics", "/svc/svc/whoami", "/whoami")
                answers = [(await client.get(path)).status_code for path in paths]
    assert answers == [200, 404, 404, 404]


@contextmanager
def nobody_listens() -> Iterator[int]:
    yield reserve_port()


@contextmanager
def nobody_answers() -> Iterator[int]:
    """Give the port of a server whose queue of new connections is full, which looks like a machine that is gone."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as stack:
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield full.getsockname()[1]


@pytest.mark.parametrize("gone", [nobody_listens, nobody_answers])
async def test_a_process_that_is_gone_is_missed_by_nobody(
    service: Service, folder: Path, gone: Callable[[], AbstractContextManager[int]]
) -> None:
    with gone() as port:
        ports = (port, service.processes[0].port)
        nginx = Nginx(folder / gone.__name__, *ports, times={"proxy_connect_timeout": "200ms"})
        with running(nginx):
            async with client_of(nginx) as client:
                answers = [await client.post("/raw", content=b"a") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200] * 2
