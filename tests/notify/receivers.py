"""Real receivers on loopback: a web server, with TLS or without, and a mail server. They keep what they were sent."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from scanner.sandbox import certificates

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a web server answers. `hang`: it does not; `drip`: a byte now and then, for ever."""

    status: int = 202
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    hang: bool = False
    drip: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        result: Json = json.loads(self.body)
        return result


@dataclass(slots=True)
class Web:
    """A web server and the requests that it got, whose answers follow each other; the last one stays."""

    url: str
    answers: Sequence[Answer] = (Answer(),)
    received: list[Received] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def next(self) -> Answer:
        return self.answers[min(len(self.received), len(self.answers)) - 1]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    found: Web

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up, or trusts nobody."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        result = self.server.found
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        result.received.append(Received(self.path, dict(self.headers), body))
        answer = result.next()
        self.close_connection = True
        if answer.hang:
            result.ended.wait()
        elif answer.drip:
            self._drip()
        else:
            self._answer(answer)

    def do_GET(self) -> None:
        self.server.found.received.append(Received(f"GET {self.path}", dict(self.headers), b""))
        self._answer(Answer(200))

    def _answer(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def _drip(self) -> None:
        self.wfile.write(b"HTTP/1.1 202 ")
        while not self.server.found.ended.wait(0.05):
            self.wfile.write(b"x")

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def web(*answers: Answer, folder: Path | None = None) -> Iterator[Web]:
    """A running web server; with a folder (of certificates) it speaks TLS."""
    server = _Server(("127.0.0.1", 0), _Handler)
    result = server.found = Web("", answers or (Answer(),))
    if folder is not None:
        server.socket = certificates.server_context(folder).wrap_socket(server.socket, server_side=True)
    result.url = f"{'https' if folder is not None else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield result
    finally:
        result.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def refused() -> str:
    """An address where nobody listens."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@dataclass(slots=True)
class Proxy:
    """What a proxy was asked, and the login that it was given."""

    port: int
    asked: list[str] = field(default_factory=list)
    login: str = ""


@contextmanager
def proxy(to: str) -> Iterator[Proxy]:
    """A proxy that takes one CONNECT, to whatever host, and leads to a server on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        result = Proxy(listening.getsockname()[1])

        def lead() -> None:
            taken, _ = listening.accept()
            with taken, socket.create_connection(("127.0.0.1", int(to.rpartition(":")[2]))) as server:
                lines = taken.recv(65536).decode().split("\r\n")
                result.asked.append(lines[0])
                result.login = next((each.partition(": ")[2] for each in lines if each.startswith("Proxy-")), "")
                taken.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_pump, args=(server, taken))
                back.start()
                _pump(taken, server)
                back.join()

        thread = threading.Thread(target=lead)
        thread.start()
        yield result
        thread.join(5)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)


# Mail


@dataclass(slots=True)
class Post:
    """A mail server and what it took: `refuses` some recipients, `busy` so many times before it takes a mail."""

    port: int = 0
    refuses: tuple[str, ...] = ()
    busy: int = 0
    logins: list[tuple[str, str]] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    secured: list[bool] = field(default_factory=list)
    tries: int = 0

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(_bytes(each), policy=default) for each in self.envelopes]

    # What aiosmtpd asks

    async def handle_MAIL(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        self.tries += 1
        if self.tries <= self.busy:
            return "451 later"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        if address in self.refuses:
            return "550 nobody here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802
        self.secured.append(server.transport.get_extra_info("sslcontext") is not None)
        self.envelopes.append(envelope)
        return "250 taken"

    def login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        matches = (data.login.decode(), data.password.decode())
        self.logins.append(matches)
        return AuthResult(success=matches[1] == "geheim-passord", handled=False)


def _bytes(envelope: Envelope) -> bytes:
    assert isinstance(envelope.content, bytes)
    return envelope.content


class _Controller(Controller):
    """aiosmtpd's own, with STARTTLS demanded."""

    def __init__(self, post: Post, tls: str, context: ssl.SSLContext | None, login: bool) -> None:
        self.post, self.tls, self.context, self.login = post, tls, context, login
        super().__init__(post, hostname="127.0.0.1", port=_free(), ssl_context=context if tls == "implicit" else None)

    def factory(self) -> SMTP:
        starttls = self.tls == "starttls"
        return SMTP(
            self.post,
            hostname="mail.test",
            tls_context=self.context if starttls else None,
            require_starttls=starttls,
            auth_required=self.login and starttls,
            auth_require_tls=True,
            authenticator=self.post.login,
        )


@contextmanager
def mail(folder: Path, tls: str = "starttls", *, login: bool = False, **options: Any) -> Iterator[Post]:
    """A running mail server whose certificate lies in the folder."""
    post = Post(**options)
    context = certificates.server_context(folder) if tls != "none" else None
    controller = _Controller(post, tls, context, login)
    controller.start()
    post.port = controller.port
    try:
        yield post
    finally:
        controller.stop()


def _free() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def until(done: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)
