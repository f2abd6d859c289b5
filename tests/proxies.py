"""A network between a client and the coordinator: it counts bytes, and breaks where it is told to."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Proxy:
    """Passes on what comes to ``port``. With ``cuts``, every connection breaks after that many bytes to the server."""

    def __init__(self, target: int, cuts: list[int] | None = None) -> None:
        self._target = target
        self.cuts = list(cuts or [])
        self.sent = 0  # bytes from the clients to the server
        self.received = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="proxy")]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        with self._lock:
            for one in [self._listener, *self._sockets]:
                _shut(one)
        for thread in self._threads:
            thread.join()
        for one in [self._listener, *self._sockets]:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            with self._lock:
                self._sockets += [client, server]
                for ends in ((client, server, True), (server, client, False)):
                    thread = threading.Thread(target=self._pass, args=ends, name="proxy")
                    self._threads.append(thread)
                    thread.start()

    def _pass(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if up:
                    cut = self._count(len(data))
                    if cut is not None:
                        target.sendall(data[:cut])
                        break
                else:
                    self.received += len(data)
                target.sendall(data)
        _shut(source)
        _shut(target)

    def _count(self, size: int) -> int | None:
        """How much of it still passes if this is where the connection breaks."""
        with self._lock:
            self.sent += size
            if not self.cuts:
                return None
            self.cuts[0] -= size
            if self.cuts[0] > 0:
                return None
            return max(0, size + self.cuts.pop(0))


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy(target: int, cuts: list[int] | None = None) -> Iterator[Proxy]:
    running = Proxy(target, cuts)
    try:
        yield running
    finally:
        running.close()
