"""Forms, files and downloads over HTTP: how large they may be, where they are kept, and what becomes of them."""

import asyncio
import tempfile
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import pytest
from fastapi import Form, Request, UploadFile
from fastapi.responses import FileResponse
from starlette import formparsers
from uvicorn.server import ServerState

from app.api.dependencies.admission import CurrentUser
from app.api.dependencies.components import ComponentsDep
from app.api.detached_routing import DetachedRoute
from app.api.routing import APIRouter
from app.core.settings import HttpSettings, Settings
from app.main import create_app
from tests.answers import problem
from tests.background import eventually
from tests.factories import Factory
from tests.http_server import served
from tests.lifespan import started
from tests.patience import PATIENCE_SECONDS

MIB: Final = 1024 * 1024
FILE_NAME: Final = 'Rechnung "5" – café;.txt'
START: Final = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
HEADERS: Final = {"Content-Type": "multipart/form-data; boundary=b"}

router = APIRouter(prefix="/files")
small = APIRouter(prefix="/small", max_body_size=2000, form_limits={"max_files": 1})


@router.post("", max_body_size=32 * MIB)
async def upload(
    file: UploadFile, _user: CurrentUser, title: Annotated[str, Form()] = ""
) -> dict[str, Any]:
    return {"name": file.filename, "size": file.size, "title": title}


@router.post("/ordinary")
async def upload_ordinary(file: UploadFile, _user: CurrentUser) -> int | None:
    return file.size


@small.post("")
async def upload_small(files: list[UploadFile], _user: CurrentUser) -> int:
    return len(files)


@router.get("/one")
@router.head("/one", include_in_schema=False)
async def download(_user: CurrentUser) -> FileResponse:
    return FileResponse(__file__, filename=FILE_NAME)


streams = APIRouter(prefix="/streams", route_class=DetachedRoute)


@streams.post("", max_body_size=32 * MIB)
async def upload_stream(request: Request, components: ComponentsDep, _user: CurrentUser) -> int:
    assert not components.database.pool.checkedout()
    return sum([len(piece) async for piece in request.stream()])


class Kept(tempfile.SpooledTemporaryFile[bytes]):
    """A file of a form."""

    all: Final[list["Kept"]] = []

    def __init__(self, max_size: int) -> None:
        super().__init__(max_size)
        self.is_on_disk = False
        self.all.append(self)

    def rollover(self) -> None:
        super().rollover()
        self.is_on_disk = True


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Kept]]:
    """The files that forms brought."""
    monkeypatch.setattr(formparsers, "SpooledTemporaryFile", Kept)
    yield Kept.all
    Kept.all.clear()


