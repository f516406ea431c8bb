"""A door in front of a server: what is closed refuses connections, as a server that is down does."""

import asyncio
from contextlib import suppress
from typing import Self

_CHUNK_BYTES = 64 * 1024


class Gate:
    """Forwards a loopback port of its own to another."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.port = 0
        self.silent = False
        """Whether everything stays open and nothing passes, as when a host has vanished."""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Let connections through, on the same port as before."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Cut every connection, and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        writers = list(self._open)
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*(w.wait_closed() for w in writers), return_exceptions=True)

    def overhear(self, client: object, data: bytes, *, from_client: bool) -> None:
        """Told of all that passes; `client` stands for the connection."""

    async def end_of_stream(self, *, from_client: bool) -> None:
        """Told when one side has hung up; the other hears of it when this returns."""

    async def _forward(
        self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter
    ) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(*self.target)
        except OSError:
            client_writer.transport.abort()
            return
        both = {client_writer, server_writer}
        self._open |= both
        try:
            await asyncio.wait(
                [
                    asyncio.create_task(self._copy(client_reader, server_writer, client_writer)),
                    asyncio.create_task(self._copy(server_reader, client_writer, client_writer)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for writer in both:
                writer.transport.abort()
            self._open -= both

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                if self.silent:
                    continue
                self.overhear(client, data, from_client=writer is not client)
                writer.write(data)
                await writer.drain()
        await self.end_of_stream(from_client=writer is not client)
