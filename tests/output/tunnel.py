"""A proxy that leads each connection to one server on this machine, as if it were the host that a client names."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tunnel:
    """A running proxy. `asked`: the hosts and ports that clients named."""

    url: str
    asked: list[str] = field(default_factory=list)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    to: int
    found: Tunnel


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        head = self.request.recv(65_536).decode()
        self.server.found.asked.append(head.split()[1])
        with socket.create_connection(("127.0.0.1", self.server.to)) as far:
            self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(far, self.request), daemon=True)
            back.start()
            _pump(self.request, far)
            back.join(10)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(65_536):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def tunnel(port: int) -> Iterator[Tunnel]:
    """A proxy to a port of this machine, while it lasts."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.to, server.found = port, Tunnel(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server.found
    finally:
        server.shutdown()
        server.server_close()