@pytest.fixture
async def files(settings: Settings, factory: Factory) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-in client of an application with such routes."""
    app = create_app(settings)
    for each in (router, small, streams):
        app.include_router(each)
    token = (await factory.signed_in()).token
    async with (
        started(app),
        served(app, ServerState()) as port,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Host": "testserver", "Authorization": f"Bearer {token}"},
            timeout=PATIENCE_SECONDS,
        ) as client,
    ):
        yield client


async def pieces(size: int) -> AsyncIterator[bytes]:
    piece = b"x" * 64 * 1024
    yield START
    for _ in range(size // len(piece)):
        yield piece
    yield b"\r\n--b--\r\n"


async def test_a_form_brings_files_and_fields(files: httpx.AsyncClient) -> None:
    sent = {"file": ("café;.txt", b"content")}
    answer = await files.post("/files", files=sent, data={"title": "Käse"})
    assert answer.json() == {"name": "café;.txt", "size": 7, "title": "Käse"}
    assert problem(await files.post("/files", data={"title": "x"})) == (422, "invalid-request")


@pytest.mark.parametrize("tells_length", [True, False])
async def test_a_large_file_is_on_disk_and_nowhere_in_memory(
    files: httpx.AsyncClient, kept: list[Kept], tells_length: bool
) -> None:
    size = 16 * MIB
    length = {"Content-Length": str(len(START) + size + len(b"\r\n--b--\r\n"))}
    headers = HEADERS | (length if tells_length else {})
    tracemalloc.start()
    try:
        answers = await asyncio.gather(
            *(files.post("/files", content=pieces(size), headers=headers) for _ in range(2)),
            files.post("/streams", content=pieces(size), headers=headers),
        )
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[0].json()["size"] == size
    assert [file.is_on_disk for file in kept] == [True, True]

    async def are_closed() -> bool:
        return all(file.closed for file in kept)

    await eventually(are_closed)


@pytest.mark.parametrize("tells_length", [True, False])
@pytest.mark.parametrize(
    ("path", "most"),
    [("/files", 32 * MIB), ("/files/ordinary", HttpSettings().max_body_bytes), ("/small", 2000)],
)
async def test_each_route_has_its_limit(
    files: httpx.AsyncClient, path: str, most: int, tells_length: bool
) -> None:
    headers = HEADERS | ({"Content-Length": str(most + 1)} if tells_length else {})

    async def content() -> AsyncIterator[bytes]:
        yield START
        # What tells its length is refused before that much has come.
        piece = b"x" * min(most, 64 * 1024)
        for _ in range(0 if tells_length else most // len(piece) + 1):
            yield piece

    with_body = files.build_request("POST", path, headers=headers, content=content())
    if tells_length:
        reader, writer = await asyncio.open_connection(files.base_url.host, files.base_url.port)
        lines = "".join(f"{name}: {value}\r\n" for name, value in with_body.headers.items())
        writer.write(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"/problems/body-too-large" in answer
        assert b"At most %d bytes" % most in answer
    else:
        refused = await files.send(with_body)
        assert problem(refused) == (413, "body-too-large")
        assert refused.json()["detail"] == f"At most {most} bytes are read."


async def test_a_stranger_uploads_nothing(files: httpx.AsyncClient, kept: list[Kept]) -> None:
    for token in ("", "Bearer forged"):
        headers = HEADERS | {"Authorization": token}
        answer = await files.post("/files", content=pieces(MIB), headers=headers)
        assert problem(answer) == (401, "unauthenticated")
    assert not kept


FORMS: Final = {
    "no boundary": ("multipart/form-data", START),
    "no end": (HEADERS["Content-Type"], START.replace(b'; filename="f"', b"") + b"half"),
    "no form": (HEADERS["Content-Type"], b"{}"),
    "no name": (
        HEADERS["Content-Type"],
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
    ),
    "odd encoding": (
        f"{HEADERS['Content-Type']}; charset=undefined",
        START.replace(b'"f"', b'"\xe9"') + b"x\r\n--b--\r\n",
    ),
    "long header": (HEADERS["Content-Type"], b"--b\r\nX: " + b"x" * 9000 + b"\r\n\r\nx\r\n--b--"),
    "many headers": (HEADERS["Content-Type"], b"--b\r\n" + b"X: x\r\n" * 99 + b"\r\nx\r\n--b--"),
    "many files": (HEADERS["Content-Type"], (START + b"x\r\n") * 11 + b"--b--\r\n"),
    "many fields": ("application/x-www-form-urlencoded", b"a=b&" * 101),
    "long field": ("application/x-www-form-urlencoded", b"title=" + b"x" * 65 * 1024),
}


@pytest.mark.parametrize("kind", FORMS)
async def test_a_form_that_cannot_be_read_is_the_clients_fault(
    files: httpx.AsyncClient, kind: str
) -> None:
    media_type, content = FORMS[kind]
    answer = await files.post("/files", content=content, headers={"Content-Type": media_type})
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.status_code in (400, 422)


async def test_a_router_limits_forms(files: httpx.AsyncClient) -> None:
    async def sent(count: int) -> httpx.Response:
        return await files.post("/small", files=[("files", ("f", b"x"))] * count)

    assert (await sent(1)).json() == 1
    assert problem(await sent(2)) == (400, "bad-request")


async def test_who_hangs_up_leaves_no_file(files: httpx.AsyncClient, kept: list[Kept]) -> None:
    _, writer = await asyncio.open_connection(files.base_url.host, files.base_url.port)
    token = files.headers["Authorization"]
    head = f"POST /files HTTP/1.1\r\nHost: testserver\r\nAuthorization: {token}\r\n"
    kind = f"Content-Type: {HEADERS['Content-Type']}\r\nContent-Length: 9999999\r\n\r\n"
    writer.write(f"{head}{kind}".encode() + START + b"x" * 2 * MIB)

    async def is_on_disk() -> bool:
        return bool(kept) and kept[0].is_on_disk

    async def is_closed() -> bool:
        return kept[0].closed

    await eventually(is_on_disk)
    writer.transport.abort()
    await eventually(is_closed)


async def test_a_download_has_a_name_and_ranges(files: httpx.AsyncClient) -> None:
    content = Path(__file__).read_bytes()  # noqa: ASYNC240  a small file
    whole = await files.get("/files/one")
    assert whole.content == content
    # RFC 6266 and RFC 8187.
    assert whole.headers["Content-Disposition"] == (
        "attachment; filename*=utf-8''Rechnung%20%225%22%20%E2%80%93%20caf%C3%A9%3B.txt"
    )
    part = await files.get("/files/one", headers={"Range": "bytes=3-9"})
    assert (part.status_code, part.content) == (206, content[3:10])
    beyond = await files.get("/files/one", headers={"Range": f"bytes={len(content)}-"})
    assert beyond.status_code == 416
    head = await files.head("/files/one")
    assert (head.content, head.headers["Content-Length"]) == (b"", str(len(content)))
