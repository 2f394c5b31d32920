"""A PostgreSQL server of the tests' own, on loopback, in a folder of its own. The programs are Debian's."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

LOCKED_OUT = "locked_out"
"""A login that must show a password."""


@dataclass(frozen=True)
class Server:
    port: int

    def url(self, database: str, login: str = "test", query: str = "") -> str:
        return f"postgresql+psycopg://{login}@127.0.0.1:{self.port}/{database}{query}"

    def run(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run one statement by hand; its rows."""
        with psycopg.connect(host="127.0.0.1", port=self.port, user="test", dbname=database, autocommit=True) as one:
            done = one.execute(statement.encode())
            return done.fetchall() if done.description else []

    def database(self) -> str:
        """The name of a new, empty database."""
        name = f"two_{secrets.token_hex(4)}"
        self.run(f"CREATE DATABASE {name}")
        return name

    def drop(self, name: str) -> None:
        """Give the room of a database back (8 MB, where it is empty)."""
        self.run(f"DROP DATABASE {name} WITH (FORCE)")


def programs() -> Path:
    """The folder of initdb and pg_ctl."""
    paths = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    named = shutil.which("initdb")
    if not paths and named is None:
        raise RuntimeError("PostgreSQL is not installed: apt-get install --no-install-recommends postgresql")
    return paths[-1].parent if paths else Path(str(named)).parent


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A running server; initdb refuses root, so that root runs it as the user postgres."""
    user = {"user": "postgres"} if os.getuid() == 0 else {}
    where, port = programs(), _free_port()
    folder = Path(tempfile.mkdtemp(prefix="twolocks-pg-"))
    data = str(folder / "data")

    def call(*words: str) -> None:
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd="/", **user)  # type: ignore[call-overload]

    try:
        if user:
            shutil.chown(folder, "postgres")
        call(
            str(where / "initdb"),
            "-D",
            data,
            "-A",
            "trust",
            "-U",
            "test",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        )
        access = folder / "data" / "pg_hba.conf"
        access.write_text(f"host all {LOCKED_OUT} 127.0.0.1/32 scram-sha-256\n{access.read_text()}")
        how = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off"
        call(str(where / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log"), "-o", how, "start")
        try:
            server = Server(port)
            server.run(f"CREATE ROLE {LOCKED_OUT} LOGIN PASSWORD 'right'")
            yield server
        finally:
            call(str(where / "pg_ctl"), "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
