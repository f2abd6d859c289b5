"""Blobs over HTTP: whole, resumed after a cut, refused; and back, in parts."""

import asyncio
import io
import random
import socket
from pathlib import Path

import aiohttp
import pytest

from ..coordinators import RunningCoordinator
from ..submissions import sha256, upload

DATA = random.Random(1).randbytes(4_000_000)
DIGEST = sha256(DATA)
URL = f"/api/blobs/{DIGEST}"


async def stored(http: aiohttp.ClientSession, url: str = URL) -> tuple[int, str | None]:
    """Bytes that are there, and whether that is all."""
    async with http.head(url) as response:
        if response.status == 404:
            return 0, None
        assert response.status == 200
        return int(response.headers["Upload-Offset"]), response.headers["Upload-Complete"]


async def put(
    http: aiohttp.ClientSession, data: bytes, url: str = URL, **headers: str
) -> tuple[int, dict[str, str] | None]:
    async with http.put(url, data=io.BytesIO(data), headers=headers) as response:
        return response.status, await response.json() if response.status >= 400 else None


def kept(coordinator: RunningCoordinator) -> list[Path]:
    return [path for path in (coordinator.data / "blobs").rglob("*") if path.is_file()]


async def test_whole_and_back(http: aiohttp.ClientSession) -> None:
    assert await stored(http) == (0, None)
    assert await put(http, DATA) == (201, None)
    assert await stored(http) == (len(DATA), "?1")
    async with http.get(URL) as response:
        assert response.status == 200 and response.headers["ETag"] == f'"{DIGEST}"'
        assert await response.read() == DATA


async def test_what_is_there_is_not_stored_again(http: aiohttp.ClientSession, coordinator: RunningCoordinator) -> None:
    await put(http, DATA)
    (path,) = kept(coordinator)
    before = path.stat()
    assert await put(http, DATA) == (200, None)
    assert path.stat().st_mtime_ns == before.st_mtime_ns and kept(coordinator) == [path]


async def test_two_at_once_store_it_once(http: aiohttp.ClientSession, coordinator: RunningCoordinator) -> None:
    answers = await asyncio.gather(*(put(http, DATA) for _ in range(4)))
    assert sorted(answers) == [(200, None)] * 3 + [(201, None)]
    assert len(kept(coordinator)) == 1


async def test_an_empty_file(http: aiohttp.ClientSession) -> None:
    assert await upload(http, b"") == 201
    assert await stored(http, f"/api/blobs/{sha256(b'')}") == (0, "?1")


def send_and_cut(coordinator: RunningCoordinator, part: bytes, total: int) -> None:
    """Begin an upload of ``total`` bytes, send ``part``, and drop the connection."""
    with socket.create_connection(("127.0.0.1", coordinator.port)) as connection:
        head = f"PUT {URL} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {total}\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100"), "the handler is there and reads"
        connection.sendall(part)


async def test_a_cut_upload_goes_on_where_it_broke(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator
) -> None:
    await asyncio.to_thread(send_and_cut, coordinator, DATA[:3_000_000], len(DATA))
    # Waits until the cut upload is over, as it has the blob for as long as it is being received.
    status, error = await put(http, b"", **{"Upload-Offset": "999"})
    assert status == 409 and error is not None and error["code"] == "wrong-offset"
    have, complete = await stored(http)
    # The last block may be lost between the network and the disk: what HEAD says counts.
    assert 2_000_000 < have <= 3_000_000 and complete == "?0"
    assert f"{have} bytes are stored" in error["message"]
    assert await upload(http, DATA, offset=have) == 201
    assert await stored(http) == (len(DATA), "?1")
    async with http.get(URL) as response:
        assert await response.read() == DATA
    assert len(kept(coordinator)) == 1


async def test_an_upload_that_stands_still_lets_go(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.server.requests.REQUEST_SILENCE", 1.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", coordinator.port)
    writer.write(f"PUT {URL} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(DATA)}\r\n\r\n".encode())
    writer.write(DATA[:1_500_000])
    assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    monkeypatch.undo()
    have, complete = await stored(http)
    assert 0 < have <= 1_500_000 and complete == "?0"
    assert await upload(http, DATA, offset=have) == 201
    writer.close()
    await writer.wait_closed()


async def test_wrong_bytes_are_not_kept(http: aiohttp.ClientSession, coordinator: RunningCoordinator) -> None:
    status, error = await put(http, b"something else")
    assert status == 422 and error is not None and error["code"] == "blob-mismatch"
    assert sha256(b"something else") in error["message"]
    assert await stored(http) == (0, None) and kept(coordinator) == []
    async with http.get(URL) as response:
        assert response.status == 404 and (await response.json())["code"] == "not-found"


async def test_a_wrong_offset_changes_nothing(http: aiohttp.ClientSession, coordinator: RunningCoordinator) -> None:
    status, error = await put(http, DATA[100:], **{"Upload-Offset": "100"})
    assert status == 409 and error is not None and "0 bytes are stored, not 100" in error["message"]
    assert await stored(http) == (0, None) and kept(coordinator) == []


async def test_a_body_that_is_encoded_wrongly(coordinator: RunningCoordinator, http: aiohttp.ClientSession) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", coordinator.port)
    head = f"PUT {URL} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode() + b"5\r\nhello\r\nthis is no length\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()
    await writer.wait_closed()
    status, error = await put(http, b"this is not compressed", **{"Content-Encoding": "zstd"})
    assert status == 400 and error is not None and error["message"].startswith("body: ")
    status, error = await put(http, b"whatever", **{"Content-Encoding": "gzip"})
    assert status == 400 and error is not None and "'gzip' is not understood" in error["message"]


@pytest.mark.parametrize("name", ["abc", "A" * 64, "g" * 64, "0" * 63, "0" * 65])
async def test_a_name_that_is_no_sha256(http: aiohttp.ClientSession, name: str) -> None:
    status, error = await put(http, b"", f"/api/blobs/{name}")
    assert status == 400 and error is not None and name in error["message"]
    for method in ("HEAD", "GET"):
        async with http.request(method, f"/api/blobs/{name}") as response:
            assert response.status == 400


@pytest.mark.parametrize("offset", ["-1", "1.5", "x", "", "9" * 30])
async def test_an_offset_that_is_none(http: aiohttp.ClientSession, offset: str) -> None:
    status, error = await put(http, b"", **{"Upload-Offset": offset})
    assert status == 400 and error is not None and "header Upload-Offset" in error["message"]


async def test_parts_of_a_blob(http: aiohttp.ClientSession) -> None:
    await put(http, DATA)
    async with http.get(URL, headers={"Range": "bytes=3999990-"}) as response:
        assert response.status == 206 and response.headers["Content-Range"] == "bytes 3999990-3999999/4000000"
        assert response.headers["ETag"] == f'"{DIGEST}"'
        assert await response.read() == DATA[-10:]
    async with http.get(URL, headers={"Range": "bytes=4000000-"}) as response:
        assert response.status == 416
    async with http.get(URL, headers={"If-None-Match": f'"{DIGEST}"'}) as response:
        assert response.status == 304 and await response.read() == b""
