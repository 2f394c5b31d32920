"""A package index on this machine: a static folder (PEP 503), served over HTTP on the loopback interface."""

import hashlib
import re
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from html import escape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def project(file: Path) -> str:
    """Return the normalized name of the project of a wheel or sdist."""
    name = file.name.split("-")[0] if file.suffix == ".whl" else file.name.rsplit("-", 1)[0]
    return re.sub("[-_.]+", "-", name).lower()


def write_index(folder: Path, files: Iterable[Path]) -> None:
    """Write `simple/PROJECT/` with these files, and a page that links each with its hash."""
    for file in files:
        below = folder / "simple" / project(file)
        below.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, below)
    for below in (folder / "simple").iterdir():
        (below / "index.html").write_text("".join(map(link, sorted(below.iterdir()))), "utf-8")


def link(file: Path) -> str:
    """Return the link of a file, whose fragment is what an installer compares."""
    name = escape(file.name)
    return f'<a href="{name}#sha256={hashlib.sha256(file.read_bytes()).hexdigest()}">{name}</a><br>\n'


class _Handler(SimpleHTTPRequestHandler):
    """Answers without a line on standard error for each request."""

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the folder until the block ends; yield the URL of the index."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple/"
        server.shutdown()
