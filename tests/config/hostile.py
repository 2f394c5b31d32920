"""A folder that somebody else wrote, and the command line as a process in it; real servers that keep what they get."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from scanner.sandbox import certificates
from tests import processes
from tests.terminals import account, snapshot

PROGRAM = Path(sys.executable).parent / "twolocks"
PUBLIC = "https://management.azure.com"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def run(folder: Path, *words: object, env: Mapping[str, str] | None = None, program: str | Path = PROGRAM) -> Ran:
    """Run a command in a folder, with a home of its own and these variables."""
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    given = {"PATH": os.environ["PATH"], "HOME": str(home), "NO_COLOR": "1", "COLUMNS": "400", **(env or {})}
    if program == PROGRAM:
        done = processes.run(*words, cwd=folder, env=given, stdin=subprocess.DEVNULL, timeout=120, safe=True)
        return Ran(done.returncode, done.stdout, done.stderr)
    done = subprocess.run(
        [str(program), *(str(each) for each in words)],
        cwd=folder,
        env=given,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def exposed(folder: Path) -> Path:
    """Write a snapshot, beside the folder, with a public storage account."""
    return snapshot(folder.parent / "taken.jsonl", account("stopen", allowBlobPublicAccess=True))


@dataclass(slots=True)
class Endpoint:
    """A server that says it is ARM. `tokens`: the audiences of the tokens that it got; `forms`: what it was posted."""

    url: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    forms: list[str] = field(default_factory=list)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    found: Endpoint

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        result = self.server.found
        if token := self.headers.get("Authorization", "").removeprefix("Bearer "):
            result.tokens.append(audience(token))
        self._answer(result.metadata if self.path.startswith("/metadata/") else {"value": []})

    def do_POST(self) -> None:
        self.server.found.forms.append(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        self._answer({})

    def _answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


def audience(token: str) -> str:
    """Return the audience of a JWT."""
    claims = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["aud"])


@contextmanager
def endpoint(folder: Path, audiences: list[str], login: str = "") -> Iterator[Endpoint]:
    """Serve metadata that name these audiences and this login authority (default: the server itself), over TLS."""
    certificates.make(folder)
    server = _Server(("127.0.0.1", 0), _Handler)
    result = server.found = Endpoint(f"https://127.0.0.1:{server.server_port}")
    server.socket = certificates.server_context(folder).wrap_socket(server.socket, server_side=True)
    result.metadata = {
        "resourceManager": f"{result.url}/",
        "authentication": {"loginEndpoint": f"{login or result.url}/", "audiences": audiences},
    }
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield result
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def trusting(folder: Path, *files: str) -> str:
    """Return a file with the certificates of several servers, as an operating system has those of all."""
    path = folder / "all.pem"
    path.write_text("".join(Path(each).read_text() for each in files))
    return str(path)
