"""Histories on real databases: a file for each test, and a database for each test on one server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.history.queries import upgrade
from tests.history.server import Server, serving


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database in which nothing is: a file that is not there, a new database."""
    if request.param == "sqlite":
        yield str(tmp_path / "history.db")
        return
    running: Server = request.getfixturevalue("server")
    name = running.database()
    yield running.url(name)
    running.drop(name)


@pytest.fixture
def url(empty: str) -> str:
    """The URL of a history without a scan."""
    if empty.startswith("postgresql"):
        upgrade(empty)
    return empty


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """The name of a database on the server with a history without a scan."""
    name = server.database()
    upgrade(server.url(name))
    yield name
    server.drop(name)
