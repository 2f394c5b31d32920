"""A way to a server that stops in the middle: it lets so many bytes through, then nothing, or it hangs up."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Relay:
    """Forwards connections. After `limit` bytes of clients `reached` is set, and it holds or, with `cut`, hangs up."""

    def __init__(self, url: str, limit: int, *, cut: bool = False) -> None:
        split = urlsplit(url)
        self._to = (str(split.hostname), int(split.port or 80))
        self._left = limit
        self._cut = cut
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._open: list[socket.socket] = []
        self.reached = threading.Event()
        self._listens = socket.create_server(("127.0.0.1", 0))
        self.url = f"{split.scheme}://127.0.0.1:{self._listens.getsockname()[1]}{split.path}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._ended.set()
        for each in (self._listens, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listens.accept()
                far = socket.create_connection(self._to)
                self._open += [near, far]
                threading.Thread(target=self._pump, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near, False), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := one.recv(65_536):
                if counted and not self._lets(len(data)):
                    if not self._cut:
                        self._ended.wait(120)
                    break
                other.sendall(data)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _lets(self, size: int) -> bool:
        with self._lock:
            self._left -= size
            if self._left < 0:
                self.reached.set()
            return self._left >= 0


@contextmanager
def relay(url: str, limit: int, *, cut: bool = False) -> Iterator[Relay]:
    """A relay while it lasts."""
    made = Relay(url, limit, cut=cut)
    try:
        yield made
    finally:
        made.close()
