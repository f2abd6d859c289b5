"""Simulated slaves for the dispatch benchmark: the real protocol over raw sockets, so that they cost little themselves.

Run as a program: connects, renders nothing, reports every frame as done at once, and prints what it measured as JSON.
"""

import argparse
import asyncio
import hashlib
import json
import time
from base64 import b64encode
from typing import cast
from urllib.parse import urlsplit

import uvloop

from coordinator.constants import PROTOCOL_VERSION

RESULT = 1024  # bytes
WARM_UP = 0.5  # seconds after the start that are not measured


def frame_of(text: str) -> bytes:
    """A WebSocket text frame as a client sends it; the mask of zeros changes nothing, and costs nothing."""
    data = text.encode()
    size = len(data)
    head = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0x80 | 126]) + size.to_bytes(2, "big")
    return head + bytes(4) + data


class Load:
    """What all slaves share: where to, and what was measured."""

    def __init__(self, host: str, port: int, results: bool, pause: float) -> None:
        self.host, self.port, self.results, self.pause = host, port, results, pause
        self.cycles = 0
        self.latencies: list[float] = []
        self.joined = 0
        self.idle = asyncio.Event()  # everybody is connected
        self.begun = False  # until then whoever has work waits, or the queue would be empty too early
        self.wanted = 0


class Slave(asyncio.Protocol):
    """One WebSocket, and one connection for results."""

    def __init__(self, load: Load, number: int) -> None:
        self.load = load
        self.number = number
        self.id = hashlib.sha256(str(number).encode()).hexdigest()[:32]
        self.buffer = b""
        self.open = False
        self.sent = 0.0
        self.work: tuple[int, str, int] | None = None
        self.delivering = False
        self.results: Results | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop has its own class
        key = b64encode(self.id[:16].encode()).decode()
        self.transport.write(
            f"GET /api/slave HTTP/1.1\r\nHost: {self.load.host}:{self.load.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.open:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self.open, self.buffer = True, rest
            hello = {
                "type": "hello",
                "protocol": PROTOCOL_VERSION,
                "slave": self.id,
                "name": f"slave-{self.number}",
                "host": "bench",
                "blender": "4.5.0",
                "threads": 1,
            }
            self.transport.write(frame_of(json.dumps(hello)))
        while (parsed := self._parse()) is not None:
            kind, payload = parsed
            if kind == 0x9:  # ping
                self.transport.write(bytes([0x8A, 0x80 | len(payload)]) + bytes(4) + payload)
            elif kind == 0x1:
                said = json.loads(payload)
                for message in said if isinstance(said, list) else [said]:
                    self._take(message)

    def _parse(self) -> tuple[int, bytes] | None:
        data = self.buffer
        if len(data) < 2:
            return None
        size, begin = data[1] & 0x7F, 2
        if size == 126:
            size, begin = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, begin = int.from_bytes(data[2:10], "big"), 10
        if len(data) < begin + size:
            return None
        self.buffer = data[begin + size :]
        return data[0] & 0x0F, data[begin : begin + size]

    def _take(self, message: dict[str, object]) -> None:
        if message["type"] == "welcome":
            self.load.joined += 1
            if self.load.joined == self.load.wanted:
                self.load.idle.set()
        elif message["type"] == "work":
            frames = message["frames"]
            assert isinstance(frames, list) and len(frames) == 1, "the benchmark is of chunks of one frame"
            self.work = (int(str(message["lease"])), str(message["job"]), frames[0])
            self.go_on()

    def go_on(self) -> None:
        if self.work is None or self.delivering or not self.load.begun:
            return
        (lease, job, frame), self.work = self.work, None
        now = time.perf_counter()
        if self.sent:
            self.load.latencies.append(now - self.sent)
            self.load.cycles += 1
        if self.load.pause:
            asyncio.get_running_loop().call_later(self.load.pause, self._report, lease, job, frame)
        else:
            self._report(lease, job, frame)

    def _report(self, lease: int, job: str, frame: int) -> None:
        self.sent = time.perf_counter()
        started = f'{{"type":"started","lease":{lease},"frame":{frame}}}'
        if self.results is None:
            done = f'{{"type":"done","lease":{lease},"frame":{frame},"seconds":0.01}}'
            self.transport.write(frame_of(f"[{started},{done}]"))
        else:
            self.delivering = True
            self.transport.write(frame_of(started))
            self.results.put(lease, job, frame)

    def delivered(self) -> None:
        self.delivering = False
        self.go_on()


class Results(asyncio.Protocol):
    """Sends results one after the other on one connection."""

    def __init__(self, slave: Slave) -> None:
        self.slave = slave
        slave.results = self
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop has its own class

    def put(self, lease: int, job: str, frame: int) -> None:
        body = f"{job} {frame} ".encode().ljust(RESULT, b"x")
        load = self.slave.load
        self.transport.write(
            f"PUT /api/jobs/{job}/frames/{frame}/result HTTP/1.1\r\nHost: {load.host}:{load.port}\r\n"
            f"Netrender-Slave: {self.slave.id}\r\nNetrender-Lease: {lease}\r\nNetrender-Seconds: 0.01\r\n"
            f"Netrender-SHA256: {hashlib.sha256(body).hexdigest()}\r\nContent-Length: {RESULT}\r\n\r\n".encode()
            + body
        )

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, _ = self.buffer.partition(b"\r\n\r\n")
        if end:
            assert head.startswith(b"HTTP/1.1 204"), self.buffer
            self.buffer = b""
            self.slave.delivered()


async def run(args: argparse.Namespace) -> dict[str, float]:
    where = urlsplit(args.url)
    assert where.hostname is not None and where.port is not None
    loop = asyncio.get_running_loop()
    load = Load(where.hostname, where.port, args.results, args.pause)
    load.wanted = args.slaves
    slaves = [Slave(load, number) for number in range(args.slaves)]
    for slave in slaves:
        if args.results:
            await loop.create_connection(lambda slave=slave: Results(slave), load.host, load.port)  # type: ignore[misc]
        await loop.create_connection(lambda slave=slave: slave, load.host, load.port)  # type: ignore[misc]
    await load.idle.wait()
    print("ready", flush=True)
    await loop.run_in_executor(None, input)  # told to measure
    load.begun = True
    for slave in slaves:
        slave.go_on()
    await asyncio.sleep(WARM_UP)
    load.cycles, load.latencies = 0, []
    begin = time.perf_counter()
    await asyncio.sleep(args.seconds)
    seconds = time.perf_counter() - begin
    latencies = sorted(load.latencies) or [0.0]
    return {
        "cycles": load.cycles / seconds,
        "p50": latencies[len(latencies) // 2] * 1000,
        "p99": latencies[int(len(latencies) * 0.99)] * 1000,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--slaves", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds that a frame renders")
    parser.add_argument("--results", action="store_true")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(run(parser.parse_args()))), flush=True)


if __name__ == "__main__":
    main()
